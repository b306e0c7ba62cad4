-- What the next record has to know: the head of the chain, and the orders of the account whose
-- ends no record tells yet. Forgets records whose time is over.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  account id
-- ARGV[3]      number  records of runs that ended before this are forgotten, Unix seconds
--
-- Returns {number, hash, order ref, report, ...}; a report is a JSON object with its intent.
-- May be repeated.
--@include keys
--@include chain
--@include outcomes
local seq, hash = chain_head()

-- A few at a time, for this stands at the end of a run.
for _ = 1, 100 do
  local oldest = redis.call('XRANGE', history, '-', '+', 'COUNT', 1)[1]
  local fields = {}
  for i = 1, oldest and #oldest[2] or 0, 2 do
    fields[oldest[2][i]] = oldest[2][i + 1]
  end
  local at = tonumber(fields.at)
  if not at or at >= tonumber(ARGV[3]) then
    break
  end
  -- The chain begins after it from now on, and must still be found whole.
  redis.call('HSET', history_head, 'from_seq', string.match(oldest[1], '^%d+'),
    'from_hash', fields.hash or '')
  redis.call('XDEL', history, oldest[1])
end

local reply = {string.format('%.0f', seq), hash}
for _, text in ipairs(redis.call('HGETALL', outcomes_of(ARGV[2]))) do
  reply[#reply + 1] = text
end
return reply
