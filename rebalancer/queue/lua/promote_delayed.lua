-- Put delayed events whose time has come into the queue. One whose key executes stays: it
-- is that execution's follow-up, and the script that ends the execution moves it.
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

local stay, more = 0, false
repeat
  local ready = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', stay, limit)
  for _, raw in ipairs(ready) do
    local e, why = read(raw)
    local running = e and redis.call('HGET', index, 'active ' .. e.key)
    if #moved >= limit then
      more = true
    elseif not e then
      redis.call('ZREM', delayed, raw)
      tell(bury_unreadable(raw, why), '', 'dead', why)
    elseif running and is_executing(read(running) or e) then
      stay = stay + 1
    else
      redis.call('ZREM', delayed, raw)
      if redis.call('HGET', index, 'waiting ' .. e.key) == raw then
        redis.call('HDEL', index, 'waiting ' .. e.key)
      end
      if running then
        tell(e.event_id, e.account_id, signal(e, raw), 'its key is active')
      else
        to_queue(e.key, raw, e.priority == 'high')
        note('promoted', e.event_id, e.account_id, '{"from":"delayed"}')
        tell(e.event_id, e.account_id, 'queued', 'its time has come')
      end
    end
  end
until more or #ready < limit

local after = redis.call('ZRANGEBYSCORE', delayed, '(' .. now, '+inf', 'WITHSCORES',
  'LIMIT', 0, 1)
return report('delayed', more, tonumber(after[2]))
