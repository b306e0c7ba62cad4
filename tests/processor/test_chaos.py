"""Whatever is killed, lost or late, and whenever: each account ends where one undisturbed
run brings it, no orderRef is sent twice, nobody is short or in debt, nothing is left open.

Many plays run at once, each with a Redis, a gateway and processors of its own. ``CHAOS_FULL``
tries every moment instead of some; ``CHAOS_RUNS`` and ``CHAOS_SEED`` choose the random plays.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from rebalancer.core.event import Event
from rebalancer.core.order import Intent, Order, OrderReport, order_ref
from rebalancer.queue import moves
from rebalancer.sim.vocabulary import Fault
from tests.processor.chaos import (
    FIRST,
    FREEZE,
    SECOND,
    SERVICE,
    Arena,
    Play,
    Victim,
    running,
    survived,
)
from tests.processor.faulty_gateways import GATEWAY, SLOW, fault
from tests.processor.system import eventually
from tests.processor.trapped_exchange import Moment
from tests.support.sim_gateway import BND, SPY

pytestmark = pytest.mark.redis_server

STEPS = ("leased", "planned", "pass", "intents", "settled", "replanned", "completed")
#: A clean run sends six orders; of these moments each is tried.
FULL = bool(os.environ.get("CHAOS_FULL"))
NTHS = tuple(range(1, 7)) if FULL else (1, 4)
SYMBOLS = ("AAPL", "BND", "SPY") if FULL else ("BND",)

RUNS, SEED = int(os.environ.get("CHAOS_RUNS", "8")), int(os.environ.get("CHAOS_SEED", "1"))
#: Random plays at once.
AT_ONCE = 8


# kill -9 of a processor -------------------------------------------------------------------


async def killed_at_step(step: str, system: Arena) -> Sequence[Event]:
    system.sim.inject(SLOW)
    victim = system.victim()
    async with running(victim):
        events = await system.both()
        # On a busy machine the first attempt may fail before the step; that is a moment, too.
        await system.until_any({step, "retrying", "completed"}, events[0])
        await victim.end()
        victim.start()
        await system.settle_down(events)
    return events


async def killed_at_moment(
    moment: Moment, nth: int, faults: Sequence[Fault], style: str, system: Arena
) -> Sequence[Event]:
    """``cut``: what the processor wrote from this moment on dies with it."""
    for each in faults:
        system.sim.inject(each)
    victim = system.victim()

    def spring() -> None:
        victim.kill()
        system.exchange.deaf = style == "cut"

    system.exchange.trap(moment, nth, spring)
    async with running(victim):
        events = await system.both()
        await victim.dead()
        system.exchange.deaf = False
        await victim.end()
        victim.start()
        await system.settle_down(events)
    return events


async def test_processor_killed_at_each_step_of_the_journal(tmp_path: Path) -> None:
    plays = {step: partial(killed_at_step, step) for step in STEPS}
    assert await survived(tmp_path, plays) == {}


async def test_processor_killed_while_orders_arrive_fill_and_end(tmp_path: Path) -> None:
    plays: dict[str, Play] = {}
    ways: tuple[tuple[Moment, str, Sequence[Fault]], ...] = (
        ("received", "cut", ()),
        ("taken", "cut", ()),
        ("taken", "fast", ()),
        ("taken", "slow", (SLOW,)),
        ("filled", "fast", ()),
        ("filled", "slow", (SLOW,)),
    )
    for moment, style, faults in ways:
        for nth in NTHS:
            plays[f"{moment} {nth} {style}"] = partial(
                killed_at_moment, moment, nth, faults, style
            )
    ends: tuple[Moment, ...] = ("taken", "cancelling", "cancelled")
    for symbol in SYMBOLS:
        partly = fault("partial", "placeOrder", symbol=symbol, shares=30, then="rest")
        for moment in ends:
            for style in ("fast", "cut"):
                plays[f"partial {symbol} {moment} {style}"] = partial(
                    killed_at_moment, moment, 1, (partly,), style
                )
    assert await survived(tmp_path, plays) == {}


async def signalled_again(step: str, system: Arena) -> Sequence[Event]:
    """A second signal for each account comes while the first one runs and is then killed."""
    system.sim.inject(SLOW)
    victim = system.victim()
    async with running(victim):
        first = await system.both()
        await system.until(step, first[0])
        second = await system.both()
        await victim.end()
        victim.start()
        await system.settle_down(first)
        await system.idle()
    shown = [await system.queue.run(moves.show(event.event_id)) for event in second]
    states = {listed.state for listed in shown if listed is not None}
    assert len(shown) == 2
    assert states <= {"completed", "merged"}, states
    return first


async def lagging(moment: Moment, nth: int, system: Arena) -> Sequence[Event]:
    """Killed when a fill shows in no position yet."""
    system.exchange.position_lag = 1.5
    system.service = SERVICE.replace("deadline_seconds: 1", "deadline_seconds: 2")
    return await killed_at_moment(moment, nth, (), "fast", system)


async def halted(system: Arena) -> Sequence[Event]:
    """Killed after a sell and halted before the restart: nothing is sent until resumed."""
    victim = system.victim()
    system.exchange.trap("filled", 1, victim.kill)
    async with running(victim):
        events = await system.both()
        await victim.dead()
        await system.queue.run(moves.halt("all", now=time.time(), reason="looking"))
        sent = len(system.exchange.orders)
        await victim.end()
        victim.start()
        for event in events:
            await system.until("delayed", event)
        assert len(system.exchange.orders) == sent
        await system.queue.run(moves.resume("all", now=time.time()))
        for event in events:
            await system.queue.run(moves.remove(event.event_id, now=time.time()))
        events = await system.both()
        await system.settle_down(events)
    return events


async def half_settled(system: Arena) -> Sequence[Event]:
    """As if killed when the first of two filled buys was written off and the second not."""
    event = await system.enqueue(FIRST)
    lease = await system.queue.take("dead-worker", now=time.time, ttl=1.0, wait=2.0)
    assert lease is not None
    now, cash = time.time(), system.exchange.cash(FIRST)
    reports: list[OrderReport] = []
    number = await system.queue.run(moves.begin_pass(lease, now=now, cash=cash))
    for order_id, (symbol, con_id, shares) in enumerate((("BND", BND, 100), ("SPY", SPY, 20))):
        ref = order_ref(event.event_id, number, symbol)
        order = Order(ref, FIRST, symbol, con_id, "BUY", shares, "MKT", None)
        intent = Intent(
            order,
            event.event_id,
            number,
            now,
            currency="USD",
            held_before=Decimal(0),
            cash_before=cash,
        )
        reports.append(OrderReport(ref, "filled", Decimal(shares), Decimal(0), Decimal(1)))
        system.forgetful = True  # these reports have no fills
        await system.queue.run(moves.record_intents(lease, [intent], now=now))
        system.exchange.buy(order, 900 + order_id, system.sim.now())
    await system.queue.run(moves.settle_intent(lease, reports[0], now=now))
    async with system.processor():
        second = await system.enqueue(SECOND)
        await system.settle_down([event, second])
    return event, second


async def test_what_a_crash_must_not_undo(tmp_path: Path) -> None:
    """A signal that came meanwhile, a halt; nor is what lags behind believed afterwards."""
    plays: dict[str, Play] = {"a halt": halted, "half settled": half_settled}
    for step in ("leased", "intents", "settled"):
        plays[f"a second signal, {step}"] = partial(signalled_again, step)
    for nth in NTHS:
        plays[f"positions lag, fill {nth}"] = partial(lagging, "filled", nth)
    assert await survived(tmp_path, plays) == {}


# Redis ------------------------------------------------------------------------------------


async def redis_killed_at_step(step: str, system: Arena) -> Sequence[Event]:
    system.sim.inject(SLOW)
    victim = system.victim()
    async with running(victim):
        events = await system.both()
        await system.until(step, events[0])
        await asyncio.to_thread(system.redis.restart)
        await system.settle_down(events)
    return events


async def redis_killed_at_moment(
    moment: Moment, nth: int, with_processor: bool, system: Arena
) -> Sequence[Event]:
    system.sim.inject(SLOW)
    victim, gone = system.victim(), asyncio.Event()

    def spring() -> None:
        system.redis.kill()
        if with_processor:
            victim.kill()
        gone.set()

    system.exchange.trap(moment, nth, spring)
    async with running(victim):
        events = await system.both()
        async with asyncio.timeout(45):
            await gone.wait()
        await asyncio.to_thread(system.redis.start)
        if with_processor:
            await victim.end()
            victim.start()
        await system.settle_down(events)
    return events


async def test_redis_killed(tmp_path: Path) -> None:
    plays: dict[str, Play] = {step: partial(redis_killed_at_step, step) for step in STEPS}
    moments: tuple[Moment, ...] = ("received", "taken", "filled")
    for moment in moments:
        for nth in NTHS:
            for too in (False, True):
                name = f"{moment} {nth}{', the processor too' if too else ''}"
                plays[name] = partial(redis_killed_at_moment, moment, nth, too)
    assert await survived(tmp_path, plays) == {}


async def forgotten(step: str, clients: Sequence[int], system: Arena) -> Sequence[Event]:
    """Redis comes back without what it had not yet written to disk: a second, or so.

    The processors live on, and so do their orders. One that came only now would find orders
    at the gateway that nothing explains, and hold the account.
    """
    system.forgetful = True
    system.sim.inject(fault("late_fill", "placeOrder", 0, seconds=0.2))
    events = await system.both()
    system.redis.stop()
    saved = system.folder / "saved"
    shutil.move(system.redis.folder, saved)
    system.redis.folder.mkdir()
    system.redis.start()
    async with running(*(system.victim(number) for number in clients)):
        await system.reconciled(len(clients))
        for event in events:
            await system.queue.run(moves.enqueue(event, now=time.time()))
        await system.until(step, events[0])
        system.redis.kill()
        shutil.rmtree(system.redis.folder)
        shutil.copytree(saved, system.redis.folder)
        system.redis.start()
        await system.settle_down(events)
    return events


async def test_redis_forgets_its_last_second(tmp_path: Path) -> None:
    plays = {
        f"{step}, {len(clients)} processors": partial(forgotten, step, clients)
        for step in ("leased", "planned", "intents", "settled", "replanned")
        for clients in ((10,), (10, 11))
    }
    found = await survived(tmp_path, plays)
    # Passes are numbered anew where the numbers were forgotten. So an order that was cancelled
    # before it filled may be sent again under its name; nothing may be bought twice by it.
    names = (" times", " executed twice")
    wrong = {play: [w for w in told if not w.endswith(names)] for play, told in found.items()}
    assert {play: told for play, told in wrong.items() if told} == {}


# Two processors ---------------------------------------------------------------------------


async def raced(moment: Moment, nth: int, cut: bool, system: Arena) -> Sequence[Event]:
    """Whichever of two sends the order is killed for good; the other takes over."""
    system.sim.inject(SLOW)
    one, two = system.victim(10), system.victim(11)
    fallen: asyncio.Future[Victim] = asyncio.get_running_loop().create_future()

    def spring() -> None:
        sender = system.exchange.sender
        victim = one if sender == 10 else two
        victim.kill()
        system.exchange.deaf_to = {sender} if cut else set()
        fallen.set_result(victim)

    system.exchange.trap(moment, nth, spring)
    async with running(one, two):
        events = await system.both()
        async with asyncio.timeout(45):
            victim = await fallen
        await victim.dead()
        system.exchange.deaf_to = set()
        await system.settle_down(events)
    return events


async def standby(system: Arena) -> Sequence[Event]:
    """Two under one client id: the second waits at the door until the first is gone."""
    system.sim.inject(SLOW)
    one, two = system.victim(), system.victim()
    system.exchange.trap("taken", 1, one.kill)
    async with running(one):
        await eventually(lambda: any(system.sim.hub.ready()))
        async with running(two):
            events = await system.both()
            await one.dead()
            await system.settle_down(events)
    return events


async def frozen(step: str, system: Arena) -> Sequence[Event]:
    """Stopped like a suspended machine, it goes on when another has long done its work."""
    system.sim.inject(SLOW)
    one, two = system.victim(10), system.victim(11)
    async with running(one):
        events = await system.both()
        await system.until(step, events[0])
        one.send(signal.SIGSTOP)
        async with running(two):
            await system.settle_down(events)
            one.send(signal.SIGCONT)
            one.send(signal.SIGTERM)
            await one.dead()
    return events


async def frozen_at_the_wire(system: Arena) -> Sequence[Event]:
    """Stopped after the last check and before the order; an hour or a lease later it wakes."""
    one, two = system.victim(10, **{FREEZE: "1"}), system.victim(11)
    async with running(one):
        events = await system.both()
        # Whichever comes first stops the whole process.
        written = [asyncio.create_task(system.until("intents", event)) for event in events]
        _, never = await asyncio.wait(written, return_when=asyncio.FIRST_COMPLETED)
        for task in never:
            task.cancel()
        async with running(two):
            await system.settle_down(events)
            one.send(signal.SIGTERM)
            while one.alive:  # it stops at the wire for each of its events
                one.send(signal.SIGCONT)
                await asyncio.sleep(0.05)
        await eventually(lambda: not system.exchange.open_orders())
    return events


async def test_a_processor_that_wakes_up_late_sends_nothing(tmp_path: Path) -> None:
    assert await survived(tmp_path, {"at the wire": frozen_at_the_wire}) == {}


async def test_two_processors(tmp_path: Path) -> None:
    plays: dict[str, Play] = {"standby": standby}
    steps = STEPS[:-1] if FULL else ("planned", "intents", "settled")
    plays |= {f"frozen at {step}": partial(frozen, step) for step in steps}
    ways: tuple[tuple[Moment, bool], ...] = (("received", True), ("taken", False))
    for moment, cut in ways:
        for nth in NTHS:
            plays[f"{moment} {nth}"] = partial(raced, moment, nth, cut)
    assert await survived(tmp_path, plays) == {}


async def orphaned(system: Arena) -> Sequence[Event]:
    """A processor dies over a resting order that no other client may cancel; it comes back."""
    system.service = SERVICE.replace("max_attempts: 0", "max_attempts: 3")
    system.sim.inject(fault("late_fill", "placeOrder", action="SELL", seconds=60))
    one, two = system.victim(10), system.victim(11)
    async with running(one):
        event = await system.enqueue(FIRST)
        await eventually(system.exchange.open_orders)
        await one.end()
        async with running(two):
            waits = await system.until_any(("dead", "delayed"), event)
            assert waits.kind == "delayed", waits.data
        one.start()
        await system.enqueue(FIRST, priority="high")  # need not wait out the delay
        second = await system.enqueue(SECOND)
        await system.settle_down([event, second])
    return event, second


async def test_the_orders_of_a_dead_processor_are_not_forgotten(tmp_path: Path) -> None:
    assert await survived(tmp_path, {"orphaned": orphaned}) == {}


# Anything, at any time --------------------------------------------------------------------


async def at_random(seed: int, system: Arena) -> Sequence[Event]:
    """Some faults, and some kills of processors and of Redis at random moments."""
    dice = random.Random(seed)
    for name in dice.sample(sorted(GATEWAY), dice.randint(0, 2)):
        for each in GATEWAY[name]:
            system.sim.inject(each)
    if dice.random() < 0.5:
        system.sim.inject(SLOW)
    victims = [system.victim(10), system.victim(11)][: dice.randint(1, 2)]
    fallen: asyncio.Queue[Victim | None] = asyncio.Queue()

    def kill(victim: Victim) -> None:
        victim.kill()
        system.exchange.deaf = dice.random() < 0.3
        fallen.put_nowait(victim)

    def kill_redis() -> None:
        system.redis.kill()
        fallen.put_nowait(None)

    moments: tuple[Moment, ...] = ("received", "taken", "filled", "cancelling", "cancelled")
    for _ in range(dice.randint(1, 3)):
        moment = dice.choice(moments)
        nth = dice.randint(1, 1 if moment.startswith("cancel") else 6)
        spring = kill_redis if dice.random() < 0.25 else partial(kill, dice.choice(victims))
        system.exchange.trap(moment, nth, spring)

    async def raise_the_dead() -> None:
        while True:
            victim = await fallen.get()
            system.exchange.deaf = False
            if victim is None:
                await asyncio.to_thread(system.redis.restart)
            else:
                await victim.end()
                victim.start()

    raising = asyncio.create_task(raise_the_dead())
    async with running(*victims):
        try:
            events = await system.both()
            await system.settle_down(events)
        finally:
            raising.cancel()
            await asyncio.wait({raising})
    return events


async def test_random_chaos(tmp_path: Path) -> None:
    for first in range(SEED, SEED + RUNS, AT_ONCE):
        seeds = range(first, min(first + AT_ONCE, SEED + RUNS))
        plays = {f"CHAOS_SEED={n} CHAOS_RUNS=1": partial(at_random, n) for n in seeds}
        assert await survived(tmp_path / str(first), plays) == {}
