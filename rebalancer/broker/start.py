"""``rebalancer broker``: settings in, one process until SIGTERM; SIGHUP reads them again."""

from __future__ import annotations

import asyncio
import signal
import time

from rebalancer.broker.calendars import Almanac
from rebalancer.broker.configured import sources
from rebalancer.broker.daemon import Broker
from rebalancer.queue.store import AsyncQueue
from rebalancer.reloading import Reloader
from rebalancer.settings import Files, Settings


def main(settings: Settings, files: Files) -> None:
    """Run the broker until it is told to end (SIGTERM or SIGINT)."""
    asyncio.run(_serve(settings, files))


async def _serve(settings: Settings, files: Files) -> None:
    queue = AsyncQueue(settings.redis.url, timeout=settings.redis.timeout_seconds)
    async with queue:
        almanac = Almanac()
        broker = Broker(queue, sources(settings, almanac, starting=True), clock=time.time)

        async def adopt(fresh: Settings) -> None:
            await broker.change(sources(fresh, almanac, starting=False))

        reloader = Reloader("broker", settings, files, queue, adopt)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, broker.stop)
        loop.add_signal_handler(signal.SIGHUP, reloader.ask)
        async with reloader.minding():
            await broker.run()
