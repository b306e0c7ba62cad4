"""A broker in this loop on a real Redis, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from rebalancer.broker.daemon import Broker, Source
from rebalancer.errors import QueueError
from rebalancer.queue import journal, moves, signals
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Entry
from tests.support.redis_server import RedisServer

#: Seconds before a condition that does not come fails the test.
DEADLINE = 45.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """A running broker and its queue."""

    broker: Broker
    queue: AsyncQueue

    async def queued(self, count: int) -> list[str]:
        """The ids in the queue, once there are so many."""

        async def ids() -> list[str]:
            page = await self.queue.run(moves.list_events("queued"))
            return [item.event_id for item in page.items]

        return await eventually(ids, lambda found: len(found) == count)

    async def told(self, kind: str, count: int = 1) -> list[Entry]:
        """The journal's entries of a kind, once there are so many."""

        async def entries() -> list[Entry]:
            every = await self.queue.run(journal.read(limit=1000))
            return [entry for entry in every if entry.kind == kind]

        return await eventually(entries, lambda found: len(found) >= count)

    async def counts(self, source: str) -> dict[str, int]:
        """What became of the signals of a source."""
        return dict((await self.queue.run(signals.counts())).get(source, {}))


@contextlib.asynccontextmanager
async def running(
    redis: RedisServer, *sources: Source, clock: Callable[[], float] = time.time
) -> AsyncIterator[Stage]:
    """A broker with these sources, ended in order."""
    async with AsyncQueue(redis.url, timeout=1.0) as queue:
        broker = Broker(queue, sources, clock=clock, beat=0.05)
        task = asyncio.create_task(broker.run())
        try:
            yield Stage(broker, queue)
        finally:
            broker.stop()
            await task


async def eventually(
    ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], *, deadline: float = DEADLINE
) -> T:
    """What ``ask`` answers, as soon as it is ``good``; Redis may be away meanwhile."""
    ends = time.monotonic() + deadline
    answer: object = None
    while time.monotonic() < ends:
        with contextlib.suppress(QueueError):
            answer = await ask()
            if good(answer):
                return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain; the last answer was {answer!r}")
