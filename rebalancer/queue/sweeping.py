"""The moves of the sweeps: what is due, and what was left behind, goes back into the queue."""

from __future__ import annotations

from functools import partial

from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.move import Move, new_request
from rebalancer.queue.values import Moved, SweepKind, Swept

#: How many events one sweep moves before it lets others have the server.
BATCH = 100


def reclaim(*, now: float, worker: str = "", grace: float = 1.0) -> Move[Swept]:
    """Give back to the queue what its worker let go of without a word.

    These are events under expired leases, events that were popped but not leased within
    ``grace`` seconds of being first seen so, and parked events whose account is free. With
    ``worker`` also everything under that name, expired or not: for a worker that starts and
    knows that its former self is gone.
    """
    return Move(
        "reclaim",
        (keys.answer(new_request()),),
        (stamp(now), worker, stamp(grace), str(BATCH)),
        partial(_swept, "leases"),
    )


def repair(*, now: float, default_delay: float = 60.0) -> Move[Swept]:
    """Bring index, deduplication set and waiting sets in line with what they describe.

    Mends what hands or other programs did to the structures: unreadable entries go to the
    dead letter, foreign events are adopted, stuck deduplication keys are freed. A foreign
    event in the retry set is due ``default_delay`` seconds after its score.
    """
    return Move(
        "repair",
        (keys.answer(new_request()),),
        (stamp(now), stamp(default_delay)),
        partial(_swept, "repair"),
    )


def promote_retries(*, now: float) -> Move[Swept]:
    """Put failed events whose backoff is over back into the queue."""
    return Move(
        "promote_retries",
        (keys.answer(new_request()),),
        (stamp(now), str(BATCH)),
        partial(_swept, "retry"),
    )


def promote_delayed(*, now: float) -> Move[Swept]:
    """Put delayed events whose time has come into the queue, unless their key is active."""
    return Move(
        "promote_delayed",
        (keys.answer(new_request()),),
        (stamp(now), str(BATCH)),
        partial(_swept, "delayed"),
    )


def _swept(kind: SweepKind, reply: bytes) -> Swept:
    found = codec.loads(reply)
    moved = tuple(
        Moved(m["event_id"], m["account_id"], m["fate"], m["why"]) for m in found["moved"]
    )
    return Swept(kind, moved, found["more"], found["next_at"])
