-- grant(raw, e, worker, request, ttl) -> the reply that leases e, whose element raw is in
-- processing; nil if it was put aside instead.
local function grant(raw, e, worker, request, ttl)
  local other = rival(e, raw)
  if other then
    redis.call('LREM', processing, 1, raw)
    yield_to(other, e, raw)
    return nil
  end
  local held = lease_of(e.account_id)
  if (held and held.event_id == e.event_id) or is_parked(e.account_id, e.key) then
    redis.call('LREM', processing, 1, raw)
    bury_copy(raw, e)
    return nil
  end
  redis.call('SADD', active, e.key)
  redis.call('HSET', index, 'active ' .. e.key, raw)
  redis.call('HDEL', orphans, raw)
  if held then
    local list = redis.call('HGET', parked, e.account_id)
    redis.call('HSET', parked, e.account_id, list and list .. ' ' .. e.key or e.key)
    note('parked', e.event_id, e.account_id, '{"behind":"' .. held.event_id .. '"}')
    return nil
  end

  local token = redis.call('INCR', fence)
  local expires_at = tonumber(now) + ttl
  redis.call('HSET', leases, e.account_id, cjson.encode({
    event_id = e.event_id, key = e.key, token = token, worker = worker, request = request,
    expires_at = expires_at, ttl = ttl,
  }))
  note('leased', e.event_id, e.account_id, '{"token":' .. token .. '}')
  return {raw, token, string.format('%.6f', expires_at), e.event_id, e.account_id,
    e.exec_command}
end

-- granted_before(request) -> the reply that an earlier send of this request got, or nil.
local function granted_before(request)
  for _, stored in ipairs(redis.call('HVALS', leases)) do
    if string.find(stored, request, 1, true) then
      local held = cjson.decode(stored)
      local raw = redis.call('HGET', index, 'active ' .. held.key)
      local e = raw and read(raw)
      if e then
        return {raw, held.token, string.format('%.6f', held.expires_at), e.event_id,
          e.account_id, e.exec_command}
      end
    end
  end
  return nil
end
