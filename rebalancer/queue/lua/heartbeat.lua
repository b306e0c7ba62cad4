-- Hold a lease for longer.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      number  seconds until the lease expires
--
-- Returns 1, or the error LEASELOST.
--@include keys
--@include lease
--@include proof
local held = lease_of(account_id)
redis.call('HSET', leases, account_id, lease_text(token, event_id,
  ARGV[6], key, held.request, expiry(ARGV[7]), ARGV[7]))
return 1
