-- Accept a signal. A new event joins the queue; if its key is served already, the event that
-- serves it takes the signal in, or, if that one is executing, runs once more afterwards.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- KEYS[17]     string  answer to this event id
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  event id
-- ARGV[3]      string  account id
-- ARGV[4]      string  deduplication key, account_id:exec_command
-- ARGV[5]      string  normal | high
-- ARGV[6]      string  the event as JSON
--
-- Returns JSON: status (queued | merged | rerun), event_id that carries it, position.
--@include keys
local event_id, account_id, key, priority, raw = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local before = redis.call('GET', KEYS[17])
if before then
  return before
end

-- Remembered for three days: a source that fires again after a long weekend is told what
-- became of the first time.
local function answer(status, id, position)
  local text = '{"status":"' .. status .. '","event_id":"' .. id .. '","position":'
    .. position .. '}'
  redis.call('SET', KEYS[17], text, 'EX', 259200)
  return text
end
--@include note

-- Nearly always nothing else serves the key, and all the rest of this file is not needed.
local held = redis.call('HMGET', index, 'active ' .. key, 'waiting ' .. key)
if not held[1] and not held[2] then
  redis.call('SADD', active, key)
  redis.call('HSET', index, 'active ' .. key, raw)
  -- Workers take from the right: a high signal is next, a normal one queues on the left.
  local position = 1
  if priority == 'high' then
    redis.call('RPUSH', queue, raw)
  else
    position = redis.call('LPUSH', queue, raw)
  end
  note('queued', event_id, account_id, raw)
  return answer('queued', event_id, position)
end

--@include event
--@include lease
--@include places
--@include signal
return answer(signal(read(raw), raw))
