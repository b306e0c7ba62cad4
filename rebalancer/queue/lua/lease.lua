-- Lease the event that a blocking pop has moved to the processing list.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  worker, as JSON text
-- ARGV[3]      string  request id; a resend gets the lease that the first send got
-- ARGV[4]      number  seconds until the lease expires
-- ARGV[5]      string  the element that was popped
--
-- Returns as take; nil: parked, unreadable, or reclaimed meanwhile and somebody else's.
--@include keys
--@include note
--@include record
--@include lease
--@include grant
local before, busy = granted_before()
if before then
  return before
end

local raw = ARGV[5]
local here = redis.call('LPOS', processing, raw)
redis.call('HDEL', orphans, raw)
local id, account, command = fit(raw, busy)
if here and id then
  return grant(raw, id, account, command)
end

--@include event
--@include edit
--@include merge
--@include places
--@include signal
--@include aside
local e, why = read(raw)
if not e then
  if redis.call('LREM', processing, 1, raw) == 1 then
    bury_unreadable(raw, why)
  end
  return nil
end
if not here then
  -- Since the pop a signal may have been folded into it: then it stands there changed.
  raw = redis.call('HGET', index, 'active ' .. e.key)
  local changed = raw and read(raw)
  if not changed or changed.event_id ~= e.event_id
    or not redis.call('LPOS', processing, raw) then
    return nil
  end
  e = changed
end
if is_executing(e) or is_parked(e.account_id, e.key) or set_aside(e, raw) then
  return nil
end
return grant(raw, e.event_id, e.account_id, e.exec_command)
