-- Put a dead event back as a fresh signal.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  event id
--
-- Returns "status id": status is queued, merged, rerun, absent or unreadable, id is of the
-- event that carries the signal now.
--@include keys
--@include once
--@include note
--@include record
--@include event
--@include edit
--@include merge
--@include lease
--@include places
--@include signal
--@include find
local id = ARGV[2]

local function said(status, event_id)
  return answer(status .. ' ' .. event_id)
end

for _, entry in ipairs(redis.call('ZRANGE', dead, 0, -1)) do
  local found = dead_row(entry)
  if found[2] == id then
    -- What no worker could read is kept as "raw", not as "event".
    local _, text = split(entry)
    local e = text.event and read(text.event)
    if not e then
      return said('unreadable', id)
    end
    redis.call('ZREM', dead, entry)
    note('requeued', id, e.account_id, '{}')
    local raw = patch(text.event, 'attempt', '0', 'last_error', '""', 'reclaims', '0')
    local status, carrier = signal(e, raw, true)
    return said(status, carrier)
  end
end
return said('absent', id)
