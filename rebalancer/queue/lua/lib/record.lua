-- What was answered to a signal is remembered once its event is not there any more to tell, for
-- three days: a source that fires again after a long weekend hears what came of it.
-- First line: the answer. Second line, if a lease ended the event: its token and that answer.
local keep = 259200

local function record_of(id)
  return 'rebalance_answer:event:' .. id
end

-- gone(id): the event leaves without a lease, or for the dead letter.
local function gone(id)
  redis.call('SET', record_of(id), 'queued ' .. id .. ' 0', 'NX', 'EX', keep)
end
