"""The broker: turns what its sources say into events, and says that it lives.

1. at start look back by the grace: what was due while no broker ran still counts
2. sleep until the next occurrence; enqueue it; only then is it behind us
3. Redis down: the occurrence stays due and is enqueued when Redis is back
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from rebalancer import sdnotify
from rebalancer.broker.schedule import Occurrence, Schedule, due_between, next_due
from rebalancer.errors import QueueError
from rebalancer.ingest import accept
from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue

log = logging.getLogger("rebalancer.broker")

#: Longest sleep in seconds: a step of the clock or a suspended host is noticed within it.
LONGEST_SLEEP = 30.0
#: Pause after Redis refused, in seconds.
PAUSE = 1.0


class Broker:
    """One broker process. ``run`` returns after ``stop``."""

    def __init__(
        self,
        queue: AsyncQueue,
        schedules: Sequence[Schedule],
        *,
        grace: float,
        clock: Callable[[], float],
        beat: float = 5.0,
    ) -> None:
        self._queue = queue
        self._schedules = schedules
        self._grace = grace
        self._clock = clock
        self._beat = beat
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Begin an orderly end."""
        self._stopping.set()

    async def run(self) -> None:
        """Watch every source until ``stop``."""
        sdnotify.ready()
        tasks = [
            asyncio.create_task(self._watch_clock()),
            asyncio.create_task(self._say_alive()),
            asyncio.create_task(self._stopping.wait()),
        ]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        sdnotify.stopping()
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()

    async def _watch_clock(self) -> None:
        seen = self._clock() - self._grace
        while True:
            now = self._clock()
            occurrences = sorted(
                (o for s in self._schedules for o in due_between(s, seen, now)),
                key=lambda o: o.due,
            )
            for occurrence in occurrences:
                await self._enqueue(occurrence)
            # A clock set back must not make the past due again.
            seen = max(seen, now)
            await asyncio.sleep(self._until_next(seen))

    def _until_next(self, seen: float) -> float:
        if not self._schedules:
            return LONGEST_SLEEP
        soonest = min(next_due(schedule, seen).due for schedule in self._schedules)
        return min(max(soonest - self._clock(), 0.0), LONGEST_SLEEP)

    async def _enqueue(self, occurrence: Occurrence) -> None:
        schedule = occurrence.schedule
        event = accept(
            schedule.account_id,
            schedule.exec_command,
            now=self._clock(),
            source="schedule",
            event_id=occurrence.event_id,
            data=schedule.data,
        )
        while True:
            try:
                answer = await self._queue.run(moves.enqueue(event, now=self._clock()))
            except QueueError as error:
                log.warning("%s waits for Redis: %s", event.event_id, error)
                await asyncio.sleep(PAUSE)
            else:
                log.info("%s: %s", event.event_id, answer.status)
                return

    async def _say_alive(self) -> None:
        while True:
            status = f"{len(self._schedules)} schedules"
            sdnotify.status(status)
            sdnotify.watchdog()
            with contextlib.suppress(QueueError):
                await self._queue.run(
                    moves.heartbeat_daemon("broker", {"status": status}, now=self._clock()),
                )
            await asyncio.sleep(self._beat)
