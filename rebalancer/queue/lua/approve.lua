-- A person agrees to a plan: it is marked, and the event that waits for it is called up.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  account id
-- ARGV[3]      string  the hash of the plan that is agreed to
-- ARGV[4]      string  the mark as JSON: plan_hash, by, at
-- ARGV[5]      string  a high-priority rebalance of the account as JSON
--
-- Returns "approved", "expired", "unknown", or "other HASH" of the plan that waits instead.
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
--@include proposal
local account, wanted = ARGV[2], ARGV[3]
local proposal, other = waiting(account, wanted)
if not proposal then
  return answer(other)
end
if not (tonumber(proposal.expires_at) and tonumber(now) < tonumber(proposal.expires_at)) then
  return answer('expired')
end
redis.call('HSET', approvals, 'ok ' .. account, ARGV[4])
note('approved', proposal.event_id, account, ARGV[4])
signal(read(ARGV[5]), ARGV[5])
return answer('approved')
