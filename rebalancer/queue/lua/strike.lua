-- Count a failed login; at the limit a person is told, once for each window.
--
-- KEYS[1]      string  answer to this request
-- KEYS[2]      string  failures of this address in the present window
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      integer seconds that a window lasts
-- ARGV[3]      integer the limit
-- ARGV[4]      string  the alert, a JSON object
--
-- Returns how many there were in the window, with this one, as text.
--@include keys
--@include once
--@include note
local count = redis.call('INCR', KEYS[2])
if count == 1 then
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
if count == tonumber(ARGV[3]) then
  note('alert', '', '', ARGV[4])
end
return answer(tostring(count))
