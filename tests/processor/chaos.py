"""What the chaos tests share: an exchange that springs traps, processors to be killed, and
what must hold when the dust has settled.

Processors are real processes, forked from a server that has imported everything already, so
that a kill and a restart cost milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from rebalancer.core.event import Event
from rebalancer.errors import QueueError
from rebalancer.gateway import trading
from rebalancer.queue import journal, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Entry
from rebalancer.settings import Files, load
from rebalancer.sim.server import serve
from rebalancer.sim.world import World
from tests.chaos.steps import arm
from tests.processor import chronicle
from tests.processor.system import System
from tests.processor.trapped_exchange import Trapped, world
from tests.support.redis_server import DURABLE, RedisServer, redis_server

FIRST, SECOND = "DU1000001", "DU1000002"
BOTH = (FIRST, SECOND)
#: One percent of NetLiquidation, less what commissions take of it.
RESERVE = {FIRST: Decimal(1015), SECOND: Decimal(545)}
#: Seconds in which every event of a test must be complete.
DEADLINE = float(os.environ.get("CHAOS_DEADLINE", "60"))

ACCOUNTS = """\
accounts:
  - {account_id: DU1000001, type: paper, unlisted: liquidate, targets: {SPY: 60%, BND: 40%}}
  - {account_id: DU1000002, type: paper, unlisted: liquidate, targets: {SPY: 50%, AAPL: 50%}}
"""

#: Quick to give up on an answer, slow to give up on an event.
SERVICE = """\
retry: {retry_delay_seconds: 0.05, max_delay_seconds: 0.1, max_attempts: 0}
gateway: {request_timeout_seconds: 2}
redis: {timeout_seconds: 1}
processor:
  lease_seconds: 1.5
  fill_deadline_seconds: 0.5
  cancel_deadline_seconds: 0.4
  settlement_deadline_seconds: 1
  price_deadline_seconds: 1
"""


@dataclass(slots=True)
class Arena(System):
    """A system whose exchange springs traps, with processes to be killed."""

    accounts: str = ACCOUNTS
    service: str = SERVICE
    #: Redis was made to forget orders, so that no record can tell them.
    forgetful: bool = False

    @property
    def exchange(self) -> Trapped:
        """The exchange behind the gateway."""
        exchange = self.sim.exchange
        assert isinstance(exchange, Trapped)
        return exchange

    def victim(self, client_id: int = 10, program: str = "processor", **changes: str) -> Victim:
        """A process that is not started yet."""
        environment = {**self.environment(), "REBALANCER_GATEWAY_CLIENT_ID": str(client_id)}
        log = self.folder / f"{program}-{client_id}.log"
        return Victim(program, self.files(), environment | changes, log)

    async def both(self) -> tuple[Event, Event]:
        """Accept a rebalance of both accounts."""
        return await self.enqueue(FIRST), await self.enqueue(SECOND)

    async def settle_down(self, events: Sequence[Event], *, deadline: float = DEADLINE) -> None:
        """Return when every event is complete."""
        await asyncio.gather(*(self.until("completed", e, deadline=deadline) for e in events))

    async def reconciled(self, times: int) -> None:
        """Return when processors have compared orders with the gateway so many times."""
        position = journal.START
        async with asyncio.timeout(DEADLINE):
            while times > 0:
                for entry in await self._news(position, 1.0):
                    position = entry.id
                    times -= entry.kind == "reconciled"

    async def until_any(self, kinds: Collection[str], event: Event) -> Entry:
        """Return the first journal entry about the event of one of these kinds."""
        position = journal.START
        async with asyncio.timeout(DEADLINE):
            while True:
                for entry in await self.queue.watch(position, wait=1.0):
                    position = entry.id
                    if entry.event_id == event.event_id and entry.kind in kinds:
                        return entry

    async def idle(self, *, deadline: float = DEADLINE) -> None:
        """Return when no event runs or waits any more."""
        async with asyncio.timeout(deadline):
            while True:
                with contextlib.suppress(QueueError):  # some tests take Redis down
                    stats = await self.queue.run(moves.stats(now=time.time()))
                    if not stats.active + stats.retrying + stats.delayed:
                        return
                await asyncio.sleep(0.05)

    async def sweep_for_ever(self) -> None:
        """Do what the timers do, only more often."""
        while True:
            with contextlib.suppress(QueueError):
                await self.sweep()
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def arena(
    folder: Path, redis: RedisServer, given: World | None = None, **more: Any
) -> AsyncIterator[Arena]:
    """An arena in this event loop, swept as by timers."""
    given = given or world()
    exchange = Trapped(given, given.clock.start or time.time())
    sim = await serve(exchange)
    try:
        async with AsyncQueue(redis.url, timeout=10.0) as queue:
            made = Arena(folder, redis, sim, queue, **more)
            sweeper = asyncio.create_task(made.sweep_for_ever())
            try:
                yield made
            finally:
                sweeper.cancel()
                await asyncio.wait({sweeper})
    finally:
        await sim.close()


# Processes --------------------------------------------------------------------------------

#: In a victim's environment: it stops itself (SIGSTOP) between its last check and each order.
FREEZE = "CHAOS_FREEZE"

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["rebalancer.processor.start", "rebalancer.broker.start", "tests.chaos.steps"]
)


def _process(program: str, files: Files, environment: dict[str, str], log: Path) -> None:
    for name in list(os.environ):
        if name.startswith("REBALANCER_"):
            del os.environ[name]
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if environment.get(FREEZE):
        _freeze_before_sending()
    arm(environment)
    start = importlib.import_module(f"rebalancer.{program}.start")
    start.main(load(files, environment), files)


def _freeze_before_sending() -> None:
    place = trading.place

    def frozen_place(*args: Any, **more: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSTOP)
        return place(*args, **more)

    setattr(trading, "place", frozen_place)  # noqa: B010 - a signature of its own


class Victim:
    """``rebalancer processor``, or another program, as a process."""

    def __init__(
        self, program: str, files: Files, environment: dict[str, str], log: Path
    ) -> None:
        self._args = (program, files, environment, log)
        self._process: multiprocessing.process.BaseProcess | None = None

    def start(self, **changes: str) -> None:
        """Start it, or start it again; ``changes`` of its environment are for this life."""
        program, files, environment, log = self._args
        args = (program, files, environment | changes, log)
        self._process = _FORKS.Process(target=_process, args=args, daemon=True)
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

    async def dead(self, *, deadline: float = 10.0) -> None:
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


#: What is played in an arena; it returns the events that must be complete in the end.
Play = Callable[[Arena], Awaitable[Sequence[Event]]]
#: Shares by account and symbol.
Holdings = dict[str, dict[str, Decimal]]


async def survived(
    folder: Path,
    plays: Mapping[str, Play],
    *,
    at_once: int = 12,
    data: Mapping[str, Any] | None = None,
) -> dict[str, list[str]]:
    """Play them, many at once, each in an arena of its own; the wounds of those that bled.

    They are held against a run that ``data`` ask for and nothing disturbs.
    """
    clean = await clean_run(folder, data or {})
    names, seats = list(plays), asyncio.Semaphore(at_once)

    async def seated(n: int, name: str) -> list[str]:
        async with seats:
            return await played(folder / str(n), plays[name], clean)

    ends = await asyncio.gather(
        *(seated(n, name) for n, name in enumerate(names)), return_exceptions=True
    )
    bled: dict[str, list[str]] = {}
    for name, end in zip(names, ends, strict=True):
        if isinstance(end, BaseException):
            bled[name] = [f"{type(end).__name__}: {end}"]
        elif end:
            bled[name] = end
    return bled


async def played(folder: Path, play: Play, clean: Holdings) -> list[str]:
    """Give one play in an arena of its own; everything that is wrong afterwards."""
    # Aside, since while a server starts or ends all other plays' gateways would stand still.
    redis = await asyncio.to_thread(RedisServer(folder / "redis", *DURABLE).start)
    try:
        async with arena(folder, redis) as system:
            events = await play(system)
            return await wounds(system, events, clean)
    finally:
        await asyncio.to_thread(redis.kill)


_CLEAN: dict[str, Holdings] = {}


async def clean_run(folder: Path, data: Mapping[str, Any] | None = None) -> Holdings:
    """What each account holds after one undisturbed run; found out once.

    Of an account that cannot be run so, what it held before.
    """
    known = str(data or {})
    if known not in _CLEAN:
        with redis_server(folder / "clean" / "redis") as redis:
            async with arena(folder / "clean", redis) as quiet, quiet.processor():
                events = [await quiet.enqueue(account, data=data) for account in BOTH]
                await quiet.idle()
                for event in events:
                    await quiet.until_any(("completed", "dead"), event)
                _CLEAN[known] = {account: quiet.exchange.shares(account) for account in BOTH}
    return _CLEAN[known]


async def wounds(
    system: Arena,
    events: Sequence[Event],
    clean: Holdings,
) -> list[str]:
    """Everything that is wrong once all events are complete; empty if nothing is.

    Accounts that no event is about are not looked at.
    """
    exchange = system.exchange
    found = [
        f"{ref} of {a} was sent {n} times" for (a, ref), n in exchange.sent.items() if n > 1
    ]
    found += [f"{ref} was executed twice" for ref in system.executed_twice()]
    found += [
        f"{scope}: {h.reason}" for scope, h in (await system.queue.run(moves.halts())).items()
    ]
    for account in sorted({event.account_id for event in events}):
        found += exchange.round_trips(account)
        have, want = exchange.shares(account), clean[account]
        for symbol in sorted(have.keys() | want.keys()):
            off = have.get(symbol, Decimal(0)) - want.get(symbol, Decimal(0))
            if abs(off) > 1:
                found.append(f"{account} holds {off:+} {symbol} against a clean run")
        if exchange.least_cash.get(account, Decimal(0)) < 0:
            found.append(f"{account} had {exchange.least_cash[account]} in cash")
        if exchange.least_shares.get(account, Decimal(0)) < 0:
            found.append(f"{account} was short {exchange.least_shares[account]} shares")
        if exchange.cash(account) < RESERVE[account]:
            found.append(f"{account} has {exchange.cash(account)} left of its reserve")
        if intents := await system.queue.run(moves.open_intents(account)):
            found.append(f"open intents: {[i.order.order_ref for i in intents]}")
    found += [f"left open: {o.order.order_ref}" for o in exchange.open_orders()]
    if not system.forgetful:
        found += (await chronicle.read(system))[1]
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
    found += [
        f"{event.event_id} was completed {completed[event.event_id]} times"
        for event in events
        if completed[event.event_id] != 1
    ]
    return found
