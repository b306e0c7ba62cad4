-- Every order of an account whose fate is not settled. An unreadable one goes to the dead
-- letter: a person must look whether it is at the gateway.
--
-- KEYS[1]      hash    order ref -> intent, of this account
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  account id
--
-- Returns a list of intents as JSON.
--@include keys
--@include note
--@include record
--@include event
--@include edit
--@include merge
--@include places
local function why_not(raw)
  local ok, found = pcall(cjson.decode, raw)
  if not ok or type(found) ~= 'table' or type(found.order) ~= 'table' then
    return 'not an intent'
  end
  local price = found.order.limit_price
  if price ~= cjson.null and not (type(price) == 'string' and tonumber(price)) then
    return 'limit_price is neither null nor a decimal'
  end
  for name, kind in pairs({order_ref = 'string', account_id = 'string', symbol = 'string',
    action = 'string', order_type = 'string', con_id = 'number', quantity = 'number'}) do
    if type(found.order[name]) ~= kind then
      return 'order.' .. name .. ' is not a ' .. kind
    end
  end
  for name, kind in pairs({event_id = 'string', pass_number = 'number',
    recorded_at = 'number'}) do
    if type(found[name]) ~= kind then
      return name .. ' is not a ' .. kind
    end
  end
  return nil
end

local open = {}
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do
  local why = why_not(stored[i + 1])
  if why then
    redis.call('HDEL', KEYS[1], stored[i])
    bury(stored[i + 1], nil, '"unreadable intent"',
      quote(ARGV[2] .. ' ' .. stored[i] .. ': ' .. why))
  else
    open[#open + 1] = stored[i + 1]
  end
end
return open
