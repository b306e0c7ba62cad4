-- Hold a lease for longer.
--
-- KEYS[1..16]  the layout of lib/keys.lua
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..5]   account id, event id, key, token: the lease to prove
-- ARGV[6]      number  seconds until the lease expires
--
-- Returns 1, or the error LEASELOST.
--@include keys
--@include lease
--@include proof
held.ttl = tonumber(ARGV[6])
held.expires_at = tonumber(now) + held.ttl
redis.call('HSET', leases, account_id, cjson.encode(held))
return 1
