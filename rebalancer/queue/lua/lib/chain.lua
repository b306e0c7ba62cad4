-- The chain of records: a stream whose entries are named after the records' numbers, and beside
-- it the head, so that records cut off at the end are missed.
--
-- chain_head() -> number and hash of the last record; 0 and zeros when there is none.
local function chain_head()
  local kept = redis.call('HMGET', history_head, 'seq', 'hash')
  local seq, hash = tonumber(kept[1] or 0) or 0, kept[2] or string.rep('0', 64)
  local last = redis.call('XREVRANGE', history, '+', '-', 'COUNT', 1)[1]
  local number = last and tonumber(string.match(last[1], '^%d+')) or 0
  if number > seq then
    -- Somebody took the head away; the last record knows.
    seq = number
    for i = 1, #last[2], 2 do
      if last[2][i] == 'hash' then
        hash = last[2][i + 1]
      end
    end
  end
  -- A stream takes no number below its highest, even if that record was taken out by hand. A
  -- run must be able to end all the same: the gap shows.
  local info = redis.pcall('XINFO', 'STREAM', history)
  for i = 1, info.err and 0 or #info, 2 do
    if info[i] == 'last-generated-id' then
      seq = math.max(seq, tonumber(string.match(info[i + 1], '^%d+')))
    end
  end
  return seq, hash
end
