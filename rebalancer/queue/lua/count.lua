-- Count what was put down in the journal since the last time, by kind; of signals also by their
-- source. Counting in the moves themselves would make each of them a tenth slower.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      integer most entries to count at once
--
-- Returns 1 if there are more, else 0. Doing it again counts nothing twice.
--@include keys
local counted = redis.call('HGET', counts, '.position')
local page = redis.call('XRANGE', journal, counted and '(' .. counted or '-', '+', 'COUNT', ARGV[2])

if #page == 0 then
  return 0
end
local found = {}
local of_sources = {queued = true, merged = true, rerun = true, rejected = true, missed = true}
local function more(name)
  found[name] = (found[name] or 0) + 1
end
for _, entry in ipairs(page) do
  local fields = {}
  for i = 1, #entry[2], 2 do
    fields[entry[2][i]] = entry[2][i + 1]
  end
  local kind = fields.kind or ''
  more(kind)
  if of_sources[kind] then
    -- The event as we write it; what a source calls itself has no quotes in it.
    more(kind .. ' ' .. (string.match(fields.data or '', '"source":"([%w._-]*)"') or 'unknown'))
  end
end
for name, times in pairs(found) do
  redis.call('HINCRBY', counts, name, times)
end
redis.call('HINCRBY', counts, '.counted', #page)
redis.call('HSET', counts, '.position', page[#page][1])
if #page == tonumber(ARGV[2]) then
  return 1
end

-- All are counted: of those there ever were, what is missing was forgotten before.
local info = redis.call('XINFO', 'STREAM', journal)
for i = 1, #info, 2 do
  if info[i] == 'entries-added' then
    local lost = info[i + 1] - redis.call('HGET', counts, '.counted')
    redis.call('HSET', counts, '.lost', math.max(lost, 0))
  end
end
return 0
