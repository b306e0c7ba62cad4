-- ARGV[2..6]: account id, event id, key, token, worker as JSON text. Goes no further unless
-- this lease is held. The worker is looked at as well as the token: should Redis lose its last
-- second in a crash, it may give the same token out again.
local account_id, event_id, key, token = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local stored = redis.call('HGET', leases, account_id)
local mine = '{"token":' .. token .. ',"event_id":"' .. event_id .. '","worker":' .. ARGV[6] .. ','
if not stored or string.sub(stored, 1, #mine) ~= mine then
  return redis.error_reply('LEASELOST the lease ' .. token .. ' on event ' .. event_id
    .. ' of ' .. account_id .. ' was taken over, or the event removed')
end
