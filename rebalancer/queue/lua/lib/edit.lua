-- split(raw) -> the names of a JSON object's members in order, and the text of each value.
-- Events are edited as text: cjson would turn [] into {} and round long numbers, and what we
-- did not write must come back as it came. Only for what cjson could decode.
local function split(raw)
  local names, text = {}, {}

  local function after_string(from)
    local at = from + 1
    while true do
      local stop = string.find(raw, '["\\]', at)
      if string.sub(raw, stop, stop) == '"' then
        return stop + 1
      end
      at = stop + 2
    end
  end

  local function after_value(from)
    local first = string.sub(raw, from, from)
    if first == '"' then
      return after_string(from)
    elseif first ~= '{' and first ~= '[' then
      return string.find(raw, '[,}%s]', from)
    end
    local depth, at = 0, from
    repeat
      at = string.find(raw, '[][{}"]', at)
      local found = string.sub(raw, at, at)
      if found == '"' then
        at = after_string(at)
      else
        depth = depth + ((found == '{' or found == '[') and 1 or -1)
        at = at + 1
      end
    until depth == 0
    return at
  end

  local at = string.find(raw, '{', 1, true) + 1
  while true do
    local open = string.find(raw, '["}]', at)
    if string.sub(raw, open, open) == '}' then
      return names, text
    end
    local shut = after_string(open)
    local name = string.sub(raw, open + 1, shut - 2)
    local from = string.find(raw, '[^%s:]', shut)
    at = after_value(from)
    if not text[name] then
      names[#names + 1] = name
    end
    text[name] = string.sub(raw, from, at - 1)
  end
end

-- patch(raw, name, text, name, text, ...) -> raw with these members' values replaced.
local function patch(raw, ...)
  local names, text = split(raw)
  for i = 1, select('#', ...), 2 do
    local name, value = select(i, ...)
    if not text[name] then
      names[#names + 1] = name
    end
    text[name] = value
  end
  for i, name in ipairs(names) do
    names[i] = '"' .. name .. '":' .. text[name]
  end
  return '{' .. table.concat(names, ',') .. '}'
end
