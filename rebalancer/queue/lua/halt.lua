-- Stop new orders of a scope.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  all | account:<id> | symbol:<symbol>
-- ARGV[3]      string  JSON: reason, at, cancel_open, request
--
-- Returns 1.
--@include keys
--@include once
--@include note
redis.call('HSET', halts, ARGV[2], ARGV[3])
redis.call('XADD', bell, 'MAXLEN', 8, '*', 'halt', ARGV[2])
note('halt', '', string.match(ARGV[2], '^account:(.*)') or '',
  '{"scope":' .. cjson.encode(ARGV[2]) .. ',"halt":' .. ARGV[3] .. '}')
return answer('1')
