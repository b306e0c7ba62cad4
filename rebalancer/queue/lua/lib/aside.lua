-- set_aside(e, raw) -> true if e, whose element raw is in processing, cannot be leased now:
-- its account is busy, or it was pushed past enqueue while its key is served already.
local function set_aside(e, raw)
  local other = rival(e, raw)
  if other then
    redis.call('LREM', processing, 1, raw)
    yield_to(other, e, raw)
    return true
  end
  local held = lease_of(e.account_id)
  if (held and held.event_id == e.event_id) or is_parked(e.account_id, e.key) then
    redis.call('LREM', processing, 1, raw)
    bury_copy(raw, e)
    return true
  end
  redis.call('SADD', active, e.key)
  redis.call('HSET', index, 'active ' .. e.key, raw)
  if not held then
    return false
  end
  redis.call('HDEL', orphans, raw)
  local list = redis.call('HGET', parked, e.account_id)
  redis.call('HSET', parked, e.account_id, list and list .. ' ' .. e.key or e.key)
  note('parked', e.event_id, e.account_id, '{"behind":"' .. held.event_id .. '"}')
  return true
end
