"""One account rebalanced, and something killed or cut at one step of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rebalancer.core.event import Event
from rebalancer.errors import QueueError
from rebalancer.queue import journal, moves
from rebalancer.sim.protocol.messages_out import ANSWERS
from rebalancer.sim.server import SimServer
from rebalancer.sim.strikes import Verdict
from rebalancer.sim.vocabulary import Fault
from tests.chaos.steps import (
    KILL,
    RECORD,
    Edge,
    Moment,
    Step,
    Wire,
    answer_name,
    recorded,
    request_name,
)
from tests.processor.chaos import (
    ACCOUNTS,
    DEADLINE,
    FIRST,
    SECOND,
    Arena,
    Victim,
    arena,
    running,
)
from tests.processor.faulty_gateways import fault
from tests.processor.system import eventually
from tests.support.redis_server import DURABLE, redis_server
from tests.support.tcp_proxy import Direction, Guard, tcp_proxy

#: A buy that fills partly and is cancelled at its deadline; the next attempt buys the rest.
CANCELLED = (fault("partial", "placeOrder", symbol="BND", shares=30, then="rest"),)
#: Fills that come after everything else was said.
LATE = (fault("late_fill", "placeOrder", 0, seconds=0.05),)
#: Seconds that a gateway stays away when it restarts.
AWAY = 0.2


@dataclass(frozen=True)
class Asked:
    """What the signal asks for, and which sides it may trade on."""

    account: str = FIRST
    data: Mapping[str, Any] = field(default_factory=dict)
    sides: frozenset[str] = frozenset({"BOT", "SLD"})


PLAIN = Asked()
#: Sells all of BND, which the target does not want, and some of SPY.
WITHDRAWAL = Asked(SECOND, {"raise_cash": "51000"}, frozenset({"SLD"}))
#: Buys both for the 20,000 in cash, and keeps AAPL.
DEPOSIT = Asked(FIRST, {"mode": "buy-only"}, frozenset({"BOT"}))
#: Due for AAPL, which is not wanted; when that is sold, nothing is off by so much.
CONDITIONAL = Asked(FIRST, {"when": {"drift_exceeds_percent": 70}})

_RECORDED: dict[str, tuple[Step, ...]] = {}


async def clean_steps(
    folder: Path, faults: tuple[Fault, ...] = (), asked: Asked = PLAIN
) -> tuple[Step, ...]:
    """The steps of a run in which nothing is killed; found out once."""
    known = f"{faults} {asked}"
    if known not in _RECORDED:
        _RECORDED[known] = await _record(folder, faults, asked)
    return _RECORDED[known]


async def _record(folder: Path, faults: Sequence[Fault], asked: Asked) -> tuple[Step, ...]:
    with redis_server(folder / "redis", *DURABLE) as redis:
        async with arena(folder, redis) as system:
            for each in faults:
                system.sim.inject(each)
            event = await system.enqueue(asked.account, data=asked.data)
            victim = system.victim(10, **{RECORD: str(folder / "steps")})
            async with running(victim):
                await system.settle_down([event])
    return recorded(folder / "steps")


class Tally:
    """What was really struck; a moment that does not come back in a play is not."""

    def __init__(self) -> None:
        self.struck: list[str] = []

    def __call__(self, what: object) -> None:
        self.struck.append(str(what))


# The processor ------------------------------------------------------------------------------


async def processor_killed(
    moment: Moment,
    faults: Sequence[Fault],
    tally: Tally,
    system: Arena,
    *,
    asked: Asked = PLAIN,
) -> Sequence[Event]:
    """Killed at the moment and started again."""
    for each in faults:
        system.sim.inject(each)
    event = await system.enqueue(asked.account, data=asked.data)
    victim = system.victim()
    victim.start(**{KILL: moment.dumps()})
    try:
        if await _falls(victim, event, system):
            tally(moment)
        await victim.end()
        victim.start()
        await system.settle_down([event])
        await system.idle()
    finally:
        await victim.end()
    sides = {fill.side for fill in system.exchange.fills}
    assert sides <= asked.sides, sides
    return [event]


async def one_of_two_killed(
    moment: Moment, faults: Sequence[Fault], tally: Tally, system: Arena
) -> Sequence[Event]:
    """Two race for the event; whichever comes to the moment falls, and is started again."""
    for each in faults:
        system.sim.inject(each)
    event = await system.enqueue(FIRST)
    victims = system.victim(10), system.victim(11)
    for victim in victims:
        victim.start(**{KILL: moment.dumps()})

    async def raise_from_the_dead(victim: Victim) -> None:
        await fallen(lambda: victim.alive)
        tally(moment)
        await victim.end()
        victim.start()

    try:
        async with meanwhile(*(raise_from_the_dead(victim) for victim in victims)):
            await system.settle_down([event])
            await system.idle()
    finally:
        for victim in victims:
            await victim.end()
    return [event]


async def fallen(alive: Callable[[], bool]) -> None:
    """Return when it lives no more."""
    await eventually(lambda: not alive(), deadline=float("inf"))


@contextlib.asynccontextmanager
async def meanwhile(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do the work until the block ends, and what has just begun of it to its end.

    Work that fails ends the block at once: a hand that is gone raises nobody from the dead.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        yield
        # What falls with the very last step falls now.
        await asyncio.wait(tasks, timeout=0.2)
        for task in tasks:
            task.cancel()


async def _falls(victim: Victim, event: Event, system: Arena) -> bool:
    """Whether the victim dies, before its event is complete or right after."""
    done = asyncio.create_task(system.until("completed", event, deadline=DEADLINE))
    try:
        await fallen(lambda: victim.alive and not done.done())
        if victim.alive:
            # What comes after the end of the event is a step, too.
            with contextlib.suppress(AssertionError):
                await victim.dead(deadline=0.3)
    finally:
        done.cancel()
        await asyncio.wait({done})
    return not victim.alive


# Redis --------------------------------------------------------------------------------------


async def redis_killed(
    moment: Moment, faults: Sequence[Fault], tally: Tally, system: Arena
) -> Sequence[Event]:
    """Killed at a step of the processor, which lives on; what was answered is on disk."""
    for each in faults:
        system.sim.inject(each)
    event = await system.enqueue(FIRST)
    victim = system.victim()
    victim.start(**{KILL: moment.dumps(system.redis.pid)})

    async def raise_from_the_dead() -> None:
        await fallen(lambda: system.redis.alive)
        tally(moment)
        await asyncio.to_thread(system.redis.restart)

    try:
        async with meanwhile(raise_from_the_dead()):
            await system.settle_down([event])
        await system.idle()
    finally:
        await victim.end()
    return [event]


# The gateway --------------------------------------------------------------------------------


async def gateway_killed(
    moment: Moment, faults: Sequence[Fault], tally: Tally, system: Arena
) -> Sequence[Event]:
    """Killed when it gets a message, before or after it acts on it; back with its ids reset."""
    for each in faults:
        system.sim.inject(each)
    strike_at(system.sim, moment, tally)
    event = await system.enqueue(FIRST)
    async with running(system.victim()), meanwhile(somebody_looks(system)):
        await system.settle_down([event])
        await system.idle()
    return [event]


async def somebody_looks(system: Arena) -> None:
    """Cancel what a gateway that was restarted lets no client cancel, and wait for nothing."""
    while True:
        system.sim.tell(system.exchange.cancel_orphans())
        with contextlib.suppress(QueueError):
            await system.queue.run(moves.promote_delayed(now=time.time() + DEADLINE))
        await asyncio.sleep(0.5)


def strike_at(sim: SimServer, moment: Moment, tally: Tally) -> None:
    """Let the gateway die at the nth message of a name; clients hear no more of it."""
    mishaps, counts = sim.hub.mishaps, Counter[str]()
    meet = mishaps.meet

    def die() -> None:
        for each in (fault("id_rollback", "+0", to=1), fault("restart", "+0", seconds=AWAY)):
            sim.inject(each)

    def met(hub: Any, session: Any, name: str, fields: Sequence[str], now: float) -> Verdict:
        verdict = meet(hub, session, name, fields, now)
        counts[name] += 1
        if (name, counts[name]) != (moment.step.name, moment.step.nth):
            return verdict
        tally(moment)
        asyncio.get_running_loop().call_soon(die)
        done = moment.edge == "after"
        return replace(verdict, carry_out=done, cut=True, muted=frozenset(ANSWERS))

    setattr(mishaps, "meet", met)  # noqa: B010 - of this one gateway


# The connection -----------------------------------------------------------------------------


async def connection_cut(
    moment: Moment, faults: Sequence[Fault], tally: Tally, system: Arena
) -> Sequence[Event]:
    """Cut at a message: it is lost, or it is the last that comes through."""
    for each in faults:
        system.sim.inject(each)
    event = await system.enqueue(FIRST)
    scissors = Scissors(moment, tally)
    with tcp_proxy(system.sim.port, scissors.guard) as proxy:
        victim = system.victim(REBALANCER_GATEWAY_PORT=str(proxy.port))
        async with running(victim):
            await system.settle_down([event])
            await system.idle()
    return [event]


_WIRES: Mapping[Direction, Wire] = {"request": "to gateway", "reply": "from gateway"}


class Scissors:
    """Counts the messages of all connections together and cuts once."""

    def __init__(self, moment: Moment, tally: Tally) -> None:
        self._moment = moment
        self._tally = tally
        self._counts: Counter[tuple[Wire, str]] = Counter()
        self._cut = False

    def guard(self) -> Guard:
        """The guard of one connection; the client's hello begins with four letters."""
        rests: dict[Direction, bytes] = {"request": b"", "reply": b""}
        greeted = False

        def judge(direction: Direction, data: bytes) -> int | None:
            nonlocal greeted
            before = len(rests[direction])
            stream, at = rests[direction] + data, 0
            if direction == "request" and not greeted:
                greeted, at = True, 4
            while len(stream) >= at + 4:
                end = at + 4 + int.from_bytes(stream[at : at + 4], "big")
                if len(stream) < end:
                    break
                if self._comes(direction, stream[at:end]):
                    last = at if self._moment.edge == "before" else end
                    return max(last - before, 0)
                at = end
            rests[direction] = stream[at:]
            return None

        return judge

    def _comes(self, direction: Direction, frame: bytes) -> bool:
        wire = _WIRES[direction]
        named = request_name(frame)
        if direction == "reply":
            named = answer_name(frame[4:].partition(b"\0")[0].decode(errors="replace"))
        self._counts[wire, named] += 1
        step = self._moment.step
        if self._cut or (wire, named) != (step.wire, step.name):
            return False
        self._cut = self._counts[wire, named] == step.nth
        if self._cut:
            self._tally(self._moment)
        return self._cut


# The broker ---------------------------------------------------------------------------------


async def broker_killed(nth: int, edge: Edge, tally: Tally, system: Arena) -> Sequence[Event]:
    """Killed around its enqueue and started again within the grace: one signal, no more."""
    due = time.time() - 60
    at = datetime.fromtimestamp(due, UTC)
    schedule = f"schedule: {{at: '{at:%H:%M}', time_zone: UTC, days: [{_day(at)}]}}"
    system.accounts = ACCOUNTS.replace("unlisted", f"{schedule}, unlisted", 1)
    event_id = f"{FIRST}.rebalance.{at:%Y%m%dT%H%MZ}"
    broker = system.victim(program="broker")
    broker.start(**{KILL: Moment(Step("redis", "enqueue", nth), edge).dumps()})
    try:
        await broker.dead()
        tally(f"{edge} enqueue {nth}")
        await broker.end()
        broker.start()
        async with running(system.victim()):
            await system.until("completed", event_id, deadline=DEADLINE)
            await system.idle()
    finally:
        await broker.end()
    entries = await system.queue.run(journal.read(limit=1000))
    signals = [e.event_id for e in entries if e.kind == "queued"]
    assert signals == [event_id], signals
    return [Event(event_id, FIRST, "rebalance", due)]


def _day(at: datetime) -> str:
    return ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[at.weekday()]
