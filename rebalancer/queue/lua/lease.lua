-- Lease the event that a blocking pop has moved to the processing list.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  worker
-- ARGV[3]      string  request id; a resend gets the lease that the first send got
-- ARGV[4]      number  seconds until the lease expires
-- ARGV[5]      string  the element that was popped
--
-- Returns as take; nil: parked, unreadable, or reclaimed meanwhile and somebody else's.
--@include keys
--@include note
--@include event
--@include lease
--@include places
--@include signal
--@include grant
local worker, request, ttl, raw = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]

local reply = granted_before(request)
if reply then
  return reply
end
local e, why = read(raw)
if not e then
  if redis.call('LREM', processing, 1, raw) == 1 then
    bury_unreadable(raw, why)
  end
  return nil
end
if not redis.call('LPOS', processing, raw) then
  -- Since the pop a signal may have been folded into it: then it stands there changed.
  raw = redis.call('HGET', index, 'active ' .. e.key)
  local changed = raw and read(raw)
  if not changed or changed.event_id ~= e.event_id
    or not redis.call('LPOS', processing, raw) then
    return nil
  end
  e = changed
end
if is_executing(e) or is_parked(e.account_id, e.key) then
  return nil
end
return grant(raw, e, worker, request, ttl)
