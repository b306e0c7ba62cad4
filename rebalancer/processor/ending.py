"""How a run ends: the move that says so to the queue, and the words for its record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from rebalancer.core.outcome import Abandon, Bury, Delay, Retry, outcome_of
from rebalancer.processor.record import Outcome
from rebalancer.queue import moves
from rebalancer.queue.move import Move
from rebalancer.queue.values import Lease

log = logging.getLogger("rebalancer.processor")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Backoff of failed events. Seconds; ``max_attempts`` 0 retries for ever."""

    base_delay: float
    cap: float
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What becomes of the event; ``move`` makes the move, given a ``record`` to take along."""

    outcome: Outcome
    move: Callable[..., Move[Any]]


def completed(lease: Lease, result: Mapping[str, Any], *, now: float) -> Conclusion:
    """The recipe came to its end."""
    return Conclusion(
        Outcome("completed", now, str(result.get("nothing_due", ""))),
        partial(moves.complete, lease, now=now, result=result),
    )


def released(lease: Lease, *, now: float) -> Conclusion:
    """The process ends before the recipe sent anything."""
    reason = "the processor ended before an order was sent"
    return Conclusion(Outcome("released", now, reason), partial(moves.release, lease, now=now))


def failed(
    lease: Lease, error: Exception, *, now: float, retry: RetryPolicy, jitter: float
) -> Conclusion | None:
    """The recipe raised. ``None``: the event is another worker's, and no move is ours to make.

    ``jitter`` is a random number in [0, 1).
    """
    match outcome_of(error):
        case Abandon(reason):
            log.warning("left to its new owner: %s", reason)
            return None
        case Delay(until, reason):
            log.info("delayed: %s", reason)
            return Conclusion(
                Outcome("delayed", now, reason, until),
                partial(moves.delay, lease, now=now, until=until, reason=reason),
            )
        case Bury(reason, name):
            log.error("to the dead letter: %s", reason)
            return Conclusion(
                Outcome("dead", now, reason),
                partial(moves.bury, lease, now=now, reason=reason, error=name),
            )
        case Retry(text, unexpected):
            log.warning("failed: %s", text, exc_info=error if unexpected else None)
            last = 0 < retry.max_attempts <= lease.event.attempt + 1
            return Conclusion(
                Outcome("dead" if last else "retrying", now, text),
                partial(
                    moves.retry,
                    lease,
                    now=now,
                    error=text,
                    base_delay=retry.base_delay,
                    cap=retry.cap,
                    max_attempts=retry.max_attempts,
                    jitter=jitter,
                ),
            )
