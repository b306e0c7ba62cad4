-- Give an event back to the dequeue end as if it had never been taken.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- KEYS[17]     string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..5]   account id, event id, key, token: the lease to prove
--
-- Returns JSON: status, event_id, follow_up; or the error LEASELOST.
--@include keys
--@include once
--@include lease
--@include proof
--@include note
--@include event
--@include places
local raw = take_processing(key)
end_lease(account_id)
if raw then
  raw = absorb(key, raw)
  to_queue(key, raw, true)
else
  set_free(key)
end
note('released', event_id, account_id, '{}')
return answer('{"status":"released","event_id":"' .. event_id .. '","follow_up":""}')
