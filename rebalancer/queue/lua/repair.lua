-- Bring index, deduplication set and due times in line with what the lists and sorted sets
-- hold. Needed only after hands or foreign programs wrote to them.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      number  seconds after its score that a foreign event in the retry set is due
--
-- Returns JSON: moved, more, next_at.
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
--@include report
local at, default_delay = tonumber(now), tonumber(ARGV[2])

-- A look at everything takes milliseconds per thousand events. Where there are many, it is
-- taken only when the counts disagree.
local busy = redis.call('LLEN', queue) + redis.call('LLEN', processing)
local idle = redis.call('ZCARD', retry) + redis.call('ZCARD', delayed)
if busy + idle > 2000 and redis.call('SCARD', active) == busy
  and redis.call('HLEN', index) == busy + idle
  and redis.call('ZCARD', due) == redis.call('ZCARD', retry) then
  return report('repair', false)
end

-- 1. Each key keeps one element in queue and processing: the one the index names, else the
-- first found. Unreadable ones die, rivals are filed once everything else is in order.
local kept, rivals = {}, {}
for _, list in ipairs({processing, queue}) do
  for _, raw in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local e, why = read(raw)
    if not e then
      redis.call('LREM', list, 1, raw)
      tell(bury_unreadable(raw, why), '', 'dead', why)
    else
      local found = {raw = raw, e = e, list = list}
      local before = kept[e.key]
      if before and redis.call('HGET', index, 'active ' .. e.key) == raw
        and before.raw ~= raw then
        kept[e.key], found = found, before
        rivals[#rivals + 1] = found
      elseif before then
        rivals[#rivals + 1] = found
      else
        kept[e.key] = found
      end
    end
  end
end

-- 2. The set and the index say the same.
for _, member in ipairs(redis.call('SMEMBERS', active)) do
  if not kept[member] then
    redis.call('SREM', active, member)
    mended(member, 'no event held this deduplication key')
  end
end
local stored = redis.call('HGETALL', index)
for i = 1, #stored, 2 do
  local kind, key = string.match(stored[i], '^(%a+) (.*)$')
  local right
  if kind == 'active' then
    right = kept[key] ~= nil and kept[key].raw == stored[i + 1]
  elseif kind == 'waiting' then
    right = redis.call('ZSCORE', retry, stored[i + 1])
      or redis.call('ZSCORE', delayed, stored[i + 1])
  end
  if not right then
    redis.call('HDEL', index, stored[i])
  end
end
for key, found in pairs(kept) do
  if redis.call('SADD', active, key) == 1 then
    mended(key, 'its event had lost its deduplication key')
  end
  redis.call('HSET', index, 'active ' .. key, found.raw)
end
for _, found in ipairs(rivals) do
  redis.call('LREM', found.list, found.list == queue and 1 or -1, found.raw)
  tell(found.e.event_id, found.e.account_id, 'merged', 'a second event for its key')
  yield_to(kept[found.e.key].e, found.e, found.raw)
end

-- 3. What waits is known to the index, and what retries has a due time.
for _, set in ipairs({retry, delayed}) do
  local members = redis.call('ZRANGE', set, 0, -1, 'WITHSCORES')
  for i = 1, #members, 2 do
    local raw, score = members[i], tonumber(members[i + 1])
    local e, why = read(raw)
    local known = e and redis.call('HGET', index, 'waiting ' .. e.key)
    local running = e and kept[e.key]
    if not e then
      redis.call('ZREM', set, raw)
      tell(bury_unreadable(raw, why), '', 'dead', why)
    elseif (known and known ~= raw) or (running and not is_executing(running.e)) then
      if known == raw then
        take_waiting(e.key)
      else
        redis.call('ZREM', set, raw)
      end
      tell(e.event_id, e.account_id, 'merged', 'a second event for its key')
      local other = running and running.e or read(known)
      yield_to(other, e, raw)
    else
      if not known then
        redis.call('HSET', index, 'waiting ' .. e.key, raw)
        mended(e.event_id, 'a waiting event was unknown to the index')
      end
      if set == retry then
        local due_at = tonumber(redis.call('ZSCORE', due, e.key) or score + default_delay)
        if score > at + 1 then
          -- The clock was set back since: the backoff counts anew from here.
          redis.call('ZADD', retry, now, raw)
          due_at = at + math.max(due_at - score, 0)
        end
        redis.call('ZADD', due, string.format('%.6f', due_at), e.key)
      end
    end
  end
end
for _, key in ipairs(redis.call('ZRANGE', due, 0, -1)) do
  local raw = redis.call('HGET', index, 'waiting ' .. key)
  if not raw or not redis.call('ZSCORE', retry, raw) then
    redis.call('ZREM', due, key)
  end
end

return report('repair', false)
