-- Pop the next event whose account is free, and lease it, in one step.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  worker, as JSON text
-- ARGV[3]      string  request id; a resend gets the lease that the first send got
-- ARGV[4]      number  seconds until the lease expires
--
-- Returns "token expires id account command", a line feed and the element; nil: none is left.
--@include keys
--@include note
--@include record
--@include lease
--@include grant
local before, busy = granted_before()
if before then
  return before
end

local function pop()
  return redis.call('LMOVE', queue, processing, 'RIGHT', 'LEFT')
end

-- Nearly always the first one fits, and all the rest of this file is not needed.
local raw = pop()
if not raw then
  return nil
end
local id, account, command = fit(raw, busy)
if id then
  return grant(raw, id, account, command)
end

--@include event
--@include edit
--@include merge
--@include places
--@include signal
--@include aside
repeat
  local e, why = read(raw)
  if not e then
    redis.call('LREM', processing, 1, raw)
    bury_unreadable(raw, why)
  elseif not set_aside(e, raw) then
    return grant(raw, e.event_id, e.account_id, e.exec_command)
  end
  raw = pop()
until not raw
return nil
