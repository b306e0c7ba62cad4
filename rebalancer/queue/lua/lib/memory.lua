-- remember(key, member): for ten days, three more than a gateway shows executions at most.
local function remember(key, member)
  redis.call('ZADD', key, now, member)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('(%.6f', now - 864000))
end
