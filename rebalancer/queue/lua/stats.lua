-- Count everything in one look.
--
-- ARGV[1]      number  now, Unix seconds
--
-- Returns {queued, parked, leased, retrying, delayed, dead, active keys, journal entries,
-- element at the dequeue end, next retry due, next delayed due}; '' where there is none.
--@include keys
local aside = 0
for _, list in ipairs(redis.call('HVALS', parked)) do
  local _, keys_in_it = string.gsub(list, '%S+', '')
  aside = aside + keys_in_it
end
local leased = redis.call('HLEN', leases)
return {
  redis.call('LLEN', queue) + redis.call('LLEN', processing) - leased,
  aside,
  leased,
  redis.call('ZCARD', retry),
  redis.call('ZCARD', delayed),
  redis.call('ZCARD', dead),
  redis.call('SCARD', active),
  redis.call('XLEN', journal),
  redis.call('LINDEX', queue, -1) or '',
  redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] or '',
  redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2] or '',
}
