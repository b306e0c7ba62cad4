-- The names of keys.py. They are fixed, for people and other programs rely on them, and the
-- queue lives on one server: so they are constants here, and KEYS holds only what depends on
-- the request. Passing sixteen names with each call would cost more than most scripts do.
local queue, processing = 'rebalance_queue', 'rebalance_processing'
local active, index = 'active_events_set', 'rebalance_index'
local retry, due = 'rebalance_retry_set', 'rebalance_retry_due'
local delayed, dead = 'delayed_execution_set', 'rebalance_dead_letter'
local leases, parked = 'rebalance_leases', 'rebalance_parked'
local orphans, fence = 'rebalance_orphans', 'rebalance_fence'
local journal, passes = 'rebalance_journal', 'rebalance_passes'
local halts, bell = 'rebalance_halts', 'rebalance_halt_bell'
local approvals = 'rebalance_approvals'
local history, history_head = 'rebalance_history', 'rebalance_history_head'
local sweeps = 'rebalance_sweeps'
local counts, measures = 'rebalance_counts', 'rebalance_measures'
local signals, schedules = 'rebalance_signals', 'rebalance_schedules'

-- ARGV[1] is always the caller's time: Unix seconds as text. The text is stored as it came,
-- because Lua would print no more than 14 digits of it.
local now = ARGV[1]
