-- Have the journal followed under a name: what is put down from now on waits for its reader.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  name of the reader
-- ARGV[3]      string  entry after which to begin; $ is the latest
--
-- Returns 1; or an error. One that is followed already under that name goes on where it was.
--@include keys
local made = redis.pcall('XGROUP', 'CREATE', journal, ARGV[2], ARGV[3], 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then
  return made
end
return 1
