"""What a processor does beside events: it says that it lives, and minds forgotten orders."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from rebalancer import sdnotify
from rebalancer.core.event import Event
from rebalancer.errors import GatewayUnavailableError, QueueError
from rebalancer.logs import event_context
from rebalancer.processor import vigil
from rebalancer.queue import measures, moves
from rebalancer.queue.store import AsyncQueue

if TYPE_CHECKING:
    from rebalancer.processor.daemon import Processor

log = logging.getLogger("rebalancer.processor")


async def say_alive(processor: Processor, queue: AsyncQueue, every: float) -> None:
    """Tell systemd and the queue every so many seconds that the event loop still turns."""
    while True:
        running = len(processor.flying)
        status = f"{running} events running; gateway {vigil.status(processor)}"
        sdnotify.status(status)
        sdnotify.watchdog()
        info = {
            "status": status,
            "running": running,
            "worker": processor.worker,
            "gateway_ready": processor.gateway.is_ready,
            "gateway_state": processor.gateway.state,
            "pacing_waits": processor.gateway.pacing_waits,
            "pacing_seconds": round(processor.gateway.pacing_seconds, 3),
            "gateway_expected_down_until": vigil.expected_down_until(processor.gateway),
        }
        with contextlib.suppress(QueueError):
            await queue.run(moves.heartbeat_daemon("processor", info, now=processor.clock()))
            # Before the journal forgets, and without anybody having to look.
            while await queue.run(measures.count(now=processor.clock())):
                pass
        await asyncio.sleep(every)


async def mind_orders(processor: Processor, queue: AsyncQueue, every: float) -> None:
    """Have orders settled that no event looks after any more, older than ``every`` seconds.

    Their event may be dead or removed, or its worker gone for good. The signal goes through
    the queue, so that the account's lease keeps others out meanwhile.
    """
    while True:
        with contextlib.suppress(GatewayUnavailableError, QueueError):
            await processor.gateway.ready(every)
            for account_id in processor.accounts:
                await _mind_orders_of(account_id, processor, queue, every)
        await asyncio.sleep(every)


async def _mind_orders_of(
    account_id: str,
    processor: Processor,
    queue: AsyncQueue,
    age: float,
) -> None:
    now = processor.clock()
    intents = await queue.run(moves.open_intents(account_id, now=now))
    if not intents or account_id in processor.flying or now - intents[0].recorded_at < age:
        return
    name = f"settle.{account_id}.{now:.0f}"
    with event_context(name, account_id):
        log.warning("%d orders of %s are unsettled", len(intents), account_id)
    event = Event(name, account_id, "settle-orders", received_at=now, source="processor")
    await queue.run(moves.enqueue(event, now=now))
