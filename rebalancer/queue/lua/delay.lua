-- Not now: the event waits until a given time. No attempt is used.
--
-- KEYS[1]      string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      number  when to run, Unix seconds
-- ARGV[8]      string  the reason, as JSON text
-- ARGV[9..]    the record of the run, see lib/keep.lua; nothing: it has none
--
-- Returns "delayed id ", or "queued id " if a high signal came meanwhile; or the error
-- LEASELOST or CHAINMOVED.
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
local run_at, reason = ARGV[7], ARGV[8]

if ARGV[9] then
--@include chain
--@include outcomes
--@include keep
  local moved = keep_record(9)
  if moved then
    return moved
  end
end
local raw = take_processing(key)
set_free(key)
end_lease(account_id)
local status = 'delayed'
if raw then
  local high
  raw, high = absorb(key, raw)
  note('delayed', event_id, account_id, '{"until":' .. run_at .. ',"reason":' .. reason .. '}')
  if high then
    status = 'queued'
    to_queue(key, raw, true)
  else
    to_delayed(key, raw, run_at)
  end
end
return answer(status .. ' ' .. event_id .. ' ')
