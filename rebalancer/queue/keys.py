"""The names of everything the queue keeps in Redis; ``lua/lib/keys.lua`` has them as well."""

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
BELL = "rebalance_halt_bell"
DAEMONS = "rebalance_daemons"
SNAPSHOTS = "rebalance_snapshots"
APPROVALS = "rebalance_approvals"
HISTORY = "rebalance_history"
HISTORY_HEAD = "rebalance_history_head"
SWEEPS = "rebalance_sweeps"
COUNTS = "rebalance_counts"
MEASURES = "rebalance_measures"
#: Hash: "source outcome" -> how many signals.
SIGNALS = "rebalance_signals"
#: Hash: schedule -> Unix seconds up to which it has been seen.
SCHEDULES = "rebalance_schedules"


def answer(request: str) -> str:
    """Where the answer to ``request`` is remembered, so that a resend gets the same one."""
    return f"rebalance_answer:{request}"


def record(event_id: str) -> str:
    """Where the answer to a signal, and to the ending of its event, is remembered."""
    return answer(f"event:{event_id}")


def intents(account_id: str) -> str:
    """Hash of the account's orders that may be at the gateway: order_ref -> intent."""
    return f"rebalance_intents:{account_id}"


def settled(account_id: str) -> str:
    """Sorted set of the account's orders whose outcome is known, by when it became so."""
    return f"rebalance_settled:{account_id}"


def accepted(account_id: str) -> str:
    """Sorted set of the differences that a person has accepted, by when."""
    return f"rebalance_accepted:{account_id}"


def outcomes(account_id: str) -> str:
    """Hash of the ends of the account's orders that no record tells yet, by order_ref."""
    return f"rebalance_outcomes:{account_id}"


def turnover(account_id: str) -> str:
    """Hash of what the account has been sent to trade: trading day -> hundredths."""
    return f"rebalance_turnover:{account_id}"


def trades(account_id: str) -> str:
    """Sorted set of the account's trades that later plans have to know of, by time."""
    return f"rebalance_trades:{account_id}"


def idempotency(key: str) -> str:
    """What a caller of the API was answered under an idempotency key."""
    return f"rebalance_idempotency:{key}"


def session(digest: str) -> str:
    """A login to the API from a browser."""
    return f"rebalance_session:{digest}"


def failures(address: str) -> str:
    """How many logins from an address have failed just now."""
    return f"rebalance_failures:{address}"
