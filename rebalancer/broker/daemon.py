"""The broker: runs its sources, tells that it lives, and takes over new settings.

1. run every source as a task of its own; one that fails is told of and run again, after a
   pause that grows, and disturbs no other
2. say every few seconds that the loop turns, and what is next
3. at a reload start what is new, end what is gone, and leave alone what stays the same
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from rebalancer import sdnotify
from rebalancer.broker.clock import Clock
from rebalancer.broker.intake import Intake
from rebalancer.broker.spool import Spool
from rebalancer.errors import QueueError
from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue

log = logging.getLogger("rebalancer.broker")

#: Every kind of source; the package's docstring says what one has to be.
Source = Clock | Spool

#: Seconds before a source that failed is run again: at first, and at most.
PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Broker:
    """One broker process. ``run`` returns after ``stop``."""

    def __init__(
        self,
        queue: AsyncQueue,
        sources: Sequence[Source],
        *,
        clock: Callable[[], float],
        beat: float = 5.0,
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._beat = beat
        self.intake = Intake(queue, clock)
        self._wanted = tuple(sources)
        self._running: dict[asyncio.Task[None], Source] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin an orderly end."""
        self._stopping.set()

    async def run(self) -> None:
        """Run the sources until ``stop``."""
        await self.change(self._wanted)
        sdnotify.ready()
        alive = asyncio.create_task(self._say_alive())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({alive, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sdnotify.stopping()
            await self.change(())
            for task in (alive, stopping):
                task.cancel()
            await asyncio.wait({alive, stopping})
        if not alive.cancelled():
            alive.result()

    async def change(self, sources: Sequence[Source]) -> None:
        """Run these sources from now on; those that run already just go on."""
        self._wanted = tuple(sources)
        gone = {task for task, source in self._running.items() if source not in sources}
        for task in gone:
            task.cancel()
            self._running.pop(task)
        if gone:
            # Of one kind only one at a time: its successor begins where it has ended.
            await asyncio.wait(gone)
        going = list(self._running.values())
        for source in sources:
            if source not in going:
                self._running[asyncio.create_task(self._keep(source))] = source

    async def _keep(self, source: Source) -> None:
        """Run one source, again and again if need be, until cancelled."""
        pause = PAUSE
        while True:
            try:
                await source.run(self.intake)
                reason = "it ended"
            except Exception as error:
                log.exception("%s failed", source.name)
                reason = f"{type(error).__name__}: {error}"
            with contextlib.suppress(Exception):
                title = f"The source {source.name} failed"
                remedy = "see the broker's log; it is tried again"
                await self.intake.trouble(f"{source.name} failed", title, reason, remedy)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _say_alive(self) -> None:
        while True:
            status = "; ".join(source.about() for source in self._wanted)
            sdnotify.status(status)
            sdnotify.watchdog()
            self.intake.news.clear()
            info = {"status": status, **self.intake.shown}
            with contextlib.suppress(QueueError):
                await self._queue.run(
                    moves.heartbeat_daemon("broker", info, now=self._clock()),
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    await self.intake.news.wait()
