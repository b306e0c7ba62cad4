-- waiting(account, wanted) -> the account's proposal if it has the hash that is wanted; else nil
-- and what to answer.
local function waiting(account, wanted)
  local stored = redis.call('HGET', approvals, account)
  local ok, found = pcall(cjson.decode, stored or '')
  local proposal = ok and type(found) == 'table' and found.proposal
  if type(proposal) ~= 'table' or type(proposal.plan_hash) ~= 'string' then
    return nil, 'unknown'
  end
  if proposal.plan_hash ~= wanted then
    return nil, 'other ' .. proposal.plan_hash
  end
  return proposal
end
