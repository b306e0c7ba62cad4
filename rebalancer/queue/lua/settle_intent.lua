-- The fate of an order is known: forget its intent, and put the outcome down for the journal,
-- for the next record and to be compared with what the gateway shows. What was not filled is
-- given back to the trading day's turnover, what was traded is remembered.
--
-- KEYS[1]      hash    order ref -> intent, of this account
-- KEYS[2]      zset    orders whose outcome is known, of this account, by now
-- KEYS[3]      hash    trading day -> hundredths sent that day, of this account
-- KEYS[4]      zset    trades that later plans have to know of, by time, of this account
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      string  order ref
-- ARGV[8]      string  the gateway's report, a JSON object
-- ARGV[9]      string  what is remembered of it, a JSON object; the order is added
-- ARGV[10]     string  the trade to remember as JSON; '' for none
-- ARGV[11]     number  when it was, Unix seconds
-- ARGV[12]     number  trades older than this are forgotten, Unix seconds
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
if ARGV[10] ~= '' then
  -- The same trade again, after a step below failed, is the same member.
  redis.call('ZADD', KEYS[4], ARGV[11], ARGV[10])
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. ARGV[12])
end

-- The order belongs to the event that sent it, which may be an earlier one.
local ok, found = pcall(cjson.decode, intent)
local readable = ok
ok = ok and type(found) == 'table'
local sender = ok and type(found.event_id) == 'string' and found.event_id or event_id

-- give_back(): the share of the order's turnover that was not filled, rounded down.
local function give_back()
  local counted, day, order = found.turnover, found.trading_day, found.order
  local filled = tonumber(cjson.decode(ARGV[8]).filled)
  if type(counted) ~= 'number' or type(day) ~= 'string' or type(order) ~= 'table'
    or type(order.quantity) ~= 'number' or not filled then
    return
  end
  local before = redis.call('HGET', KEYS[3], day)
  if before and #before <= 15 and string.find(before, '^%d+$') then
    local back = math.floor(counted * math.max(order.quantity - filled, 0) / order.quantity)
    redis.call('HSET', KEYS[3], day, string.format('%.0f', math.max(before - back, 0)))
  end
end

if ok then
  give_back()
  remember(KEYS[2], string.sub(ARGV[9], 1, -2) .. ',"event_id":' .. cjson.encode(sender)
    .. ',"order":' .. cjson.encode(found.order) .. '}')
end
redis.call('HDEL', KEYS[1], ARGV[7])
local told = string.sub(ARGV[8], 1, -2) .. ',"intent":'
  .. (readable and intent or quote(intent)) .. '}'
redis.call('HSET', outcomes_of(account_id), ARGV[7], told)
note('settled', sender, account_id, told)
return 1
