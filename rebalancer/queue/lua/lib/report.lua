-- What a sweep did, in the order it did it.
local moved = {}

local function tell(event_id, account_id, fate, why)
  moved[#moved + 1] = '{"event_id":' .. quote(event_id) .. ',"account_id":' .. quote(account_id)
    .. ',"fate":"' .. fate .. '","why":' .. quote(why) .. '}'
end

-- mended(what, why): tell and put down something that is no event.
local function mended(what, why)
  tell(what, '', 'repaired', why)
  note('repaired', '', '', '{"what":' .. quote(what) .. ',"why":' .. quote(why) .. '}')
end

-- report(kind, more, next_at) -> the reply. One that says "nothing" needs no remembering. When
-- a sweep last ran is noted, to the second, so that one whose timer died is missed.
local function report(kind, more, next_at)
  if math.abs(now - (tonumber(redis.call('HGET', sweeps, kind) or nil) or 0)) >= 1 then
    redis.call('HSET', sweeps, kind, now)
  end
  local text = '{"moved":[' .. table.concat(moved, ',') .. '],"more":' .. tostring(more)
    .. ',"next_at":' .. (next_at and string.format('%.6f', next_at) or 'null') .. '}'
  return #moved > 0 and answer(text) or text
end
