-- replace(list, old, new) -> 0-based place from the left where new stands now, or nil.
local function replace(list, old, new)
  local at = redis.call('LPOS', list, old)
  if not at then
    return nil
  end
  redis.call('LSET', list, at, new)
  return at
end

-- signal(e, raw, stale) -> status, id of the event that carries it, position in the queue.
-- raw stands nowhere yet; it finds its place, or the event that serves its key takes it in.
local function signal(e, raw, stale)
  local high = e.priority == 'high'
  local held = redis.call('HMGET', index, 'active ' .. e.key, 'waiting ' .. e.key)
  local running, waiting = held[1] and read(held[1]), held[2] and read(held[2])

  local function merged(into, position)
    note('merged', e.event_id, e.account_id,
      '{"into":"' .. into.event_id .. '","event":' .. raw .. '}')
    redis.call('HDEL', passes, e.event_id)
    return 'merged', into.event_id, position
  end

  -- Queued, or popped and not executing: it takes the signal in where it stands.
  if running and not is_executing(running) then
    local whole = merge(held[1], raw, stale)
    if high and redis.call('LREM', queue, 1, held[1]) == 1 then
      return merged(running, to_queue(e.key, whole, true))
    end
    local at = replace(queue, held[1], whole)
    local position = at and redis.call('LLEN', queue) - at or 0
    if at or replace(processing, held[1], whole) then
      redis.call('HSET', index, 'active ' .. e.key, whole)
      return merged(running, position)
    end
    running = nil -- taken out by hand; what follows overwrites its index
  end

  -- Waiting: it takes the signal in, and a high one calls it into the queue.
  if waiting then
    local added, run_at = redis.call('ZSCORE', retry, held[2]),
      redis.call('ZSCORE', delayed, held[2])
    local due_at = redis.call('ZSCORE', due, e.key)
    if take_waiting(e.key) then
      local whole = merge(held[2], raw, stale)
      if high and not running then
        return merged(waiting, to_queue(e.key, whole, true))
      end
      if added then
        redis.call('ZADD', retry, added, whole)
        redis.call('ZADD', due, due_at or now, e.key)
      else
        redis.call('ZADD', delayed, run_at, whole)
      end
      redis.call('HSET', index, 'waiting ' .. e.key, whole)
      return merged(waiting, 0)
    end
  end

  if running then
    if stale then
      raw = patch(raw, 'stale', 'true')
    end
    to_delayed(e.key, raw, now)
    note('rerun', e.event_id, e.account_id, raw)
    return 'rerun', e.event_id, 0
  end
  local position = to_queue(e.key, raw, high)
  note('queued', e.event_id, e.account_id, raw)
  return 'queued', e.event_id, position
end

-- rival(e, raw) -> the other event that serves e's key, if raw was pushed past enqueue.
local function rival(e, raw)
  local known = redis.call('HGET', index, 'active ' .. e.key)
  if not known or known == raw then
    return nil
  end
  local other = read(known)
  if other and (redis.call('LPOS', queue, known) or redis.call('LPOS', processing, known)) then
    return other
  end
  return nil
end

-- yield_to(other, e, raw): raw stands nowhere; the event that serves its key takes it in.
local function yield_to(other, e, raw)
  if other.event_id == e.event_id then
    bury_copy(raw, e)
  else
    signal(e, raw)
  end
end
