-- read(raw) -> the event as a table with its key, or nil and why it is unreadable.
local function read(raw)
  local ok, e = pcall(cjson.decode, raw)
  if not ok or type(e) ~= 'table' then
    return nil, 'not a JSON object'
  end
  for _, field in ipairs({'event_id', 'account_id', 'exec_command'}) do
    local value = e[field]
    -- Names are pasted into JSON and into lists unquoted; this rule is what allows it.
    local allowed = field == 'event_id' and '^[%w._:@+-]+$' or '^[%w._-]+$'
    if type(value) ~= 'string' or not string.find(value, allowed) then
      return nil, field .. ' is missing or has characters that keys cannot hold'
    end
  end
  e.key = e.account_id .. ':' .. e.exec_command
  return e
end
