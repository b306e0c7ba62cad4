-- Allow new orders of a scope again. Other halts that cover the same orders stay.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  all | account:<id> | symbol:<symbol>
--
-- Returns 1, or 0 if the scope was not halted.
--@include keys
--@include once
--@include note
if redis.call('HDEL', halts, ARGV[2]) == 0 then
  return answer('0')
end
redis.call('XADD', bell, 'MAXLEN', 8, '*', 'resume', ARGV[2])
note('resume', '', string.match(ARGV[2], '^account:(.*)') or '',
  '{"scope":' .. cjson.encode(ARGV[2]) .. '}')
return answer('1')
