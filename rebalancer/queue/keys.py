"""The names of everything the queue keeps in Redis, and the order scripts receive them in."""

from __future__ import annotations

QUEUE = "rebalance_queue"
PROCESSING = "rebalance_processing"
ACTIVE = "active_events_set"
RETRY = "rebalance_retry_set"
DELAYED = "delayed_execution_set"
DEAD = "rebalance_dead_letter"
JOURNAL = "rebalance_journal"
INDEX = "rebalance_index"
LEASES = "rebalance_leases"
PARKED = "rebalance_parked"
DUE = "rebalance_retry_due"
ORPHANS = "rebalance_orphans"
FENCE = "rebalance_fence"
PASSES = "rebalance_passes"
HALTS = "rebalance_halts"
DAEMONS = "rebalance_daemons"
SNAPSHOTS = "rebalance_snapshots"

#: Every script gets these, in this order, as its first KEYS; ``lua/lib/keys.lua`` names them.
LAYOUT = (
    QUEUE,
    PROCESSING,
    ACTIVE,
    RETRY,
    DELAYED,
    DEAD,
    JOURNAL,
    INDEX,
    LEASES,
    PARKED,
    DUE,
    ORPHANS,
    FENCE,
    PASSES,
    HALTS,
    DAEMONS,
)


def answer(request: str) -> str:
    """Where the answer to ``request`` is remembered, so that a resend gets the same one."""
    return f"rebalance_answer:{request}"


def intents(account_id: str) -> str:
    """Hash of the account's orders that may be at the gateway: order_ref -> intent."""
    return f"rebalance_intents:{account_id}"
