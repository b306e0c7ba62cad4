-- List the events of one state, a page at a time.
--
-- ARGV[1]      number  not used
-- ARGV[2]      string  queued | leased | active (both) | retrying | delayed | dead
-- ARGV[3]      integer how many to skip
-- ARGV[4]      integer most to return
--
-- Returns {how many there are, {{state, id, element, at, due, details}, ...}}.
--@include keys
--@include note
--@include record
--@include event
--@include edit
--@include merge
--@include lease
--@include places
--@include find
local state, skip, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local rows = {}

if state == 'queued' or state == 'leased' or state == 'active' then
  -- What executes comes first; what was popped and stands aside runs before what is still in
  -- the queue.
  local aside, executing = {}, 0
  for _, raw in ipairs(redis.call('LRANGE', processing, 0, -1)) do
    local found = active_row(read(raw), raw)
    if state == 'active' and found[1] == 'leased' then
      executing = executing + 1
      table.insert(aside, executing, found)
    elseif state == 'active' or found[1] == state then
      table.insert(aside, executing + 1, found)
    end
  end
  for i = skip + 1, math.min(skip + limit, #aside) do
    rows[#rows + 1] = aside[i]
  end
  if state == 'leased' then
    return {#aside, rows}
  end
  local from, want = math.max(skip - #aside, 0), limit - #rows
  if want > 0 then
    -- The right end is next: the page reads backwards.
    local page = redis.call('LRANGE', queue, -from - want, -from - 1)
    for i = #page, 1, -1 do
      rows[#rows + 1] = active_row(read(page[i]), page[i])
    end
  end
  return {#aside + redis.call('LLEN', queue), rows}
end

local set = ({retrying = retry, delayed = delayed, dead = dead})[state]
local range = state == 'dead' and 'ZREVRANGE' or 'ZRANGE'
local page = redis.call(range, set, skip, skip + limit - 1, 'WITHSCORES')
for i = 1, #page, 2 do
  local raw, at = page[i], page[i + 1]
  if state == 'dead' then
    rows[#rows + 1] = dead_row(raw, at)
  elseif state == 'delayed' then
    rows[#rows + 1] = delayed_row(read(raw), raw, at)
  else
    rows[#rows + 1] = retry_row(read(raw), raw, at)
  end
end
return {redis.call('ZCARD', set), rows}
