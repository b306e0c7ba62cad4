"""The sweeps: bounded batches of moves until there is nothing more to do now.

Each may run twice at once, or beside any number of workers: every batch is one script.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from rebalancer.errors import PermanentError
from rebalancer.queue import moves
from rebalancer.queue.move import Move
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Moved, Swept

#: In the order they run: what leases gave back may be followed by what is due.
_SWEEPS: dict[str, Callable[[float], Move[Swept]]] = {
    "leases": lambda now: moves.reclaim(now=now),
    "retry": lambda now: moves.promote_retries(now=now),
    "delayed": lambda now: moves.promote_delayed(now=now),
}

#: At 100 events a batch, more than any account list can hold; ends a sweep that feeds itself.
_MOST_BATCHES = 1000


def run(
    queue: Queue, kinds: Collection[str], now: float, *, retry_delay: float = 60.0
) -> list[Swept]:
    """Run the sweeps named in ``kinds`` (``retry``, ``delayed``, ``leases``, ``all``).

    Returns one ``Swept`` for the repair that comes first and one for each kind, in the order
    ``leases``, ``retry``, ``delayed``. An event that somebody else put into the retry set is
    due ``retry_delay`` seconds after its score.

    Raises:
        PermanentError: a kind is unknown.
        QueueError: Redis did not do it; what was moved until then stays moved.
    """
    wanted = {*_SWEEPS} if "all" in kinds else {*kinds}
    if unknown := wanted - {*_SWEEPS}:
        raise PermanentError(
            f"no such sweep: {', '.join(sorted(unknown))}; there are {', '.join(_SWEEPS)}, all"
        )
    swept = [queue.run(moves.repair(now=now, default_delay=retry_delay))]
    swept += [_until_done(queue, sweep, now) for k, sweep in _SWEEPS.items() if k in wanted]
    return swept


def _until_done(queue: Queue, sweep: Callable[[float], Move[Swept]], now: float) -> Swept:
    swept = queue.run(sweep(now))
    moved: list[Moved] = [*swept.moved]
    for _ in range(_MOST_BATCHES):
        if not swept.more:
            break
        swept = queue.run(sweep(now))
        moved += swept.moved
    return Swept(swept.kind, tuple(moved), swept.more, swept.next_at)
