-- Give back what workers let go of without a word: events under expired leases, events
-- popped and never leased, parked events that nobody will unpark.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  a worker whose leases end whether expired or not; '' for none
-- ARGV[3]      number  seconds that a popped event may take until it is leased
-- ARGV[4]      integer most events to move
--
-- Returns JSON: moved, more, next_at (when the next lease expires or orphan is due).
--@include keys
--@include once
--@include note
--@include record
--@include event
--@include edit
--@include merge
--@include lease
--@include places
--@include signal
--@include report
local worker, grace, limit, at = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(now)
-- An event that takes its worker down every time must not do so for ever.
local most_reclaims = 20

local more, next_at = false, nil
local function look_again(when)
  next_at = math.min(next_at or when, when)
end

local function give_back(account, held)
  local raw = take_processing(held.key)
  end_lease(account)
  if not raw then
    set_free(held.key)
    mended('lease of ' .. account, 'its event is gone')
    return
  end
  local e, why = read(raw)
  if not e then
    set_free(held.key)
    tell(bury_unreadable(raw, why), account, 'dead', why)
    return
  end
  local _, text = split(raw)
  local times = (tonumber(text.reclaims) or 0) + 1
  raw = patch(raw, 'reclaims', string.format('%.0f', times))
  if times > most_reclaims then
    set_free(e.key)
    bury(raw, e, '"its worker died too often"', '"' .. most_reclaims .. ' times"')
    follow_up(e.key)
    tell(e.event_id, account, 'dead', 'its worker died too often')
    return
  end
  to_queue(e.key, absorb(e.key, raw), true)
  note('reclaimed', e.event_id, account,
    '{"token":' .. held.token .. ',"worker":' .. cjson.encode(held.worker) .. '}')
  tell(e.event_id, account, 'queued', 'lease lost by ' .. held.worker)
end

-- 1. Leases, the youngest first: what was taken first is pushed to the dequeue end last, and
-- so is taken first again. executing: account -> id of the event under a lease that stands.
local executing = {}
local accounts, held_by = redis.call('HKEYS', leases), {}
for _, account in ipairs(accounts) do
  held_by[account] = lease_of(account)
end
table.sort(accounts, function(one, other)
  return held_by[one].token > held_by[other].token
end)
for _, account in ipairs(accounts) do
  local held = held_by[account]
  local over = held.expires_at <= at or (worker ~= '' and held.worker == worker)
  if over and #moved < limit then
    give_back(account, held)
  else
    more = more or over
    executing[account] = held.event_id
    if held.expires_at > at + held.ttl + 1 then
      -- The clock was set back since: the lease counts anew from here.
      held.expires_at = at + held.ttl
      local text = redis.call('HGET', leases, account)
      redis.call('HSET', leases, account, (string.gsub(text, '"expires_at":[^,]+',
        '"expires_at":' .. expiry(held.ttl), 1)))
    end
    look_again(held.expires_at)
  end
end

-- 2. Parked behind a lease that is gone.
for _, account in ipairs(redis.call('HKEYS', parked)) do
  if not executing[account] then
    unpark(account)
    mended('parked events of ' .. account, 'nothing of this account executes')
  end
end

-- 3. Popped and not leased: stamped when first seen so, given back when the grace is over.
local present, filed = {}, {}
for _, raw in ipairs(redis.call('LRANGE', processing, 0, -1)) do
  local e, why = read(raw)
  if not e then
    redis.call('LREM', processing, 1, raw)
    tell(bury_unreadable(raw, why), '', 'dead', why)
  elseif executing[e.account_id] ~= e.event_id and not is_parked(e.account_id, e.key) then
    local seen = tonumber(redis.call('HGET', orphans, raw) or nil)
    present[raw] = true
    if not seen or seen > at then
      redis.call('HSET', orphans, raw, now)
      look_again(at + grace)
    elseif at - seen < grace then
      look_again(seen + grace)
    elseif #moved >= limit then
      more = true
    else
      redis.call('LREM', processing, 1, raw)
      local other = rival(e, raw)
      if filed[raw] then
        bury_copy(raw, e)
      elseif other then
        yield_to(other, e, raw)
      else
        to_queue(e.key, raw, true)
        note('reclaimed', e.event_id, e.account_id, '{"token":0,"worker":""}')
      end
      filed[raw], present[raw] = true, nil
      tell(e.event_id, e.account_id, 'queued', 'popped and never leased')
    end
  end
end
for _, raw in ipairs(redis.call('HKEYS', orphans)) do
  if not present[raw] then
    redis.call('HDEL', orphans, raw)
  end
end

return report('leases', more, next_at)
