"""The moves of an event, one function per Lua script.

Times are Unix seconds. Where a ``lease`` is asked for, the script proves that it is still
held before it touches anything; ``LeaseLostError`` then means that nothing was changed.

The moves of people, of order sending and of programs live next door (``desk``, ``gate``,
``board``, ``journal``), the sweeps' in ``sweeping``; all are offered here too, so that callers
write ``moves.x``. Those of the records are ``history``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rebalancer.core.event import Event
from rebalancer.queue import codec, keys
from rebalancer.queue.board import (
    daemons,
    heartbeat_daemon,
    load_snapshot,
    save_snapshot,
    sweeps,
)
from rebalancer.queue.codec import stamp
from rebalancer.queue.desk import clear, list_events, remove, requeue, show, stats
from rebalancer.queue.gate import (
    begin_pass,
    halt,
    halts,
    last_ring,
    open_intents,
    record_intents,
    resume,
    settle_intent,
    spending,
)
from rebalancer.queue.holds import accept, accepted, held, hold, settled_orders
from rebalancer.queue.journal import alert, note, note_event
from rebalancer.queue.memory import day_turnover, trades
from rebalancer.queue.move import Move, new_request, proof
from rebalancer.queue.scripts import Argument
from rebalancer.queue.sweeping import promote_delayed, promote_retries, reclaim, repair
from rebalancer.queue.values import (
    Ended,
    Enqueued,
    Lease,
    Retried,
    Stray,
    Unreadable,
)

if TYPE_CHECKING:
    from rebalancer.queue.history import Sealed  # its imports would cost every sweep 5 ms

__all__ = [
    "accept",
    "accepted",
    "alert",
    "begin_pass",
    "bury",
    "clear",
    "complete",
    "daemons",
    "day_turnover",
    "delay",
    "enqueue",
    "halt",
    "halts",
    "heartbeat",
    "heartbeat_daemon",
    "held",
    "hold",
    "last_ring",
    "lease",
    "list_events",
    "load_snapshot",
    "note",
    "note_event",
    "open_intents",
    "promote_delayed",
    "promote_retries",
    "reclaim",
    "record_intents",
    "release",
    "remove",
    "repair",
    "requeue",
    "resume",
    "retry",
    "save_snapshot",
    "settle_intent",
    "settled_orders",
    "show",
    "spending",
    "stats",
    "sweeps",
    "take",
    "trades",
]

# -- in ------------------------------------------------------------------------------------


def enqueue(
    event: Event,
    *,
    now: float,
    counted: bool = False,
    seen: tuple[str, float] | None = None,
) -> Move[Enqueued]:
    """Accept a signal: a new event, or folded into the one that serves its key already.

    Sending the same ``event_id`` again within three days changes nothing and gives the
    first answer, whatever became of the event meanwhile.

    In the same step a ``counted`` signal is counted under its source (``signals.counts``), and
    with that ``seen``, a schedule and a due time, says up to when the schedule has been seen.

    Raises:
        PermanentError: the event cannot be written down (see ``codec.encode``).
    """
    raw = codec.encode(event)
    told: tuple[str, ...] = (event.source,) if counted else ()
    if counted and seen is not None:
        told = (*told, seen[0], stamp(seen[1]))
    return Move(
        "enqueue",
        (keys.answer(f"event:{event.event_id}"),),
        (stamp(now), event.event_id, event.account_id, event.key, event.priority, raw, *told),
        _enqueued,
    )


def _enqueued(reply: bytes) -> Enqueued:
    status, event_id, position = reply.decode().split(" ")
    return Enqueued(cast(Any, status), event_id, int(position))


# -- leasing -------------------------------------------------------------------------------


def take(worker: str, *, now: float, ttl: float) -> Move[Lease | Stray | None]:
    """Pop the next event whose account is free and lease it for ``ttl`` seconds.

    Events whose account is busy are parked on the way. ``None``: the queue is empty.
    """
    return Move(
        "take",
        (),
        (stamp(now), codec.dumps(worker), new_request(), stamp(ttl)),
        partial(_granted, worker),
    )


def lease(raw: bytes, worker: str, *, now: float, ttl: float) -> Move[Lease | Stray | None]:
    """Lease the event that a blocking pop moved to the processing list.

    ``None``: it was parked behind its account, unreadable, or somebody else's by now.
    """
    return Move(
        "lease",
        (),
        (stamp(now), codec.dumps(worker), new_request(), stamp(ttl), raw),
        partial(_granted, worker),
    )


def _granted(worker: str, reply: bytes | None) -> Lease | Stray | None:
    if not reply:
        return None
    head, _, raw = reply.partition(b"\n")
    token, expires_at, event_id, account_id, exec_command = head.decode().split(" ")
    event = codec.decode(raw)
    if isinstance(event, Unreadable):
        # What the script could read of it is enough to end the lease.
        stub = Event(event_id, account_id, exec_command, received_at=0.0)
        return Stray(Lease(stub, int(token), worker, float(expires_at)), event.reason)
    return Lease(event, int(token), worker, float(expires_at))


def heartbeat(lease: Lease, *, now: float, ttl: float) -> Move[None]:
    """Hold the lease for ``ttl`` more seconds from ``now``.

    Raises (when run):
        LeaseLostError: it was taken over.
    """
    return Move("heartbeat", (), (stamp(now), *proof(lease), stamp(ttl)), _nothing)


def _ending(
    script: str,
    lease: Lease,
    now: float,
    *args: Argument,
    record: Sealed | None = None,
    final: bool = False,
) -> tuple[str, tuple[str, ...], tuple[Argument, ...]]:
    # A lease ends once, so script and token name the request. A final ending is remembered
    # in the record of the event, which is written then anyway.
    event_id = lease.event.event_id
    if final:
        remembered = keys.record(event_id)
    else:
        remembered = keys.answer(f"{script}:{lease.token}:{event_id}")
    told = record.arguments() if record is not None else ()
    return script, (remembered,), (stamp(now), *proof(lease), *args, *told)


def _nothing(_reply: object) -> None:
    return None


# -- endings -------------------------------------------------------------------------------


def complete(
    lease: Lease, *, now: float, result: Mapping[str, Any], record: Sealed | None = None
) -> Move[Ended]:
    """The event is done; ``result`` goes to the journal. A follow-up runs next.

    ``record`` is appended to the history in the same step, as by every ending.

    Raises (when run):
        LeaseLostError: it was taken over.
        ChainMovedError: another record was appended since ``record`` was sealed.
    """
    return Move(
        *_ending("complete", lease, now, codec.dumps(result), record=record, final=True),
        _ended,
    )


def delay(
    lease: Lease, *, now: float, until: float, reason: str, record: Sealed | None = None
) -> Move[Ended]:
    """Run it again at ``until``; no attempt is used. See ``complete`` for errors."""
    return Move(
        *_ending("delay", lease, now, stamp(until), codec.dumps(reason), record=record), _ended
    )


def release(lease: Lease, *, now: float, record: Sealed | None = None) -> Move[Ended]:
    """Give it back to the dequeue end, as if never taken. See ``complete`` for errors."""
    return Move(*_ending("release", lease, now, record=record), _ended)


def bury(
    lease: Lease,
    *,
    now: float,
    reason: str,
    error: str,
    unreadable: bool = False,
    record: Sealed | None = None,
) -> Move[Ended]:
    """Put it into the dead letter for a person to look at. See ``complete`` for errors.

    An ``unreadable`` one is kept there as text, since it may not even be JSON.
    """
    flag = "1" if unreadable else "0"
    words = (codec.dumps(reason), codec.dumps(error), flag)
    return Move(*_ending("bury", lease, now, *words, record=record, final=True), _ended)


def _ended(reply: bytes) -> Ended:
    status, event_id, follow_up = reply.decode().split(" ")
    return Ended(cast(Any, status), event_id, follow_up)


def backoff(attempt: int, *, base_delay: float, cap: float, jitter: float) -> float:
    """Seconds to wait after failure number ``attempt`` (from 1): exponential, full jitter.

    ``jitter`` in [0, 1) is the caller's random number; spreading over the whole span keeps
    accounts that failed together from coming back together.
    """
    # Beyond 2**60 times the base every cap is reached; a float cannot go on for ever.
    return jitter * min(cap, base_delay * 2.0 ** min(attempt - 1, 60))


def retry(
    lease: Lease,
    *,
    now: float,
    error: str,
    base_delay: float,
    cap: float,
    max_attempts: int,
    jitter: float,
    record: Sealed | None = None,
) -> Move[Retried]:
    """The attempt failed: wait with backoff, or the dead letter after ``max_attempts``.

    ``max_attempts`` 0 retries for ever; ``jitter`` is a random number in [0, 1). See
    ``complete`` for errors.
    """
    attempt = lease.event.attempt + 1
    due = now + backoff(attempt, base_delay=base_delay, cap=cap, jitter=jitter)
    exhausted = "1" if 0 < max_attempts <= attempt else "0"
    words = (stamp(due), str(attempt), codec.dumps(error), exhausted)
    return Move(*_ending("retry", lease, now, *words, record=record), _retried)


def _retried(reply: bytes) -> Retried:
    status, event_id, attempt, due_at = reply.decode().split(" ")
    return Retried(cast(Any, status), event_id, int(attempt), float(due_at) if due_at else None)
