-- Accept a signal. A new event joins the queue; if its key is served already, the event that
-- serves it takes the signal in, or, if that one is executing, runs once more afterwards.
--
-- KEYS[1]      string  the record of this event id
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  event id
-- ARGV[3]      string  account id
-- ARGV[4]      string  deduplication key, account_id:exec_command
-- ARGV[5]      string  normal | high
-- ARGV[6]      string  the event as JSON
-- ARGV[7]      string  the source to count it under; absent: it is not counted
-- ARGV[8]      string  the schedule that it belongs to; absent: none
-- ARGV[9]      number  up to when the schedule has been seen with this
--
-- Returns "status id position": status is queued, merged or rerun, id is of the event that
-- carries the signal, position counts from the dequeue end; 0: it is not in the queue.
--@include keys
local event_id, account_id, key, priority, raw = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

--@include record
if ARGV[8] then
  redis.call('HSET', schedules, ARGV[8], ARGV[9])
end
local before = redis.call('GET', KEYS[1])
if before then
  return string.match(before, '^[^\n]*')
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
  if ARGV[7] then
    redis.call('HINCRBY', signals, ARGV[7] .. ' accepted', 1)
  end
  return 'queued ' .. event_id .. ' ' .. position
end

--@include event
--@include edit
--@include merge
--@include lease
--@include places
--@include signal
-- A resend: its event serves the key, and tells where it stands now.
for i = 1, 2 do
  local found = held[i] and read(held[i])
  if found and found.event_id == event_id then
    local at = redis.call('LPOS', queue, held[i])
    return 'queued ' .. event_id .. ' ' .. (at and redis.call('LLEN', queue) - at or 0)
  end
end

local status, carrier, position = signal(read(raw), raw)
if ARGV[7] then
  local outcome = status == 'merged' and 'merged' or 'accepted'
  redis.call('HINCRBY', signals, ARGV[7] .. ' ' .. outcome, 1)
end
local text = status .. ' ' .. carrier .. ' ' .. position
if status ~= 'queued' then
  redis.call('SET', KEYS[1], text, 'EX', keep)
end
return text
