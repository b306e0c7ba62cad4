-- keep_record(first): append the record of a run in the step that ends it. ARGV[first..]: its
-- number, the hash before it, its hash, its deflated JSON, and the refs of the orders whose ends
-- it tells. Returns an error reply, with nothing changed, if another record was appended since
-- this one was hashed. It stands behind a look at ARGV[first]: without a record it costs nothing.
local function keep_record(first)
  local number, before, hash, packed = ARGV[first], ARGV[first + 1], ARGV[first + 2],
    ARGV[first + 3]
  local seq, last = chain_head()
  if tonumber(number) ~= seq + 1 or before ~= last then
    return redis.error_reply('CHAINMOVED record ' .. string.format('%.0f', seq)
      .. ' was appended meanwhile')
  end
  -- The first write of the script: should Redis refuse it, nothing else has happened.
  redis.call('XADD', history, number .. '-0', 'at', now, 'account_id', account_id,
    'event_id', event_id, 'hash', hash, 'record', packed)
  redis.call('HSET', history_head, 'seq', number, 'hash', hash)
  for i = first + 4, #ARGV do
    redis.call('HDEL', outcomes_of(account_id), ARGV[i])
  end
  return nil
end
