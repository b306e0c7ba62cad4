-- Give an event back to the dequeue end as if it had never been taken.
--
-- KEYS[1]      string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7..]    the record of the run, see lib/keep.lua; nothing: it has none
--
-- Returns "released id "; or the error LEASELOST or CHAINMOVED.
--@include keys
--@include once
--@include lease
--@include proof
--@include note
--@include record
--@include event
--@include edit
--@include merge
--@include places
if ARGV[7] then
--@include chain
--@include outcomes
--@include keep
  local moved = keep_record(7)
  if moved then
    return moved
  end
end
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
