-- Give an event back to the dequeue end as if it had never been taken.
--
-- KEYS[1]      string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
--
-- Returns "released id "; or the error LEASELOST.
--@include keys
--@include once
--@include lease
--@include proof
--@include note
--@include record
--@include event
--@include edit
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
return answer('released ' .. event_id .. ' ')
