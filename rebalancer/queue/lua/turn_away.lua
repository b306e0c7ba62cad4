-- Put down a signal that becomes no event, and count it: one that was rejected or missed.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  rejected | missed
-- ARGV[3]      string  its source, under which it is counted
-- ARGV[4]      string  account id, or ''
-- ARGV[5]      string  data for the journal, a JSON object
-- ARGV[6]      number  how many
-- ARGV[7]      string  the schedule that it belongs to, or ''
-- ARGV[8]      number  up to when the schedule has been seen now
--
-- Returns 1.
--@include keys
--@include once
--@include note
redis.call('HINCRBY', signals, ARGV[3] .. ' ' .. ARGV[2], ARGV[6])
if ARGV[7] ~= '' then
  redis.call('HSET', schedules, ARGV[7], ARGV[8])
end
note(ARGV[2], '', ARGV[4], ARGV[5])
return answer('1')
