-- KEYS[1] is the event's record. The event ends here with its lease, so the record answers a
-- resend of its signal as well as a resend of this ending.
local record = redis.call('GET', KEYS[1])
if record then
  local ended_by, before = string.match(record, '\n(%d+) (.*)$')
  if ended_by == ARGV[5] then
    return before
  end
end

local function answer(text)
  local first = record and string.match(record, '^[^\n]*') or 'queued ' .. ARGV[3] .. ' 0'
  redis.call('SET', KEYS[1], first .. '\n' .. ARGV[5] .. ' ' .. text, 'EX', keep)
  return text
end
