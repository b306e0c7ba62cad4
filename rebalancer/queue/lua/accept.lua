-- Accept the difference that holds an account: it is remembered, and orders are allowed again.
--
-- KEYS[1]      string  answer to this request
-- KEYS[2]      zset    fingerprints that were accepted, of this account
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  account id
-- ARGV[3]      string  the reason, as JSON text
--
-- Returns the hold as it was; '' if the account was not held.
--@include keys
--@include once
--@include note
--@include memory
local scope = 'hold:' .. ARGV[2]
local standing = redis.call('HGET', halts, scope)
if not standing then
  return answer('')
end
local ok, found = pcall(cjson.decode, standing)
local differences = ok and type(found) == 'table' and found.differences
if type(differences) == 'table' then
  for _, difference in ipairs(differences) do
    remember(KEYS[2], tostring(difference.fingerprint))
  end
end
redis.call('HDEL', halts, scope)
note('accepted', '', ARGV[2], '{"reason":' .. ARGV[3] .. ',"hold":'
  .. (ok and standing or quote(standing)) .. '}')
return answer(standing)
