-- No retry can help: the event goes to the dead letter. What came meanwhile runs next.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- KEYS[17]     string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..5]   account id, event id, key, token: the lease to prove
-- ARGV[6]      string  the reason, as JSON text
-- ARGV[7]      string  the error, as JSON text
-- ARGV[8]      0 | 1   1: the event is unreadable and kept as text
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
set_free(key)
end_lease(account_id)
if raw then
  bury(raw, ARGV[8] == '0' and read(raw) or nil, ARGV[6], ARGV[7])
end
return answer('{"status":"dead","event_id":"' .. event_id .. '","follow_up":"'
  .. follow_up(key) .. '"}')
