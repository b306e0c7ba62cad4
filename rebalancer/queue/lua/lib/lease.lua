-- A lease is kept under its account, so there can be only one. Its text begins with token,
-- event id and worker, which is all that a proof looks at. worker is JSON text.
local function lease_text(token, event_id, worker, key, request, expires_at, ttl)
  return '{"token":' .. token .. ',"event_id":"' .. event_id .. '","worker":' .. worker
    .. ',"key":"' .. key .. '","request":"' .. request .. '","expires_at":' .. expires_at
    .. ',"ttl":' .. ttl .. '}'
end

-- expiry(ttl) -> when a lease of ttl seconds expires that is given now.
local function expiry(ttl)
  return string.format('%.6f', now + ttl)
end

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
    and type(held.worker) == 'string' and type(held.request) == 'string'
    and type(held.expires_at) == 'number' and type(held.ttl) == 'number' then
    return held
  end
  return {token = -1, event_id = '', key = '', worker = '', request = '', expires_at = 0, ttl = 0}
end

local function is_executing(e)
  local held = lease_of(e.account_id)
  return held ~= nil and held.event_id == e.event_id
end
