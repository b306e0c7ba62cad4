-- Take out every event in some states. What executes is left alone.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..]    queued | retrying | delayed | dead
--
-- Returns how many, as text.
--@include keys
--@include once
--@include note
--@include record
--@include event
--@include edit
--@include merge
--@include lease
--@include places
--@include find
local count = 0

local function cleared(state, raw)
  local e = read(raw)
  count = count + 1
  if e then
    redis.call('HDEL', passes, e.event_id)
    gone(e.event_id)
    note('removed', e.event_id, e.account_id, '{"state":"' .. state .. '"}')
  else
    note('removed', '', '', '{"state":"' .. state .. '","raw":' .. quote(raw) .. '}')
  end
  return e
end

local function clear_queued()
  for _, list in ipairs({queue, processing}) do
    for _, raw in ipairs(redis.call('LRANGE', list, 0, -1)) do
      local e = read(raw)
      if not e or not is_executing(e) then
        redis.call('LREM', list, 1, raw)
        cleared('queued', raw)
        if e and redis.call('HGET', index, 'active ' .. e.key) == raw then
          set_free(e.key)
        end
      end
    end
  end
  redis.call('DEL', parked, orphans)
end

local function clear_waiting(state, set)
  for _, raw in ipairs(redis.call('ZRANGE', set, 0, -1)) do
    local e = cleared(state, raw)
    if e and redis.call('HGET', index, 'waiting ' .. e.key) == raw then
      take_waiting(e.key)
    end
  end
  redis.call('DEL', set)
end

local function clear_dead()
  for _, entry in ipairs(redis.call('ZRANGE', dead, 0, -1)) do
    cleared('dead', dead_row(entry)[3])
  end
  redis.call('DEL', dead)
end

for i = 2, #ARGV do
  if ARGV[i] == 'queued' then
    clear_queued()
  elseif ARGV[i] == 'dead' then
    clear_dead()
  else
    clear_waiting(ARGV[i], ARGV[i] == 'delayed' and delayed or retry)
  end
end
return answer(tostring(count))
