-- Pop the next event whose account is free, and lease it, in one step.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  worker
-- ARGV[3]      string  request id; a resend gets the lease that the first send got
-- ARGV[4]      number  seconds until the lease expires
--
-- Returns {raw, token, expires at, event id, account id, command}, or nil: queue is empty.
--@include keys
--@include note
--@include event
--@include lease
--@include places
--@include signal
--@include grant
local worker, request, ttl = ARGV[2], ARGV[3], tonumber(ARGV[4])

local reply = granted_before(request)
while not reply do
  local raw = redis.call('LMOVE', queue, processing, 'RIGHT', 'LEFT')
  if not raw then
    return nil
  end
  local e, why = read(raw)
  if e then
    reply = grant(raw, e, worker, request, ttl)
  else
    redis.call('LREM', processing, 1, raw)
    bury_unreadable(raw, why)
  end
end
return reply
