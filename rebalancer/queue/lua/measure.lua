-- Add to what is measured, and set what has a latest value.
--
-- KEYS[1]      string  answer to this request
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2..]    for each: + or =, the name with its labels, the number
--
-- Returns 1.
--@include keys
--@include once
for i = 2, #ARGV, 3 do
  if ARGV[i] == '+' then
    redis.call('HINCRBYFLOAT', measures, ARGV[i + 1], ARGV[i + 2])
  else
    redis.call('HSET', measures, ARGV[i + 1], ARGV[i + 2])
  end
end
return answer('1')
