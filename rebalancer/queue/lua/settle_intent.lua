-- The fate of an order is known: forget its intent, and put the outcome down for the journal
-- and for the next record.
--
-- KEYS[1]      hash    order ref -> intent, of this account
-- KEYS[2]      zset    orders whose outcome is known, of this account, by now
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      string  order ref
-- ARGV[8]      string  the gateway's report, a JSON object
-- ARGV[9]      string  what is remembered of it, a JSON object; the order is added
--
-- Returns 1, or 0 if the intent was not open (a resend, too); or the error LEASELOST.
--@include keys
--@include lease
--@include proof
--@include note
--@include memory
--@include outcomes
local intent = redis.call('HGET', KEYS[1], ARGV[7])
if not intent then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[7])
-- The order belongs to the event that sent it, which may be an earlier one.
local ok, found = pcall(cjson.decode, intent)
local sender = ok and type(found) == 'table' and type(found.event_id) == 'string'
  and found.event_id or event_id
if ok then
  remember(KEYS[2], string.sub(ARGV[9], 1, -2) .. ',"event_id":' .. cjson.encode(sender)
    .. ',"order":' .. cjson.encode(found.order) .. '}')
end
local told = string.sub(ARGV[8], 1, -2) .. ',"intent":' .. (ok and intent or quote(intent)) .. '}'
redis.call('HSET', outcomes_of(account_id), ARGV[7], told)
note('settled', sender, account_id, told)
return 1
