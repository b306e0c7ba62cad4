"""``rebalancer broker``: settings in, one process until SIGTERM; SIGHUP reads them again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from rebalancer.broker.calendars import Almanac
from rebalancer.broker.configured import sources
from rebalancer.broker.daemon import Broker
from rebalancer.queue.store import AsyncQueue
from rebalancer.reloading import Reloader
from rebalancer.settings import Files, Settings
from rebalancer.settings.environment import secret_path


def main(settings: Settings, files: Files) -> None:
    """Run the broker until it is told to end (SIGTERM or SIGINT)."""
    asyncio.run(_serve(settings, files))


async def _serve(settings: Settings, files: Files) -> None:
    queue = AsyncQueue(settings.redis.url, timeout=settings.redis.timeout_seconds)
    async with queue:
        almanac = Almanac()

        def secret(name: str) -> Path:
            return secret_path(name, beside=files.config.parent, environ=os.environ)

        first = sources(settings, almanac, starting=True, secret=secret)
        broker = Broker(queue, first, clock=time.time)

        async def adopt(fresh: Settings) -> None:
            await broker.change(sources(fresh, almanac, starting=False, secret=secret))

        reloader = Reloader("broker", settings, files, queue, adopt)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, broker.stop)
        loop.add_signal_handler(signal.SIGHUP, reloader.ask)
        async with reloader.minding():
            await broker.run()
