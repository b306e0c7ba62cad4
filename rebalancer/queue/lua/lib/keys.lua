-- The layout of keys.py: every script receives these KEYS first, in this order.
-- ARGV[1] is always the caller's time: Unix seconds as text. The text is stored as it came,
-- because Lua would print no more than 14 digits of it.
local queue, processing, active, retry, delayed, dead, journal, index, leases, parked, due,
  orphans, fence, passes, halts, daemons = unpack(KEYS)
local now = ARGV[1]
