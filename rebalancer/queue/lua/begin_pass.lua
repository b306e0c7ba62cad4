-- Number the next pass of an event.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      decimal the account's cash, or '' if that is not known
-- ARGV[8]      string  what the event does, without blanks, or '' for no word about that
--
-- Returns the number, as text; or the error LEASELOST.
--@include keys
--@include once
--@include lease
--@include proof
--@include note
-- Kept as "number cash spent aim": the cash now, how much of it passes have cost so far, and
-- what the event has begun to do.
local before = redis.call('HGET', passes, event_id) or '0'
local last, cash_then, spent = string.match(before, '^(%d+) ?(%S*) ?(%S*) ?%S*$')
-- Should somebody have spoilt the count, the time is beyond every number given out so far.
local pass = string.format('%.0f', (tonumber(last) or math.floor(tonumber(now))) + 1)
local cost = (tonumber(cash_then) or 0) - (tonumber(ARGV[7]) or math.huge)
spent = (tonumber(spent) or 0) + math.max(0, cost)
redis.call('HSET', passes, event_id, string.format('%s %s %.4f %s', pass, ARGV[7], spent, ARGV[8]))
note('pass', event_id, account_id, '{"pass":' .. pass .. '}')
return answer(pass)
