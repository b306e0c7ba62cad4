-- The places of an event, and the index that must always agree with them:
-- "active <key>" holds the element that is in queue or processing, "waiting <key>" the one
-- in the retry or the delayed set. active_events_set holds the keys of the active ones.

-- to_queue(key, raw, front) -> its position, 1 is next.
local function to_queue(key, raw, front)
  redis.call('SADD', active, key)
  redis.call('HSET', index, 'active ' .. key, raw)
  if front then
    redis.call('RPUSH', queue, raw)
    return 1
  end
  return redis.call('LPUSH', queue, raw)
end

-- The element is out of queue and processing: its key is free.
local function set_free(key)
  redis.call('SREM', active, key)
  redis.call('HDEL', index, 'active ' .. key)
end

local function to_retry(key, raw, due_at)
  redis.call('ZADD', retry, now, raw)
  redis.call('ZADD', due, due_at, key)
  redis.call('HSET', index, 'waiting ' .. key, raw)
end

local function to_delayed(key, raw, run_at)
  redis.call('ZADD', delayed, run_at, raw)
  redis.call('HSET', index, 'waiting ' .. key, raw)
end

-- take_waiting(key) -> the element that waited, now nowhere; nil if there was none.
local function take_waiting(key)
  local raw = redis.call('HGET', index, 'waiting ' .. key)
  if not raw then
    return nil
  end
  redis.call('HDEL', index, 'waiting ' .. key)
  redis.call('ZREM', due, key)
  if redis.call('ZREM', retry, raw) + redis.call('ZREM', delayed, raw) == 0 then
    return nil -- taken out by hand
  end
  return raw
end

-- The running event of key, as it is stored; nil if it was taken out by hand.
local function take_processing(key)
  local raw = redis.call('HGET', index, 'active ' .. key)
  if raw and redis.call('LREM', processing, 1, raw) == 1 then
    return raw
  end
  for _, found in ipairs(redis.call('LRANGE', processing, 0, -1)) do
    local e = read(found)
    if e and e.key == key then
      redis.call('LREM', processing, 1, found)
      return found
    end
  end
  return nil
end

-- bury(raw, e, reason, err): into the dead letter; e is nil for what nobody can read.
-- reason and err are JSON texts.
local function bury(raw, e, reason, err)
  local id, account, what
  if e then
    gone(e.event_id)
    id, account, what = e.event_id, e.account_id, '"event":' .. raw
  else
    id = 'unreadable-' .. redis.call('INCR', fence)
    account, what = '', '"raw":' .. quote(raw)
  end
  local entry = '{"event_id":"' .. id .. '","reason":' .. reason .. ',"error":' .. err
    .. ',"at":' .. now .. ',' .. what .. '}'
  redis.call('ZADD', dead, now, entry)
  note('dead', id, account, entry)
  return id
end

local function bury_unreadable(raw, why)
  return bury(raw, nil, '"unreadable"', cjson.encode(why))
end

-- bury_copy(raw, e): raw stands nowhere; an event with its id is at work already.
local function bury_copy(raw, e)
  bury(raw, e, '"second copy"', '"the queue holds an event with this id already"')
end

local function is_parked(account, key)
  local list = redis.call('HGET', parked, account)
  return list and string.find(' ' .. list .. ' ', ' ' .. key .. ' ', 1, true) ~= nil
end

local function drop_parked(account, key)
  local list = redis.call('HGET', parked, account)
  if not list then
    return
  end
  local left = {}
  for other in string.gmatch(list, '%S+') do
    if other ~= key then
      left[#left + 1] = other
    end
  end
  if #left > 0 then
    redis.call('HSET', parked, account, table.concat(left, ' '))
  else
    redis.call('HDEL', parked, account)
  end
end

-- unpark(account): the account is free, so its parked events go back to the dequeue end,
-- high ones first, each in the order in which they had left it.
local function unpark(account)
  local list = redis.call('HGET', parked, account)
  if not list then
    return
  end
  redis.call('HDEL', parked, account)
  local normal, high = {}, {}
  for key in string.gmatch(list, '%S+') do
    local raw = redis.call('HGET', index, 'active ' .. key)
    local e = raw and read(raw)
    if e and redis.call('LREM', processing, 1, raw) == 1 then
      local kind = e.priority == 'high' and high or normal
      kind[#kind + 1] = e
      e.raw = raw
    end
  end
  for _, kind in ipairs({normal, high}) do
    for i = #kind, 1, -1 do
      redis.call('RPUSH', queue, kind[i].raw)
      note('unparked', kind[i].event_id, account, '{}')
    end
  end
end

-- end_lease(account): what waited for the account may run.
local function end_lease(account)
  redis.call('HDEL', leases, account)
  unpark(account)
end

-- take_follow_up(key) -> the element that came while the key executed and its event, or nil.
local function take_follow_up(key)
  local raw = take_waiting(key)
  if not raw then
    return nil
  end
  local e, why = read(raw)
  if not e then
    bury_unreadable(raw, why)
    return nil
  end
  return raw, e
end

-- follow_up(key) -> id of the event that came while the key executed and is in the queue
-- now; '' if none did.
local function follow_up(key)
  local raw, e = take_follow_up(key)
  if not raw then
    return ''
  end
  to_queue(key, raw, e.priority == 'high')
  note('queued', e.event_id, e.account_id, raw)
  return e.event_id
end

-- absorb(key, raw) -> raw with the event that came meanwhile folded in, and whether that
-- one was of high priority. For executions that end without having done their work.
local function absorb(key, raw)
  local waiting, w = take_follow_up(key)
  if not waiting then
    return raw, false
  end
  local into = read(raw)
  note('merged', w.event_id, w.account_id, '{"into":"' .. into.event_id .. '"}')
  redis.call('HDEL', passes, w.event_id)
  return merge(raw, waiting), w.priority == 'high'
end
