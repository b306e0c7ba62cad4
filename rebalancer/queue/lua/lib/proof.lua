-- ARGV[2..5]: account id, event id, key, token. Goes no further unless this lease is held.
local account_id, event_id, key, token = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local held = lease_of(account_id)
if not held or held.token ~= token or held.event_id ~= event_id then
  return redis.error_reply('LEASELOST the lease ' .. ARGV[5] .. ' on event ' .. event_id
    .. ' of ' .. account_id .. ' was taken over, or the event removed')
end
