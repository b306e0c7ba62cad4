-- Say which schedules there are. A new one counts from ARGV[2] on, and one that is not named is
-- forgotten, so that it begins anew when it comes back. Saying it again changes nothing.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      number  from when on new ones count
-- ARGV[3..]    string  every schedule
--
-- Returns up to when each has been seen, in the order of the arguments.
--@include keys
local named, seen = {}, {}
for i = 3, #ARGV do
  named[ARGV[i]] = true
  redis.call('HSETNX', schedules, ARGV[i], ARGV[2])
  -- A clock that was ahead must not silence a schedule for as long as that, nor a hand's text.
  local at = redis.call('HGET', schedules, ARGV[i])
  if not tonumber(at) or tonumber(at) > tonumber(now) then
    redis.call('HSET', schedules, ARGV[i], now)
    at = now
  end
  seen[i - 2] = at
end
for _, known in ipairs(redis.call('HKEYS', schedules)) do
  if not named[known] then
    redis.call('HDEL', schedules, known)
  end
end
return seen
