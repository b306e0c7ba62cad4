"""What the chaos tests share: an exchange that springs traps, processors to be killed, and
what must hold when the dust has settled.

Processors are real processes, forked from a server that has imported everything already, so
that a kill and a restart cost milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from rebalancer.core.event import Event
from rebalancer.processor import start
from rebalancer.queue import journal, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.settings import Files, load
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.server import serve
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec, Report
from rebalancer.sim.world import Clock, Holding, World
from tests.processor.system import System
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import AAPL, BND, SPY, small_world

FIRST, SECOND = "DU1000001", "DU1000002"
BOTH = (FIRST, SECOND)
#: Seconds in which every event of a test must be complete.
DEADLINE = 25.0

ACCOUNTS = """\
accounts:
  - {account_id: DU1000001, type: paper, unlisted: liquidate, targets: {SPY: 60%, BND: 40%}}
  - {account_id: DU1000002, type: paper, unlisted: liquidate, targets: {SPY: 50%, AAPL: 50%}}
"""

#: Quick to give up on an answer, slow to give up on an event.
SERVICE = """\
retry: {retry_delay_seconds: 0.05, max_delay_seconds: 0.1, max_attempts: 0}
gateway: {request_timeout_seconds: 0.6}
redis: {timeout_seconds: 1}
processor:
  lease_seconds: 1.5
  fill_deadline_seconds: 0.5
  cancel_deadline_seconds: 0.4
  settlement_deadline_seconds: 1
  price_deadline_seconds: 1
"""

#: ``received``: an order arrives and has no effect yet. ``taken``: it has, but nothing of it
#: has been told. ``filled``: a fill nobody has been told of. ``cancelling``, ``cancelled``:
#: the same of a cancel.
Moment = Literal["received", "taken", "filled", "cancelling", "cancelled"]


def world(**changes: object) -> World:
    """Two accounts that both have to sell before they can buy what they lack."""
    plain = small_world()
    first, second = plain.accounts
    first = replace(
        first,
        cash={"USD": Decimal(20_000)},
        holdings=(Holding(AAPL, Decimal(410), Decimal(150)),),
    )
    second = replace(
        second,
        cash={"USD": Decimal(5_000)},
        holdings=(Holding(BND, Decimal(600), Decimal(70)), Holding(SPY, Decimal(10), Decimal(400))),
    )
    return replace(plain, accounts=(first, second), **changes)  # type: ignore[arg-type]


class Trapped(Exchange):
    """An exchange that counts what happens and does something terrible at the right moment."""

    def __init__(self, world: World, now: float) -> None:
        super().__init__(world, now)
        self._traps: list[tuple[Moment, int, Callable[[], object]]] = []
        self._counts: Counter[Moment] = Counter()
        #: How often each orderRef was sent, by account.
        self.sent: Counter[tuple[str, str]] = Counter()
        #: What was sent, in this order.
        self.orders: list[OrderSpec] = []
        #: Orders that arrive are thrown away, as if they had died with their sender.
        self.deaf = False
        #: The least cash each account ever had.
        self.least_cash: dict[str, Decimal] = {}

    def trap(self, moment: Moment, nth: int, spring: Callable[[], object]) -> None:
        """Call ``spring`` at the ``nth`` such moment from now, in the middle of it."""
        self._traps.append((moment, self._counts[moment] + nth, spring))

    def _came(self, moment: Moment) -> None:
        self._counts[moment] += 1
        due = [t for t in self._traps if t[:2] == (moment, self._counts[moment])]
        for _, _, spring in due:
            spring()

    def place(
        self,
        client_id: int,
        order_id: int,
        contract: ContractSpec,
        order: OrderSpec,
        now: float,
    ) -> tuple[Report, ...]:
        """An order arrives."""
        self._came("received")
        if self.deaf:
            return ()
        self.sent[order.account, order.order_ref] += 1
        self.orders.append(order)
        before = len(self._book.executions)
        reports = super().place(client_id, order_id, contract, order, now)
        self._came("taken")
        self._look(before)
        return reports

    def cancel(self, client_id: int, order_id: int, now: float) -> tuple[Report, ...]:
        """A cancel arrives."""
        self._came("cancelling")
        if self.deaf:
            return ()
        reports = super().cancel(client_id, order_id, now)
        self._came("cancelled")
        return reports

    def advance(self, now: float) -> tuple[Report, ...]:
        """Time passes."""
        before = len(self._book.executions)
        reports = super().advance(now)
        self._look(before)
        return reports

    def _look(self, before: int) -> None:
        for account in self.accounts:
            cash = self.cash(account)
            self.least_cash[account] = min(cash, self.least_cash.get(account, cash))
        for _ in range(len(self._book.executions) - before):
            self._came("filled")

    def cash(self, account: str) -> Decimal:
        """What the account has in dollars."""
        return self._book.ledgers[account].cash["USD"]

    def shares(self, account: str) -> dict[str, Decimal]:
        """What the account holds, as the exchange knows it."""
        held = self._book.ledgers[account].positions
        return {
            self.contract(con_id).symbol: position.quantity
            for con_id, position in held.items()
            if position.quantity
        }


@dataclass(slots=True)
class Arena(System):
    """A system whose exchange springs traps, with processes to be killed."""

    accounts: str = ACCOUNTS
    service: str = SERVICE
    clean: dict[str, dict[str, Decimal]] = field(default_factory=dict)

    @property
    def exchange(self) -> Trapped:
        """The exchange behind the gateway."""
        exchange = self.sim.exchange
        assert isinstance(exchange, Trapped)
        return exchange

    def victim(self, client_id: int = 10, **changes: str) -> Victim:
        """A processor process that is not started yet."""
        environment = {**self.environment(), "REBALANCER_GATEWAY_CLIENT_ID": str(client_id)}
        log = self.folder / f"processor-{client_id}.log"
        return Victim(self.files(), environment | changes, log)

    async def both(self) -> tuple[Event, Event]:
        """Accept a rebalance of both accounts."""
        return await self.enqueue(FIRST), await self.enqueue(SECOND)

    async def settle_down(
        self, events: Sequence[Event], *, deadline: float = DEADLINE
    ) -> None:
        """Sweep until every event is complete."""
        waiting = [
            asyncio.create_task(self.until("completed", event, deadline=deadline))
            for event in events
        ]
        try:
            while any(not task.done() for task in waiting):
                with contextlib.suppress(Exception):
                    await self.sweep()
                await asyncio.wait(waiting, timeout=0.05)
            for task in waiting:
                await task
        finally:
            for task in waiting:
                task.cancel()


@contextlib.asynccontextmanager
async def arena(folder: Path, redis: RedisServer, given: World | None = None) -> AsyncIterator[Arena]:
    """An arena in this event loop."""
    now = time.time()
    given = given or world()
    exchange = Trapped(given, given.clock.start or now)
    sim = await serve(exchange)
    try:
        async with AsyncQueue(redis.url, timeout=2.0) as queue:
            yield Arena(folder, redis, sim, queue)
    finally:
        await sim.close()


# Processes --------------------------------------------------------------------------------

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["rebalancer.processor.start"])


def _process(files: Files, environment: dict[str, str], log: Path) -> None:
    for name in list(os.environ):
        if name.startswith("REBALANCER_"):
            del os.environ[name]
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    start.main(load(files, environment))


class Victim:
    """``rebalancer processor`` as a process."""

    def __init__(self, files: Files, environment: dict[str, str], log: Path) -> None:
        self._args = (files, environment, log)
        self._process: multiprocessing.process.BaseProcess | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        self._process = _FORKS.Process(target=_process, args=self._args, daemon=True)
        self._process.start()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    def kill(self) -> None:
        """``kill -9``, at once; it says nothing more, but what it wrote may still be read."""
        if self._process is not None and self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send another signal."""
        assert self._process is not None
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    async def dead(self, *, deadline: float = DEADLINE) -> None:
        """Return when it is dead."""
        process = self._process
        assert process is not None
        await asyncio.to_thread(process.join, deadline)
        assert not process.is_alive(), "nothing killed the processor"

    async def end(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None:
            self.kill()
            await self.dead()
            self._process.close()
            self._process = None


@contextlib.asynccontextmanager
async def running(*victims: Victim) -> AsyncIterator[None]:
    """Start processors; whatever happens, none is left in the end."""
    for victim in victims:
        victim.start()
    try:
        yield
    finally:
        for victim in victims:
            await victim.end()


# What must hold ---------------------------------------------------------------------------


_CLEAN: dict[str, dict[str, Decimal]] = {}


async def clean_run(folder: Path, redis: RedisServer) -> dict[str, dict[str, Decimal]]:
    """What each account holds after one undisturbed run; found out once."""
    if not _CLEAN:
        folder.mkdir()
        async with arena(folder, redis) as quiet, quiet.processor():
            await quiet.settle_down(await quiet.both())
            _CLEAN.update({account: quiet.exchange.shares(account) for account in BOTH})
        async with AsyncQueue(redis.url, timeout=2.0) as queue:
            await queue.run(moves.stats(now=time.time()))
        await _forget(redis)
    return _CLEAN


async def _forget(redis: RedisServer) -> None:
    """Empty the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", redis.port)
    writer.write(b"FLUSHALL\r\n")
    await reader.readline()
    writer.close()


async def wounds(
    system: Arena,
    events: Sequence[Event],
    clean: dict[str, dict[str, Decimal]],
) -> list[str]:
    """Everything that is wrong once all events are complete; empty if nothing is."""
    exchange = system.exchange
    found = [f"{ref} of {a} was sent {n} times" for (a, ref), n in exchange.sent.items() if n > 1]
    for account in BOTH:
        have, want = exchange.shares(account), clean[account]
        for symbol in sorted(have.keys() | want.keys()):
            off = have.get(symbol, Decimal(0)) - want.get(symbol, Decimal(0))
            if abs(off) > 1:
                found.append(f"{account} holds {off:+} {symbol} against a clean run")
        if exchange.least_cash.get(account, Decimal(0)) < 0:
            found.append(f"{account} had {exchange.least_cash[account]} in cash")
        if intents := await system.queue.run(moves.open_intents(account)):
            found.append(f"open intents: {[i.order.order_ref for i in intents]}")
    found += [f"left open: {o.order.order_ref}" for o in exchange.open_orders()]
    found += await queue_wounds(system, events)
    return found


async def queue_wounds(system: Arena, events: Sequence[Event]) -> list[str]:
    """What is wrong with the queue once all events are complete."""
    stats = await system.queue.run(moves.stats(now=time.time()))
    left = {
        name: count
        for name in ("queued", "parked", "leased", "retrying", "delayed", "dead", "active")
        if (count := getattr(stats, name))
    }
    found = [f"left in the queue: {left}"] if left else []
    completed: Counter[str] = Counter()
    position = journal.START
    while entries := await system.queue.watch(position, wait=0.01):
        position = entries[-1].id
        completed.update(e.event_id for e in entries if e.kind == "completed")
    for event in events:
        if completed[event.event_id] != 1:
            found.append(f"{event.event_id} was completed {completed[event.event_id]} times")
    return found


OPEN_MARKETS = Clock(always_open=True)
_ = (SPY, OPEN_MARKETS)
