-- Not now: the event waits until a given time. No attempt is used.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- KEYS[17]     string  answer to this ending of this lease
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..5]   account id, event id, key, token: the lease to prove
-- ARGV[6]      number  when to run, Unix seconds
-- ARGV[7]      string  the reason, as JSON text
--
-- Returns JSON: status (delayed | queued by a high signal), event_id, follow_up; or LEASELOST.
--@include keys
--@include once
--@include lease
--@include proof
--@include note
--@include event
--@include places
local run_at, reason = ARGV[6], ARGV[7]

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
return answer('{"status":"' .. status .. '","event_id":"' .. event_id .. '","follow_up":""}')
