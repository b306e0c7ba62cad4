-- Put down something that moves no event.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  kind
-- ARGV[3]      string  event id, or ''
-- ARGV[4]      string  account id, or ''
-- ARGV[5]      string  data, a JSON object
--
-- Returns 1.
--@include keys
--@include once
--@include note
note(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return answer('1')
