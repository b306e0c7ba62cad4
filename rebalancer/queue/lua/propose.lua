-- Put a plan before a person. What was agreed to before is forgotten.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..6]   account id, event id, key, token, worker: the lease to prove
-- ARGV[7]      string  the proposal and its plan as JSON
-- ARGV[8]      string  the plan's hash
-- ARGV[9]      number  when it expires, Unix seconds
--
-- Returns 1; or the error LEASELOST. Doing it again changes nothing.
--@include keys
--@include lease
--@include proof
--@include note
if redis.call('HGET', approvals, account_id) ~= ARGV[7] then
  redis.call('HSET', approvals, account_id, ARGV[7])
  redis.call('HDEL', approvals, 'ok ' .. account_id)
  note('proposed', event_id, account_id,
    '{"plan":"' .. ARGV[8] .. '","expires_at":' .. ARGV[9] .. '}')
end
return 1
