"""Whatever the gateway does wrong: the same holds as when something is killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from rebalancer.core.event import Event
from rebalancer.processor.gate import CLOSING
from rebalancer.queue import moves
from rebalancer.sim.vocabulary import Fault
from rebalancer.sim.world import AccountSpec, Clock, Listing, World
from tests.processor.chaos import FIRST, SERVICE, Arena, Play, arena, survived
from tests.processor.faulty_gateways import BETWEEN, GATEWAY, UNFILLED_SELLS, fault
from tests.processor.system import eventually
from tests.processor.trapped_exchange import world
from tests.support.redis_server import redis_server

pytestmark = pytest.mark.redis_server


async def faulty(faults: Sequence[Fault], system: Arena) -> Sequence[Event]:
    """What is wrong from the start is; the rest meets the event, not the look before it."""
    early = [each for each in faults if each.when == "startApi"]
    for each in early:
        system.sim.inject(each)
    async with system.processor():
        await system.reconciled(1)
        for each in faults:
            if each not in early:
                system.sim.inject(each)
        events = await system.both()
        await system.settle_down(events)
    return events


async def test_faulty_gateway(tmp_path: Path) -> None:
    plays = {name: partial(faulty, faults) for name, faults in GATEWAY.items()}
    assert await survived(tmp_path, plays) == {}


async def between(faults: Sequence[Fault], system: Arena) -> Sequence[Event]:
    """The faults strike when the first sell has filled."""

    def spring() -> None:
        loop = asyncio.get_running_loop()
        for each in faults:
            loop.call_soon(system.sim.inject, each)

    system.exchange.trap("filled", 1, spring)
    async with system.processor():
        events = await system.both()
        await system.settle_down(events)
    return events


async def inactive(system: Arena) -> Sequence[Event]:
    """The gateway shows a live order as inactive, without a code; later it would fill."""
    late = fault("late_fill", "placeOrder", symbol="BND", action="BUY", seconds=2)
    system.sim.inject(late)
    system.exchange.held_back = {"BND"}
    async with system.processor():
        events = await system.both()
        await eventually(lambda: system.exchange.shares(FIRST).get("BND"))
        await eventually(lambda: not system.exchange.open_orders())
        await system.settle_down(events)
    return events


async def test_what_goes_wrong_between_sells_and_buys(tmp_path: Path) -> None:
    plays: dict[str, Play] = {n: partial(between, faults) for n, faults in BETWEEN.items()}
    # Sells that do not fill fund nothing.
    plays |= {n: partial(faulty, faults) for n, faults in UNFILLED_SELLS.items()}
    plays["an order is shown inactive"] = inactive
    assert await survived(tmp_path, plays) == {}


async def test_nothing_is_sent_right_before_the_close(tmp_path: Path) -> None:
    """Eleven seconds are enough to sell; when the cash has come they are not enough to buy."""
    close = datetime.fromisoformat("2026-03-04T16:00:00-05:00").timestamp()
    given = world(clock=Clock(start=close - CLOSING - 2))
    service = SERVICE.replace(
        "settlement_deadline_seconds: 1", "settlement_deadline_seconds: 5"
    )
    with redis_server(tmp_path / "redis") as redis:
        async with arena(tmp_path, redis, given, service=service) as system:
            system.sim.inject(fault("cash_lag", "+0", later=2.2))
            async with system.processor():
                event = await system.enqueue(FIRST)
                await system.until("settled", event)
                entry = await system.until_any(("delayed", "retrying", "completed"), event)
            assert entry.kind == "delayed"
            assert {order.action for order in system.exchange.orders} == {"SELL"}


async def test_a_halt_stops_orders_that_wait_for_the_pace(tmp_path: Path) -> None:
    """Twelve accounts want to send more at once than the gateway takes in a second."""
    listings = tuple(
        Listing(910_000_000 + n, f"ETF{n:02d}", Decimal(20 + 7 * n)) for n in range(20)
    )
    owners = [f"DU{2_000_000 + n}" for n in range(12)]
    cash = {"USD": Decimal(250_000)}
    given = World(
        listings,
        tuple(AccountSpec(name, cash=cash) for name in owners),
        clock=Clock(always_open=True),
    )
    weights = ", ".join(f"{listing.symbol}: 5%" for listing in listings)
    lines = [f"  - {{account_id: {n}, type: paper, targets: {{{weights}}}}}" for n in owners]
    accounts = "\n".join(["accounts:", *lines])
    moment: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    with redis_server(tmp_path / "redis") as redis:
        async with arena(tmp_path, redis, given, accounts=accounts, service="") as system:

            async def halt() -> None:
                await system.queue.run(moves.halt("all", now=time.time(), reason="stop"))
                moment.set_result(system.sim.now())

            halting: list[asyncio.Task[None]] = []

            def spring() -> None:
                halting.append(asyncio.create_task(halt()))

            system.exchange.trap("received", 30, spring)
            async with system.processor():
                events = [await system.enqueue(name) for name in owners]
                for event in events:
                    await system.until_any(("delayed", "completed", "retrying"), event)
            halted = await moment
            late = [came - halted for came in system.exchange.came if came > halted]
    assert max(late, default=0.0) < 0.5, f"{len(late)} orders came after the halt"
