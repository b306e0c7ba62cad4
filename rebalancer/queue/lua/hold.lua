-- Hold an account: a difference that nothing explains stops its orders until a person accepts
-- it. Those accepted already stop nothing.
--
-- KEYS[1]      string  answer to this request
-- KEYS[2]      zset    fingerprints that were accepted, of this account
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  account id
-- ARGV[3]      string  the hold, a JSON object
-- ARGV[4]      string  the alert about it, a JSON object
-- ARGV[5..]    string  fingerprint of each difference
--
-- Returns 1 if it holds the account now, 0 if the same hold stands, or all is accepted.
--@include keys
--@include once
--@include note
local scope, news = 'hold:' .. ARGV[2], false
local standing = redis.call('HGET', halts, scope) or ''
for i = 5, #ARGV do
  if not redis.call('ZSCORE', KEYS[2], ARGV[i])
    and not string.find(standing, '"' .. ARGV[i] .. '"', 1, true) then
    news = true
  end
end
if not news then
  return answer('0')
end
redis.call('HSET', halts, scope, ARGV[3])
note('held', '', ARGV[2], ARGV[3])
note('alert', '', ARGV[2], ARGV[4])
return answer('1')
