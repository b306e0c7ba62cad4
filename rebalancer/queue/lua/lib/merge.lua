-- What two signals of one event ask for together. A rebalance may be asked for in three ways
-- (core/request.py): full, buy-only, raise_cash; each kind is kept once.
local function is_object(text)
  return text ~= nil and string.sub(text, 1, 1) == '{'
end

-- asked(data) -> by kind, the text of each ask in a rebalance's data; and the kinds in order.
local function asked(data)
  local names, has = split(data)
  if is_object(has.asks) then
    names, has = split(has.asks)
    return has, names
  end
  local kind = has.raise_cash and 'raise_cash' or has.mode == '"buy-only"' and 'buy-only' or 'full'
  return {[kind] = data}, {kind}
end

local function number_of(text)
  return tonumber((string.match(text or '', '^"?(.-)"?$')))
end

-- stronger(kind, old, new) -> of two asks of one kind the one that covers both: the larger
-- amount; no condition before any, else each threshold once, at its lowest.
local function stronger(kind, old, new)
  if not (is_object(old) and is_object(new)) then
    return new
  end
  local _, before = split(old)
  local _, after = split(new)
  if kind == 'raise_cash' then
    local one, other = number_of(before.raise_cash), number_of(after.raise_cash)
    return one and other and one > other and old or new
  elseif not after.when then
    return new
  elseif not before.when then
    return old
  elseif not (is_object(before.when) and is_object(after.when)) then
    return new
  end
  local names, low = split(before.when)
  local when = after.when
  local _, limits = split(when)
  for _, name in ipairs(names) do
    local one, other = number_of(low[name]), number_of(limits[name])
    if not limits[name] or (one and other and one < other) then
      when = patch(when, name, low[name])
    end
  end
  return patch(new, 'when', when)
end

-- together(old, new) -> data that ask for what either asks for.
local function together(old, new)
  if not (is_object(old) and is_object(new)) then
    return new
  end
  local before, kinds = asked(old)
  local after, more = asked(new)
  for _, kind in ipairs(more) do
    if before[kind] then
      before[kind] = stronger(kind, before[kind], after[kind])
    else
      before[kind] = after[kind]
      kinds[#kinds + 1] = kind
    end
  end
  local _, full = split(is_object(before.full) and before.full or '{"when":0}')
  local parts, only, of = {}, nil, nil
  for _, kind in ipairs(kinds) do
    -- A full rebalance in any case leaves nothing to invest.
    if kind ~= 'buy-only' or full.when then
      only, of = before[kind], kind
      parts[#parts + 1] = '"' .. kind .. '":' .. only
    end
  end
  if #parts == 1 and is_object(only) and select(2, asked(only))[1] == of then
    return only -- that kind is to be seen without being named
  end
  return '{"asks":{' .. table.concat(parts, ',') .. '}}'
end

-- merge(old, new, stale) -> the old event carrying the new signal: of what a rebalance is
-- asked for nothing is lost, of other data the newest win; the higher priority wins, and the
-- count of folded signals grows. A stale signal, which came back from the dead letter, counts
-- as the older one; it is known by its mark later on.
local function merge(old, new, stale)
  local _, before = split(old)
  local _, after = split(new)
  local high = before.priority == '"high"' or after.priority == '"high"'
  local merged = (tonumber(before.merged) or 0) + 1 + (tonumber(after.merged) or 0)
  local source, data = after.source or before.source or '"cli"', after.data or '{}'
  local mark, held = before.stale, before.data or '{}'
  if stale or after.stale == 'true' then
    source, data, held = before.source or '"cli"', held, data
  elseif mark then
    mark = 'false'
  end
  if mark then
    old = patch(old, 'stale', mark)
  end
  local command = before.exec_command
  if command == '"rebalance"' or command == '"print-rebalance"' then
    data = together(held, data)
  end
  return patch(old,
    'data', data,
    'source', source,
    'priority', high and '"high"' or '"normal"',
    'merged', string.format('%.0f', merged))
end
