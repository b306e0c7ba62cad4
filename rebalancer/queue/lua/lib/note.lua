-- note(kind, event_id, account_id, data): append to the journal; data is JSON text.
local function note(kind, event_id, account_id, data)
  redis.call('XADD', journal, 'MAXLEN', '~', '50000', '*', 'kind', kind, 'at', now,
    'event_id', event_id, 'account_id', account_id, 'data', data)
end

-- quote(bytes) -> a JSON text of whatever was found somewhere. Bytes that are not UTF-8 become
-- the characters of their numbers, so that what is written is always JSON and nothing is lost.
local function quote(bytes)
  local rest = string.gsub(bytes, '[\194-\223][\128-\191]', '')
  rest = string.gsub(rest, '[\224-\239][\128-\191][\128-\191]', '')
  rest = string.gsub(rest, '[\240-\244][\128-\191][\128-\191][\128-\191]', '')
  if not string.find(rest, '[\128-\255]') then
    return cjson.encode(bytes)
  end
  return '"' .. string.gsub(bytes, '[%c"\\\128-\255]', function(byte)
    return string.format('\\u%04x', string.byte(byte))
  end) .. '"'
end
