-- A person drops a plan: it is forgotten, and the event that waits for it is taken out.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  account id
-- ARGV[3]      string  the hash of the plan that is dropped
--
-- Returns "rejected", "unknown", or "other HASH" of the plan that waits instead.
--@include keys
--@include once
--@include note
--@include record
--@include event
--@include edit
--@include lease
--@include places
--@include find
--@include take_out
--@include proposal
local account, wanted = ARGV[2], ARGV[3]
local proposal, other = waiting(account, wanted)
if not proposal then
  return answer(other)
end
local event_id = tostring(proposal.event_id)
note('declined', event_id, account, '{"plan":' .. cjson.encode(wanted) .. '}')
redis.call('HDEL', approvals, account, 'ok ' .. account)
take_out(event_id)
return answer('rejected')
