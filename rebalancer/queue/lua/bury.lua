-- No retry can help: the event goes to the dead letter. What came meanwhile runs next.
--
-- KEYS[1]      string  the event's record
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      string  the reason, as JSON text
-- ARGV[8]      string  the error, as JSON text
-- ARGV[9]      0 | 1   1: the event is unreadable and kept as text
-- ARGV[10..]   the record of the run, see lib/keep.lua; nothing: it has none
--
-- Returns "dead id follow-up"; or the error LEASELOST or CHAINMOVED.
--@include keys
--@include record
--@include final
--@include lease
--@include proof
--@include note
--@include event
--@include edit
--@include merge
--@include places
if ARGV[10] then
--@include chain
--@include outcomes
--@include keep
  local moved = keep_record(10)
  if moved then
    return moved
  end
end
local raw = take_processing(key)
set_free(key)
end_lease(account_id)
if raw then
  bury(raw, ARGV[9] == '0' and read(raw) or nil, ARGV[7], ARGV[8])
end
return answer('dead ' .. event_id .. ' ' .. follow_up(key))
