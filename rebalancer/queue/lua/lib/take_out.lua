-- take_out(id) -> the state that the event was in, now nowhere; '' if it was nowhere. A worker
-- that executes it finds its lease lost.
local function take_out(id)
  local found, raw, e = locate(id)
  if not found then
    return ''
  end
  local state, account = found[1], e and e.account_id or ''
  if state == 'dead' then
    redis.call('ZREM', dead, raw)
  elseif state == 'retrying' or state == 'delayed' then
    if redis.call('HGET', index, 'waiting ' .. e.key) == raw then
      take_waiting(e.key)
    end
    redis.call('ZREM', state == 'delayed' and delayed or retry, raw)
  else
    if redis.call('LREM', queue, 1, raw) == 0 then
      redis.call('LREM', processing, 1, raw)
    end
    redis.call('HDEL', orphans, raw)
    drop_parked(account, e.key)
    if redis.call('HGET', index, 'active ' .. e.key) == raw then
      set_free(e.key)
    end
    if state == 'leased' then
      end_lease(account)
      follow_up(e.key)
    end
  end
  redis.call('HDEL', passes, id)
  gone(id)
  note('removed', id, account, '{"state":"' .. state .. '"}')
  return state
end
