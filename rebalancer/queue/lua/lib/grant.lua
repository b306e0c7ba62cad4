-- grant(raw, id, account, command) -> the reply that leases an event whose element, raw, is
-- in processing. ARGV[2..4]: worker as JSON text, request id, seconds.
local function grant(raw, id, account, command)
  local worker, request, ttl = ARGV[2], ARGV[3], ARGV[4]
  local token, expires_at = redis.call('INCR', fence), expiry(ttl)
  redis.call('HSET', leases, account, lease_text(token, id, worker,
    account .. ':' .. command, request, expires_at, ttl))
  note('leased', id, account, '{"token":' .. token .. ',"worker":' .. worker .. '}')
  return token .. ' ' .. expires_at .. ' ' .. id .. ' ' .. account .. ' ' .. command .. '\n'
    .. raw
end

-- granted_before() -> the reply that an earlier send of this request got, or nil; and the
-- accounts that are busy, as a set.
local function granted_before()
  local held, busy = redis.call('HGETALL', leases), {}
  for i = 1, #held, 2 do
    local account, text = held[i], held[i + 1]
    busy[account] = true
    if string.find(text, ARGV[3], 1, true) then
      local lease = cjson.decode(text)
      local raw = redis.call('HGET', index, 'active ' .. lease.key)
      return raw and string.format('%.0f %.6f ', lease.token, lease.expires_at)
        .. lease.event_id .. ' ' .. account .. ' ' .. string.sub(lease.key, #account + 2)
        .. '\n' .. raw or nil
    end
  end
  return nil, busy
end

-- fit(raw, busy) -> id, account and command of an event that may be leased without further
-- ado: the index names its element, so our scripts wrote it, and its account is not busy.
local function fit(raw, busy)
  local id, account, command = string.match(raw,
    '^{"event_id":"([%w._:@+-]+)","account_id":"([%w._-]+)","exec_command":"([%w._-]+)",')
  if id and not busy[account]
    and redis.call('HGET', index, 'active ' .. account .. ':' .. command) == raw then
    return id, account, command
  end
  return nil
end
