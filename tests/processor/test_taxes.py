"""The wash-sale guard and young gains, over real wires and several accounts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.core.order import Intent, Order
from rebalancer.core.trades import WASH_SECONDS
from rebalancer.queue import codec, keys, moves
from rebalancer.queue.move import command
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.world import AccountSpec, Holding, Listing
from tests.processor.system import System
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import SPY, sim_gateway, small_world

pytestmark = pytest.mark.redis_server

VTI = 900_000_002
#: The first sells its SPY, bought dearer than it is now; the second would buy SPY.
ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    targets: {SPY: 0, BND: 40%}
  - account_id: DU1000002
    type: paper
    wash_sale_guard: true
    targets: {SPY: 50%, BND: 40%}
"""
SET = "replacement_sets: {pairs: [{source: SPY, target: VTI}]}\n"


@pytest.fixture
async def system(tmp_path: Path, redis: RedisServer) -> AsyncIterator[System]:
    async with at_cost(tmp_path, redis, "600") as system:
        yield system


@contextlib.asynccontextmanager
async def at_cost(folder: Path, redis: RedisServer, cost: str) -> AsyncIterator[System]:
    """Two accounts; the first holds 20 SPY, worth 500 each, bought at ``cost``."""
    world = small_world()
    vti = Listing(VTI, "VTI", Decimal(300))
    holder = AccountSpec(
        "DU1000001",
        cash={"USD": Decimal(10_000)},
        holdings=(Holding(SPY, Decimal(20), Decimal(cost)),),
    )
    buyer = AccountSpec("DU1000002", cash={"USD": Decimal(50_000)})
    world = small_world(listings=(*world.listings, vti), accounts=(holder, buyer))
    async with sim_gateway(world) as sim, AsyncQueue(redis.url, timeout=2.0) as queue:
        yield System(folder, redis, sim, queue, accounts=ACCOUNTS)


def with_set(system: System) -> None:
    system.files().replacement_sets.write_text(SET)
    guard = "wash_sale_guard: true\n    wash_sale_set: pairs"
    system.accounts = ACCOUNTS.replace("wash_sale_guard: true", guard)


async def test_what_one_account_sold_at_a_loss_another_does_not_buy(system: System) -> None:
    async with system.processor():
        await system.result(await system.enqueue("DU1000001"))
        result = await system.result(await system.enqueue("DU1000002"))
    assert system.bought("DU1000001")["SPY"] == -20
    bought = system.bought("DU1000002")
    assert "SPY" not in bought
    assert bought["BND"] > 200
    (line,) = (one for one in result["plan"]["lines"] if one["symbol"] == "SPY")
    assert line["note"].startswith("no-buy: DU1000001 sold it at a loss on")
    (sold,) = (
        trade
        for trade in await system.queue.run(moves.trades("DU1000001", since=0.0))
        if trade.action == "SELL"
    )
    # 20 shares that cost 600, sold at about 500.
    assert sold.lost == pytest.approx(Decimal(2000), abs=20)


async def test_its_substitute_is_bought_instead(system: System) -> None:
    with_set(system)
    async with system.processor():
        await system.result(await system.enqueue("DU1000001"))
        result = await system.result(await system.enqueue("DU1000002"))
        again = await system.result(await system.enqueue("DU1000002"))
    bought = system.bought("DU1000002")
    assert "SPY" not in bought
    assert 80 <= bought["VTI"] <= 84
    assert result["target"]["source"].endswith("; VTI instead of SPY")
    assert Decimal(result["drift_reached"]) < Decimal("0.02")
    assert again["orders"] == []


async def test_the_preview_says_so_too(system: System) -> None:
    with_set(system)
    async with system.processor():
        await system.result(await system.enqueue("DU1000001"))
        event = await system.enqueue("DU1000002", "print-rebalance")
        result = await system.result(event)
    lines = {line["symbol"]: line for line in result["plan"]["lines"]}
    assert lines["VTI"]["trade"] > 0
    assert "VTI is bought instead" in lines["SPY"]["note"]


async def test_without_the_guard_it_is_bought(system: System) -> None:
    system.accounts = ACCOUNTS.replace("wash_sale_guard: true", "wash_sale_guard: false")
    async with system.processor():
        await system.result(await system.enqueue("DU1000001"))
        await system.result(await system.enqueue("DU1000002"))
    assert system.bought("DU1000002")["SPY"] > 40


async def test_a_sale_at_a_gain_bars_nothing(tmp_path: Path, redis: RedisServer) -> None:
    async with at_cost(tmp_path, redis, "400") as system, system.processor():
        await system.result(await system.enqueue("DU1000001"))
        await system.result(await system.enqueue("DU1000002"))
        assert system.bought("DU1000002")["SPY"] > 40


async def test_after_its_days_it_is_bought_again(system: System) -> None:
    async with system.processor():
        await system.result(await system.enqueue("DU1000001"))
        key = keys.trades("DU1000001")
        for trade in await system.queue.run(moves.trades("DU1000001", since=0.0)):
            aged = trade.at - WASH_SECONDS
            raw = await system.queue.run(command("ZRANGE", key, "0", "0", parse=lambda r: r[0]))
            older = raw.replace(str(trade.at).encode(), str(aged).encode())
            await system.queue.run(command("ZREM", key, raw, parse=int))
            await system.queue.run(command("ZADD", key, str(aged), older, parse=int))
        await system.result(await system.enqueue("DU1000002"))
    assert system.bought("DU1000002")["SPY"] > 40


async def test_a_sale_at_a_loss_under_way_bars_the_buy_at_the_last_gate(
    system: System,
) -> None:
    """Two accounts at once: the plan knows of no sale yet, the gate does."""
    now = time.time()
    order = Order("rb:other:1:SPY", "DU1000001", "SPY", SPY, "SELL", 20, "MKT", None)
    async with system.processor() as processor:
        await processor.gateway.ready(5.0)
        async with processor.gateway.sending:
            event = await system.enqueue("DU1000002")
            await system.until("pass", event)
            selling = Intent(order, "other", 1, now, may_lose=True)
            raw = codec.dumps(selling)
            key = keys.intents("DU1000001")
            await system.queue.run(command("HSET", key, "rb:other:1:SPY", raw, parse=int))
        entry = await system.until("retrying", event)
    assert "SPY is not bought for DU1000002: being sold at a loss" in entry.data["error"]
    bought = system.bought("DU1000002")
    # What the guard has nothing against went out, and was settled.
    assert set(bought) == {"BND"}
    assert await system.queue.run(moves.open_intents("DU1000002")) == ()


async def test_a_memory_nobody_can_read_stops_the_account(system: System) -> None:
    key = keys.trades("DU1000001")
    await system.queue.run(command("ZADD", key, str(time.time()), "garbage", parse=int))
    async with system.processor():
        event = await system.enqueue("DU1000002")
        entry = await system.until("dead", event)
    assert "rebalance_trades:DU1000001 in Redis has an unreadable trade" in entry.data["reason"]
    assert system.sim.exchange.fills == ()


async def test_what_was_bought_lately_is_not_sold_at_a_gain(system: System) -> None:
    guard = "avoid_short_term_gains: true"
    system.accounts = ACCOUNTS.replace("wash_sale_guard: true", guard)
    async with system.processor():
        await system.result(await system.enqueue("DU1000002"))
    held = system.bought("DU1000002")
    exchange = system.sim.exchange
    for symbol, price in (("SPY", "550"), ("BND", "70")):
        system.sim.tell(exchange.set_price(symbol, Decimal(price), system.sim.now()))
    system.accounts = system.accounts.replace("{SPY: 50%, BND: 40%}", "{SPY: 10%, BND: 10%}")
    async with system.processor():
        result = await system.result(await system.enqueue("DU1000002"))
    after = system.bought("DU1000002")
    assert after["SPY"] == held["SPY"]
    assert after["BND"] < held["BND"], "a loss may be sold"
    (line,) = (one for one in result["plan"]["lines"] if one["symbol"] == "SPY")
    assert line["note"].startswith("no-sell: bought on")


async def test_a_list_of_what_is_never_sold(system: System) -> None:
    system.accounts = ACCOUNTS.replace("type: paper", "type: paper\n    no_sell: [SPY]", 1)
    async with system.processor():
        result = await system.result(await system.enqueue("DU1000001"))
    assert "SPY" not in system.bought("DU1000001")
    (line,) = (one for one in result["plan"]["lines"] if one["symbol"] == "SPY")
    assert line["note"] == "no-sell"
