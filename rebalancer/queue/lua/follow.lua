-- Have the journal followed under a name: what is put down from now on waits for its reader.
--
-- ARGV[1]      number  now, Unix seconds
-- ARGV[2]      string  name of the reader
-- ARGV[3]      string  entry after which to begin; $ is the latest
--
-- Returns 1, or 0 if it was followed under that name already, and then goes on where it was.
--@include keys
local made = redis.pcall('XGROUP', 'CREATE', journal, ARGV[2], ARGV[3], 'MKSTREAM')
if type(made) == 'table' and made.err then
  return string.find(made.err, 'BUSYGROUP', 1, true) and 0 or made
end
return 1
