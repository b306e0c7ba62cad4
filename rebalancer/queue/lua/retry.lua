-- The attempt failed: the event waits for its backoff, or is dead after the last attempt.
--
-- KEYS[1]      string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      number  when to try again, Unix seconds
-- ARGV[8]      integer failed attempts, this one included
-- ARGV[9]      string  the error, as JSON text
-- ARGV[10]     0 | 1   1: that was the last attempt
-- ARGV[11..]   the record of the run, see lib/keep.lua; nothing: it has none
--
-- Returns "retrying id attempt due-at", "queued id attempt " if a high signal came meanwhile,
-- "dead id attempt "; or the error LEASELOST or CHAINMOVED.
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
local due_at, attempt, err, last = ARGV[7], ARGV[8], ARGV[9], ARGV[10] == '1'

if ARGV[11] then
--@include chain
--@include outcomes
--@include keep
  local moved = keep_record(11)
  if moved then
    return moved
  end
end
local raw = take_processing(key)
set_free(key)
end_lease(account_id)
local tail = ' ' .. event_id .. ' ' .. attempt .. ' '
if not raw then
  return answer('dead' .. tail) -- taken out by hand while it ran
end
raw = patch(raw, 'attempt', attempt, 'last_error', err)

if last then
  bury(raw, read(raw), '"attempts exhausted"', err)
  follow_up(key)
  return answer('dead' .. tail)
end

local high
raw, high = absorb(key, raw)
note('retrying', event_id, account_id, '{"attempt":' .. attempt .. ',"due_at":' .. due_at
  .. ',"error":' .. err .. '}')
if high then
  to_queue(key, raw, true)
  return answer('queued' .. tail)
end
to_retry(key, raw, due_at)
return answer('retrying' .. tail .. due_at)
