-- The attempt failed: the event waits for its backoff, or is dead after the last attempt.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- KEYS[17]     string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..5]   account id, event id, key, token: the lease to prove
-- ARGV[6]      number  when to try again, Unix seconds
-- ARGV[7]      integer failed attempts, this one included
-- ARGV[8]      string  the error, as JSON text
-- ARGV[9]      0 | 1   1: that was the last attempt
--
-- Returns JSON: status (retrying | queued | dead), event_id, attempt, due_at; or LEASELOST.
--@include keys
--@include once
--@include lease
--@include proof
--@include note
--@include event
--@include places
local due_at, attempt, err, last = ARGV[6], ARGV[7], ARGV[8], ARGV[9] == '1'

local raw = take_processing(key)
set_free(key)
end_lease(account_id)
local head = '{"event_id":"' .. event_id .. '","attempt":' .. attempt .. ',"status":"'
if not raw then
  return answer(head .. 'dead"}') -- taken out by hand while it ran
end
raw = patch(raw, 'attempt', attempt, 'last_error', err)

if last then
  bury(raw, read(raw), '"attempts exhausted"', err)
  follow_up(key)
  return answer(head .. 'dead"}')
end

local high
raw, high = absorb(key, raw)
note('retrying', event_id, account_id, '{"attempt":' .. attempt .. ',"due_at":' .. due_at
  .. ',"error":' .. err .. '}')
if high then
  to_queue(key, raw, true)
  return answer(head .. 'queued"}')
end
to_retry(key, raw, due_at)
return answer(head .. 'retrying","due_at":' .. due_at .. '}')
