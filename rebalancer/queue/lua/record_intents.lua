-- The last gate before orders are sent: write down those that no halt flag stops.
--
-- KEYS[1]      hash    order ref -> intent, of this account
-- KEYS[2]      string  set once this request's halted orders are in the journal
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7..]    for each order: order ref, symbol, intent as JSON
--
-- Returns JSON: allowed [order ref], halted {order ref: reason}; or the error LEASELOST.
-- A resend finds the intents stored, and the halts as they are then: a halt that came in
-- between must win, since nothing can have been sent yet.
--@include keys
--@include lease
--@include proof
--@include note
local function reason_of(flag)
  local ok, found = pcall(cjson.decode, flag)
  return ok and type(found) == 'table' and type(found.reason) == 'string' and found.reason
    or flag
end

local general = redis.call('HMGET', halts, 'all', 'account:' .. account_id,
  'hold:' .. account_id)
local allowed, halted, fresh = {}, {}, {}
for i = 7, #ARGV, 3 do
  local ref, symbol, intent = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local flag = general[1] or general[2] or general[3]
    or redis.call('HGET', halts, 'symbol:' .. symbol)
  if flag then
    halted[#halted + 1] = cjson.encode(ref) .. ':' .. quote(reason_of(flag))
  else
    allowed[#allowed + 1] = cjson.encode(ref)
    if redis.call('HSETNX', KEYS[1], ref, intent) == 1 then
      fresh[#fresh + 1] = intent
    end
  end
end

local stopped = '{' .. table.concat(halted, ',') .. '}'
if #fresh > 0 then
  note('intents', event_id, account_id, '{"intents":[' .. table.concat(fresh, ',') .. ']}')
end
if #halted > 0 and redis.call('SET', KEYS[2], '1', 'NX', 'EX', 600) then
  note('halted', event_id, account_id, '{"orders":' .. stopped .. '}')
end
return '{"allowed":[' .. table.concat(allowed, ',') .. '],"halted":' .. stopped .. '}'
