-- lease_of(account) -> the lease on the account's running event, or nil. An unreadable one
-- belongs to nobody and has expired, so the account stays busy until reclaim has seen to it.
local function lease_of(account)
  local stored = redis.call('HGET', leases, account)
  if not stored then
    return nil
  end
  local ok, held = pcall(cjson.decode, stored)
  if ok and type(held) == 'table' and type(held.token) == 'number'
    and type(held.event_id) == 'string' and type(held.key) == 'string'
    and type(held.expires_at) == 'number' and type(held.ttl) == 'number' then
    return held
  end
  return {event_id = '', key = '', worker = '', token = -1, expires_at = 0, ttl = 0}
end

local function is_executing(e)
  local held = lease_of(e.account_id)
  return held ~= nil and held.event_id == e.event_id
end
