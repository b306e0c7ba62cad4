"""``rebalancer broker``: settings in, one process until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import time

from rebalancer.broker.daemon import Broker
from rebalancer.broker.schedule import Schedule
from rebalancer.queue.store import AsyncQueue
from rebalancer.settings import Settings


def main(settings: Settings) -> None:
    """Run the broker until it is told to end (SIGTERM or SIGINT)."""
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    queue = AsyncQueue(settings.redis.url, timeout=settings.redis.timeout_seconds)
    async with queue:
        broker = Broker(
            queue,
            schedules(settings),
            grace=settings.broker.grace_seconds,
            clock=time.time,
        )
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, broker.stop)
        await broker.run()


def schedules(settings: Settings) -> list[Schedule]:
    """Return the schedules of the accounts that are traded."""
    return [
        Schedule(
            account.account_id,
            one.exec_command,
            one.at,
            one.time_zone,
            one.days,
            one.data(),
        )
        for account in settings.traded()
        for one in account.schedules
    ]
