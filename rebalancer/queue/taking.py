"""How a worker comes to its next event: a conversation, without the I/O.

The generator says what to do next and is told what came of it; ``Queue`` and
``AsyncQueue`` do it. So there is one definition of the order of steps, and both drive it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias

from rebalancer.queue import moves
from rebalancer.queue.move import Move
from rebalancer.queue.values import Lease, Stray

#: A blocking pop shorter than this would spin.
_SHORTEST_WAIT = 0.05


@dataclass(frozen=True, slots=True)
class Pop:
    """Wait up to ``seconds`` for an event to be moved to the processing list.

    Answered with its bytes, or ``None`` when nothing came.
    """

    seconds: float


Step: TypeAlias = "Move[Any] | Pop"


def taking(
    worker: str, *, now: Callable[[], float], ttl: float, wait: float
) -> Generator[Step, Any, Lease | None]:
    """Lease the next event for ``worker``, waiting up to ``wait`` seconds for one.

    1. Pop and lease in one step while there is something to pop.
    2. Idle: give back what vanished workers held; perhaps that is the next event.
    3. Still idle: block until something arrives, ``wait`` is over, or the next lease may
       have expired, then lease what came.

    ``wait`` counts the waiting itself, not the clock, which may be set meanwhile.
    """
    left = wait
    while True:
        found = yield moves.take(worker, now=now(), ttl=ttl)
        if isinstance(found, Lease):
            return found
        if isinstance(found, Stray):
            yield _bury(found, now())
            continue
        swept = yield moves.reclaim(now=now())
        if swept.moved:
            continue
        if left <= 0:
            return None
        pause = left
        if swept.next_at is not None:
            pause = min(left, max(swept.next_at - now(), _SHORTEST_WAIT))
        raw = yield Pop(pause)
        if raw is None:
            left -= pause
            continue
        found = yield moves.lease(raw, worker, now=now(), ttl=ttl)
        if isinstance(found, Lease):
            return found
        if isinstance(found, Stray):
            yield _bury(found, now())


def _bury(stray: Stray, now: float) -> Move[Any]:
    return moves.bury(
        stray.lease, now=now, reason="unreadable", error=stray.reason, unreadable=True
    )
