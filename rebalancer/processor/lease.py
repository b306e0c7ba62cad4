"""Keeping an event ours while it runs.

A heartbeat extends the lease three times per lifetime. If Redis answers that the lease is
gone, or does not answer until the lease has run out, the recipe is cancelled: another worker
may own the event, and every order needs the lease proven right before it is sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from rebalancer.errors import LeaseLostError, QueueError
from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Lease

log = logging.getLogger("rebalancer.processor")

T = TypeVar("T")

BEATS_PER_LEASE = 3


async def holding(
    queue: AsyncQueue,
    lease: Lease,
    work: Coroutine[Any, Any, T],
    *,
    ttl: float,
    clock: Callable[[], float],
) -> T:
    """Await ``work`` while the lease is kept alive.

    Raises:
        LeaseLostError: the lease was lost first; ``work`` was cancelled.
    """
    task = asyncio.create_task(work)
    beat = asyncio.create_task(_beat(queue, lease, ttl=ttl, clock=clock))
    try:
        await asyncio.wait({task, beat}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            beat.result()  # a heartbeat only ends by raising
        return await task
    finally:
        beat.cancel()
        task.cancel()
        await asyncio.wait({task, beat})


async def _beat(
    queue: AsyncQueue,
    lease: Lease,
    *,
    ttl: float,
    clock: Callable[[], float],
) -> None:
    # The event loop's clock is monotonic: a step of the wall clock neither hides a lost
    # lease nor loses a live one.
    monotonic = asyncio.get_running_loop().time
    expires = monotonic() + ttl
    while True:
        await asyncio.sleep(ttl / BEATS_PER_LEASE)
        sent = monotonic()
        try:
            await queue.run(moves.heartbeat(lease, now=clock(), ttl=ttl))
            expires = sent + ttl
        except QueueError as error:
            log.warning("lease of %s not extended: %s", lease.event.event_id, error)
            if monotonic() >= expires:
                msg = f"the lease could not be extended before it ran out: {error}"
                raise LeaseLostError(msg) from error
