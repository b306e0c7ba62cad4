-- Who follows the journal, and how far each has come.
--
-- ARGV[1]      number  not used
-- ARGV[2]      number  0; 1: only the bounds of the journal
--
-- Returns {first id, last id, entries, entries ever} of the journal, then for each reader
-- {name, entries given and not acknowledged, id of the last one given, entries not given yet,
-- id of the oldest one not acknowledged}; '' where there is none, and -1 for a count that Redis
-- does not know.
--@include keys
local function fields(reply)
  local found = {}
  for i = 1, #reply, 2 do
    found[reply[i]] = reply[i + 1]
  end
  return found
end

local info = redis.pcall('XINFO', 'STREAM', journal)
if info.err then
  return {{'', '', 0, 0}}
end
local stream = fields(info)
local first = stream['first-entry']
local answer = {{first and first[1] or '', stream['last-generated-id'], stream['length'],
  stream['entries-added'] or stream['length']}}
if ARGV[2] == '1' then
  return answer
end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', journal)) do
  local found = fields(group)
  local waiting = redis.call('XPENDING', journal, found['name'])
  answer[#answer + 1] = {found['name'], found['pending'], found['last-delivered-id'],
    found['lag'] or -1, waiting[2] or ''}
end
return answer
