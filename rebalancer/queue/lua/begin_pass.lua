-- Number the next pass of an event.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
--
-- Returns the number, as text; or the error LEASELOST.
--@include keys
--@include once
--@include lease
--@include proof
--@include note
local last = redis.call('HGET', passes, event_id)
-- Should somebody have spoilt the count, the time is beyond every number given out so far.
last = last and (tonumber(last) or math.floor(tonumber(now))) or 0
local pass = string.format('%.0f', last + 1)
redis.call('HSET', passes, event_id, pass)
note('pass', event_id, account_id, '{"pass":' .. pass .. '}')
return answer(pass)
