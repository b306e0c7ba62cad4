-- The last gate before orders are sent: write down those that no halt flag stops and that keep
-- to the trading day's turnover and to the wash-sale guard.
--
-- KEYS[1]      hash    order ref -> intent, of this account
-- KEYS[2]      string  set once this request's halted and refused orders are in the journal
-- KEYS[3]      hash    trading day -> hundredths sent that day, of this account
-- KEYS[4..]    zset and hash of each account that shares the guard: its trades, its intents
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      number  most hundredths a trading day; '' for no limit
-- ARGV[8]      number  sales at a loss since then bar buys, Unix seconds
-- ARGV[9..]    for each order: order ref, symbol, intent as JSON
--
-- Returns JSON: allowed [order ref], halted {order ref: reason}, refused {order ref: [why,
-- figure]}, where why is turnover, counter (unreadable) or wash_sale; or the error LEASELOST.
-- A resend finds the intents stored and counted, and the halts as they are then: a halt that
-- came in between must win, since nothing can have been sent yet.
--@include keys
--@include lease
--@include proof
--@include note
local function decoded(text)
  local ok, found = pcall(cjson.decode, text)
  return ok and type(found) == 'table' and found or nil
end

local function reason_of(flag)
  local found = decoded(flag)
  return found and type(found.reason) == 'string' and found.reason or flag
end

-- barred() -> why each con id may not be bought, and why none may. Read once, and only when
-- the guard is on. What is being sold at a loss counts as sold: it may be filled already.
local bars, barred_all
local function barred()
  if bars then
    return
  end
  bars = {}
  for i = 4, #KEYS, 2 do
    for _, text in ipairs(redis.call('ZRANGEBYSCORE', KEYS[i], ARGV[8], '+inf')) do
      local trade = decoded(text)
      if not trade or type(trade.con_id) ~= 'number' then
        barred_all = 'an unreadable entry in ' .. KEYS[i]
      elseif trade.action == 'SELL' then
        bars[trade.con_id] = 'sold at a loss: ' .. KEYS[i]
      end
    end
    for _, text in ipairs(redis.call('HVALS', KEYS[i + 1])) do
      local other = decoded(text)
      if not other or type(other.order) ~= 'table' then
        barred_all = 'an unreadable entry in ' .. KEYS[i + 1]
      elseif other.order.action == 'SELL' and other.may_lose then
        bars[other.order.con_id] = 'being sold at a loss: ' .. KEYS[i + 1]
      end
    end
  end
end

-- spent(day) -> hundredths counted so far, or nil and what stands there instead of them.
local function spent(day)
  local found = redis.call('HGET', KEYS[3], day)
  if not found then
    return 0
  end
  return #found <= 15 and string.find(found, '^%d+$') and tonumber(found) or nil, found
end

-- refusal(intent) -> why and the figure; nil when it may be sent, which counts it.
local function refusal(text)
  local intent = decoded(text)
  if #KEYS > 3 and intent.order.action == 'BUY' then
    barred()
    local why = barred_all or bars[intent.order.con_id]
    if why then
      return 'wash_sale', why
    end
  end
  local limit, before, found = tonumber(ARGV[7]), spent(intent.trading_day)
  if limit and not before then
    return 'counter', found
  elseif limit and before + intent.turnover > limit then
    return 'turnover', string.format('%.0f', before)
  elseif before and intent.turnover > 0 then
    redis.call('HSET', KEYS[3], intent.trading_day,
      string.format('%.0f', before + intent.turnover))
  end
  return nil
end

local general = redis.call('HMGET', halts, 'all', 'account:' .. account_id,
  'hold:' .. account_id)
local allowed, halted, refused, fresh = {}, {}, {}, {}
for i = 9, #ARGV, 3 do
  local ref, symbol, intent = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local flag = general[1] or general[2] or general[3]
    or redis.call('HGET', halts, 'symbol:' .. symbol)
  if flag then
    halted[#halted + 1] = cjson.encode(ref) .. ':' .. quote(reason_of(flag))
  elseif redis.call('HEXISTS', KEYS[1], ref) == 1 then
    allowed[#allowed + 1] = cjson.encode(ref)
  else
    local why, figure = refusal(intent)
    if why then
      refused[#refused + 1] = cjson.encode(ref) .. ':["' .. why .. '",' .. quote(figure) .. ']'
    else
      allowed[#allowed + 1] = cjson.encode(ref)
      redis.call('HSET', KEYS[1], ref, intent)
      fresh[#fresh + 1] = intent
    end
  end
end

-- Days are written as 2026-01-05, so that text compares as they do. A week is kept, and
-- whatever somebody else put there never costs the present day its count.
local days = #fresh > 0 and redis.call('HKEYS', KEYS[3]) or {}
table.sort(days)
for i = 1, #days - 7 do
  if days[i] < decoded(fresh[1]).trading_day then
    redis.call('HDEL', KEYS[3], days[i])
  end
end

local stopped = '{' .. table.concat(halted, ',') .. '}'
local barriers = '{' .. table.concat(refused, ',') .. '}'
if #fresh > 0 then
  note('intents', event_id, account_id, '{"intents":[' .. table.concat(fresh, ',') .. ']}')
end
if #halted + #refused > 0 and redis.call('SET', KEYS[2], '1', 'NX', 'EX', 600) then
  if #halted > 0 then
    note('halted', event_id, account_id, '{"orders":' .. stopped .. '}')
  end
  if #refused > 0 then
    note('refused', event_id, account_id, '{"orders":' .. barriers .. '}')
  end
end
return '{"allowed":[' .. table.concat(allowed, ',') .. '],"halted":' .. stopped
  .. ',"refused":' .. barriers .. '}'
