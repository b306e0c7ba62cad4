-- The event is done. What came for its key meanwhile runs next.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- KEYS[17]     string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..5]   account id, event id, key, token: the lease to prove
-- ARGV[6]      string  result, a JSON object for the journal
--
-- Returns JSON: status, event_id, follow_up; or the error LEASELOST.
--@include keys
--@include once
--@include lease
--@include proof
--@include note
--@include event
--@include places
take_processing(key)
set_free(key)
redis.call('HDEL', passes, event_id)
end_lease(account_id)
note('completed', event_id, account_id, ARGV[6])
return answer('{"status":"completed","event_id":"' .. event_id .. '","follow_up":"'
  .. follow_up(key) .. '"}')
