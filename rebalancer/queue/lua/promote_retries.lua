-- Put failed events whose backoff is over back into the queue.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      integer most events to move
--
-- Returns JSON: moved, more, next_at (when the next one is due).
--@include keys
--@include once
--@include note
--@include record
--@include event
--@include edit
--@include merge
--@include lease
--@include places
--@include signal
--@include report
local limit = tonumber(ARGV[2])

local keys_due = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, limit + 1)
for i = 1, math.min(#keys_due, limit) do
  local key = keys_due[i]
  local raw, e = take_follow_up(key)
  redis.call('ZREM', due, key)
  if raw and redis.call('HEXISTS', index, 'active ' .. key) == 1 then
    tell(e.event_id, e.account_id, signal(e, raw), 'its key is active')
  elseif raw then
    to_queue(key, raw, e.priority == 'high')
    note('promoted', e.event_id, e.account_id, '{"from":"retrying"}')
    tell(e.event_id, e.account_id, 'queued', 'backoff over')
  end
end

local after = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
return report('retry', #keys_due > limit, tonumber(after[2]))
