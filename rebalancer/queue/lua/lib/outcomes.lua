-- outcomes_of(account) -> hash of the ends of its orders that no record tells yet:
-- order ref -> the gateway's report with the intent.
local function outcomes_of(account)
  return 'rebalance_outcomes:' .. account
end
