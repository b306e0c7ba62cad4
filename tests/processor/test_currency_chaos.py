"""Killed while it converts currencies: none is converted twice, and the buys follow."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.core.event import Event
from rebalancer.queue import moves
from rebalancer.sim.scenario import load_world
from rebalancer.sim.world import AccountSpec, Clock, Holding, World
from tests.chaos.steps import KILL, RECORD, Moment, Step, recorded
from tests.processor.chaos import SERVICE, Arena, arena, queue_wounds, running
from tests.processor.system import eventually
from tests.support.redis_server import DURABLE, RedisServer

pytestmark = pytest.mark.redis_server

EURO = "DU1000001"
#: What says something of an order; the other steps of a run are killed at in tests/chaos.
ABOUT = {"note", "begin_pass", "record_intents", "placeOrder", "orderStatus", "execDetails"}
ABOUT |= {"settle_intent"}
PATIENT = "price_deadline_seconds: 4"
ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    fx: auto-convert
    targets: {VWCE@IBIS2/EUR: 30%, ISF@LSEETF/GBP: 20%, SPY: 50%}
"""


def abroad() -> World:
    """A euro account that sells, then buys in pounds and dollars of which it has none."""
    given = load_world("europe")
    vwce = next(listing for listing in given.listings if listing.symbol == "VWCE")
    account = AccountSpec(
        EURO,
        currency="EUR",
        cash={"EUR": Decimal(20_000)},
        holdings=(Holding(vwce.con_id, Decimal(400), Decimal(100)),),
    )
    return dataclasses.replace(given, accounts=(account,), clock=Clock(always_open=True))


@contextlib.asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Arena]:
    redis = await asyncio.to_thread(RedisServer(folder / "redis", *DURABLE).start)
    try:
        async with arena(folder, redis, abroad()) as system:
            system.accounts = ACCOUNTS
            # So much is asked in one second that the pacing holds some of it back.
            system.service = SERVICE.replace("price_deadline_seconds: 1", PATIENT)
            yield system
    finally:
        await asyncio.to_thread(redis.kill)


async def undisturbed(folder: Path) -> tuple[tuple[Step, ...], dict[str, Decimal]]:
    """The steps of the first conversion, and what was traded in all."""
    async with stage(folder) as system:
        event = await system.enqueue(EURO)
        async with running(system.victim(10, **{RECORD: str(folder / "steps")})):
            await system.settle_down([event])
        assert await wounds(system, [event], traded(system)) == []
        steps = recorded(folder / "steps")
        passes = [n for n, step in enumerate(steps) if step.name == "begin_pass"]
        # The last of them are those of the pounds, the dollars and the buys.
        between = steps[passes[-3] - 1 : passes[-2] + 1]
        return tuple(step for step in between if step.name in ABOUT), traded(system)


def traded(system: Arena) -> dict[str, Decimal]:
    """Shares and units of currencies bought less sold, by symbol."""
    net: dict[str, Decimal] = {}
    for fill in system.exchange.fills:
        symbol = system.exchange.contract(fill.con_id).local_symbol
        signed = fill.shares if fill.side == "BOT" else -fill.shares
        net[symbol] = net.get(symbol, Decimal(0)) + signed
    return net


async def wounds(
    system: Arena, events: Sequence[Event], clean: dict[str, Decimal]
) -> list[str]:
    exchange = system.exchange
    found = [f"{ref} was sent {n} times" for (_, ref), n in exchange.sent.items() if n > 1]
    found += [f"{ref} was executed twice" for ref in system.executed_twice()]
    have = traded(system)
    for symbol in clean.keys() | have.keys():
        off = abs(have.get(symbol, Decimal(0)) - clean.get(symbol, Decimal(0)))
        # A second try may buy a share more or fewer, and convert a little for it.
        if off > max(Decimal(3), abs(clean.get(symbol, Decimal(0))) / 50):
            found.append(f"{symbol}: traded {have.get(symbol)} against {clean.get(symbol)}")
    found += [f"owes {-a} {c}" for c, a in exchange.purse(EURO).items() if a < 0]
    found += [f"open: {i}" for i in await system.queue.run(moves.open_intents(EURO))]
    found += [f"left open: {o.order.order_ref}" for o in exchange.open_orders()]
    return found + await queue_wounds(system, events)


async def killed(folder: Path, moment: Moment, clean: dict[str, Decimal]) -> list[str]:
    async with stage(folder) as system:
        event = await system.enqueue(EURO)
        victim = system.victim()
        victim.start(**{KILL: moment.dumps()})
        try:
            await eventually(lambda: not victim.alive, deadline=25)
            await victim.end()
            victim.start()
            await system.settle_down([event])
            await system.idle()
            return await wounds(system, [event], clean)
        finally:
            await victim.end()


async def test_killed_at_each_step_of_a_conversion(tmp_path: Path) -> None:
    steps, clean = await undisturbed(tmp_path / "clean")
    moments = [Moment(s, "after" if n % 2 else "before") for n, s in enumerate(steps)]
    assert {m.step.name for m in moments} >= {"record_intents", "placeOrder", "settle_intent"}
    seats = asyncio.Semaphore(8)

    async def seated(n: int, moment: Moment) -> list[str]:
        async with seats:
            return await killed(tmp_path / str(n), moment, clean)

    ends = await asyncio.gather(*(seated(n, m) for n, m in enumerate(moments)))
    assert {str(m): end for m, end in zip(moments, ends, strict=True) if end} == {}
