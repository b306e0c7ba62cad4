-- Claim an idempotency key for one request, or hear what that request was answered.
--
-- KEYS[1]      string  what is kept under the key: the request's fingerprint, then its answer
-- ARGV[1]      number  now, Unix seconds; not used
-- ARGV[2]      string  fingerprint of the request, in hex
-- ARGV[3]      integer seconds to keep it
--
-- Returns "other" if another request has the key; "mine" while there is no answer yet; else
-- "answered", a newline and the answer.
local kept = redis.call('GET', KEYS[1])
if not kept then
  redis.call('SET', KEYS[1], ARGV[2] .. '\n', 'EX', ARGV[3])
  return 'mine'
end
local owner, told = string.match(kept, '^(%x*)\n(.*)$')
if owner ~= ARGV[2] then
  return 'other'
end
return told == '' and 'mine' or 'answered\n' .. told
