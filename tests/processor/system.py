"""The system under test: a real Redis, the simulated gateway, a processor in this loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from rebalancer.core.event import Event
from rebalancer.errors import QueueUnavailableError
from rebalancer.ingest import accept
from rebalancer.processor.daemon import Processor
from rebalancer.processor.start import assemble
from rebalancer.queue import journal, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Entry
from rebalancer.settings import Files, load
from rebalancer.sim.server import SimServer
from rebalancer.sweeper import sweeps
from rebalancer.targets.resolve import Fetcher
from tests.support.redis_server import RedisServer

#: Seconds before a condition that does not come fails the test.
DEADLINE = 45.0

ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    unlisted: liquidate
    targets: {SPY: 60%, BND: 40%}
  - account_id: DU1000002
    type: paper
    targets: {SPY: 50%, AAPL: 50%}
"""

SERVICE = """\
retry:
  retry_delay_seconds: 0.2
  max_delay_seconds: 0.2
  max_attempts: 3
"""


@dataclass(slots=True)
class System:
    """What a test drives. ``accounts`` and ``service`` are the files' texts."""

    folder: Path
    redis: RedisServer
    sim: SimServer
    queue: AsyncQueue
    accounts: str = ACCOUNTS
    service: str = SERVICE

    def files(self) -> Files:
        """Write the settings down as an operator would."""
        config, accounts = self.folder / "rebalancer.yaml", self.folder / "accounts.yaml"
        config.write_text(self.service)
        accounts.write_text(self.accounts)
        return Files(
            config=config,
            accounts=accounts,
            replacement_sets=self.folder / "replacement-sets.yaml",
        )

    def environment(self) -> Mapping[str, str]:
        """What tells a program of this test's wires."""
        return {
            "REBALANCER_REDIS_URL": self.redis.url,
            "REBALANCER_GATEWAY_PORT": str(self.sim.port),
            **({} if "windows:" in self.service else {"REBALANCER_GATEWAY_WINDOWS": "none"}),
        }

    @contextlib.asynccontextmanager
    async def processor(self) -> AsyncIterator[Processor]:
        """A processor at work; ended in order."""
        settings = load(self.files(), self.environment())
        async with AsyncQueue(self.redis.url, timeout=2.0) as queue:
            processor = assemble(settings, queue, Fetcher(os.environ))
            running = asyncio.create_task(processor.run())
            try:
                yield processor
            finally:
                processor.stop()
                await running

    async def enqueue(
        self,
        account_id: str = "DU1000001",
        command: str = "rebalance",
        **more: Any,
    ) -> Event:
        """Accept a signal into the queue."""
        now = time.time()
        event = accept(account_id, command, now=now, source="test", **more)
        await self.queue.run(moves.enqueue(event, now=now))
        return event

    async def until(
        self, kind: str, event: Event | str, *, deadline: float = DEADLINE
    ) -> Entry:
        """Return the first journal entry of this kind about the event."""
        event_id = event if isinstance(event, str) else event.event_id
        ends = time.monotonic() + deadline
        seen: list[str] = []
        position = journal.START
        while (left := ends - time.monotonic()) > 0:
            for entry in await self._news(position, left):
                position = entry.id
                if entry.event_id == event_id:
                    seen.append(f"{entry.kind} {str(entry.data)[:300]}")
                    if entry.kind == kind:
                        return entry
        raise AssertionError(f"no {kind} of {event_id} within {deadline:g} s; saw {seen}")

    async def _news(self, position: str, wait: float) -> tuple[Entry, ...]:
        try:
            return await self.queue.watch(position, wait=wait)
        except QueueUnavailableError:
            # Some tests take Redis down; ``until`` has a deadline of its own.
            await asyncio.sleep(0.02)
            return ()

    async def result(self, event: Event) -> Mapping[str, Any]:
        """Return the result of an event once it is complete."""
        entry = await self.until("completed", event)
        found: Mapping[str, Any] = entry.data
        return found

    async def sweep(self) -> None:
        """Run every sweep once."""
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        from rebalancer.queue.store import Queue

        with Queue(self.redis.url) as queue:
            sweeps.run(queue, "all", time.time())

    def bought(self, account_id: str = "DU1000001") -> dict[str, Decimal]:
        """Shares bought less shares sold by symbol, as the exchange knows them."""
        net: dict[str, Decimal] = {}
        for fill in self.sim.exchange.fills:
            if fill.account == account_id:
                symbol = self.sim.exchange.contract(fill.con_id).symbol
                signed = fill.shares if fill.side == "BOT" else -fill.shares
                net[symbol] = net.get(symbol, Decimal(0)) + signed
        return net

    def executed_twice(self) -> list[str]:
        """Order references that more than one order of the exchange carries."""
        orders: dict[str, set[int]] = {}
        for fill in self.sim.exchange.fills:
            orders.setdefault(fill.order_ref, set()).add(fill.perm_id)
        return [ref for ref, perm_ids in orders.items() if len(perm_ids) > 1]


async def eventually(condition: Callable[[], object], *, deadline: float = DEADLINE) -> None:
    """Let the loop run until the condition holds."""
    ends = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        await asyncio.sleep(0.005)
