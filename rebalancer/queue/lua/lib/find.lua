-- row(state, id, raw, at, due_at, details): one line of a listing; '' stands for unknown.
local function row(state, id, raw, at, due_at, details)
  return {state, id, raw, at or '', due_at or '', details or ''}
end

-- active_row(e, raw, id): a line for what is in queue or processing.
local function active_row(e, raw)
  if not e then
    return row('queued', '', raw)
  end
  if is_executing(e) then
    return row('leased', e.event_id, raw, nil, nil, redis.call('HGET', leases, e.account_id))
  end
  local aside = is_parked(e.account_id, e.key) and '{"parked":true}' or nil
  return row('queued', e.event_id, raw, nil, nil, aside)
end

local function retry_row(e, raw, added)
  return row('retrying', e and e.event_id or '', raw, added,
    e and redis.call('ZSCORE', due, e.key) or nil)
end

local function delayed_row(e, raw, run_at)
  return row('delayed', e and e.event_id or '', raw, run_at, run_at)
end

-- dead_row(entry, at): reason and error are in the details, the event itself is the element.
local function dead_row(entry, at)
  local ok, found = pcall(cjson.decode, entry)
  if not ok or type(found) ~= 'table' or type(found.event_id) ~= 'string' then
    return row('dead', '', entry, at)
  end
  local _, text = split(entry)
  return row('dead', found.event_id, text.event or found.raw or '', at, nil,
    '{"reason":' .. (text.reason or '""') .. ',"error":' .. (text.error or '""')
    .. ',"readable":' .. tostring(text.event ~= nil) .. '}')
end

-- locate(id) -> its line and the member that stands for it where it is; nil if nowhere.
local function locate(id)
  -- Most elements are of other events: looking for the bare text first spares reading them.
  local function is_it(raw)
    local e = string.find(raw, id, 1, true) and read(raw)
    return e and e.event_id == id and e or nil
  end
  for _, list in ipairs({processing, queue}) do
    for _, raw in ipairs(redis.call('LRANGE', list, 0, -1)) do
      local e = is_it(raw)
      if e then
        return active_row(e, raw), raw, e
      end
    end
  end
  for set, shape in pairs({[retry] = retry_row, [delayed] = delayed_row}) do
    for _, raw in ipairs(redis.call('ZRANGE', set, 0, -1)) do
      local e = is_it(raw)
      if e then
        return shape(e, raw, redis.call('ZSCORE', set, raw)), raw, e
      end
    end
  end
  for _, entry in ipairs(redis.call('ZRANGE', dead, 0, -1)) do
    if string.find(entry, id, 1, true) then
      local found = dead_row(entry, redis.call('ZSCORE', dead, entry))
      if found[2] == id then
        return found, entry, read(found[3])
      end
    end
  end
  return nil
end
