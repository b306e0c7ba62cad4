-- The event is done. What came for its key meanwhile runs next.
--
-- KEYS[1]      string  the event's record
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      string  result, a JSON object for the journal
-- ARGV[8..]    the record of the run, see lib/keep.lua; nothing: it has none
--
-- Returns "completed id follow-up", the follow-up being the event that runs next in its wake,
-- if one does; or the error LEASELOST or CHAINMOVED.
--@include keys
--@include record
--@include final
--@include lease
--@include proof
--@include note
if ARGV[8] then
--@include chain
--@include outcomes
--@include keep
  local moved = keep_record(8)
  if moved then
    return moved
  end
end

-- Nearly always nobody waits for the key or for the account.
local held = redis.call('HMGET', index, 'active ' .. key, 'waiting ' .. key)
if held[1] and not held[2] and redis.call('HEXISTS', parked, account_id) == 0
  and redis.call('LREM', processing, 1, held[1]) == 1 then
  redis.call('SREM', active, key)
  redis.call('HDEL', index, 'active ' .. key)
  redis.call('HDEL', leases, account_id)
  redis.call('HDEL', passes, event_id)
  note('completed', event_id, account_id, ARGV[7])
  return answer('completed ' .. event_id .. ' ')
end

--@include event
--@include edit
--@include merge
--@include places
take_processing(key)
set_free(key)
end_lease(account_id)
redis.call('HDEL', passes, event_id)
note('completed', event_id, account_id, ARGV[7])
return answer('completed ' .. event_id .. ' ' .. follow_up(key))
