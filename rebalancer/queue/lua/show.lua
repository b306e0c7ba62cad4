-- Find one event. Of one that is gone, the journal's last word, while it remembers.
--
-- ARGV[1]      number  not used
-- ARGV[2]      string  event id
--
-- Returns {state, id, element, at, due, details}, or nil.
--@include keys
--@include note
--@include record
--@include event
--@include edit
--@include merge
--@include lease
--@include places
--@include find
local id = ARGV[2]
-- How far back to look, in entries: a few milliseconds' worth.
local furthest, step = 5000, 500

local found = locate(id)
if found then
  return found
end

local ended = {completed = true, removed = true, merged = true}
local upto = '+'
for _ = 1, furthest / step do
  local page = redis.call('XREVRANGE', journal, upto, '-', 'COUNT', step)
  for _, entry in ipairs(page) do
    local fields = {}
    for i = 1, #entry[2], 2 do
      fields[entry[2][i]] = entry[2][i + 1]
    end
    if fields.event_id == id then
      if found and fields.kind == 'queued' then
        found[3] = fields.data
        return found
      elseif not found and ended[fields.kind] then
        found = row(fields.kind, id, '', fields.at, nil, '{"outcome":' .. fields.data .. '}')
      end
    end
  end
  if #page < step then
    break
  end
  upto = '(' .. page[#page][1]
end
return found
