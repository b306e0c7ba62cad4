"""A signal becomes the right filled orders, over real wires."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.world import AccountSpec, Holding
from tests.processor.programs import process
from tests.processor.system import System
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import AAPL, BND, SPY, sim_gateway, small_world

pytestmark = pytest.mark.redis_server


async def test_a_signal_becomes_the_right_filled_orders(system: System) -> None:
    async with system.processor():
        event = await system.enqueue()
        result = await system.result(event)

    # 102,000 in all: 10 AAPL at 200 are sold, then 60% SPY at 500 and 40% BND at 75.
    bought = system.bought()
    assert bought["AAPL"] == -10
    assert 119 <= bought["SPY"] <= 122
    assert 520 <= bought["BND"] <= 544
    assert Decimal(result["drift_reached"]) < Decimal("0.02")
    assert {order["status"] for order in result["orders"]} == {"filled"}
    assert all(f["commission"] for order in result["orders"] for f in order["fills"])
    cash = Decimal(result["account"]["total_cash"])
    assert cash >= Decimal(result["plan"]["reserve"])
    assert system.executed_twice() == []


async def test_a_second_run_has_nothing_to_do(system: System) -> None:
    async with system.processor():
        await system.result(await system.enqueue())
        fills = len(system.sim.exchange.fills)
        result = await system.result(await system.enqueue())
    assert result["orders"] == []
    assert len(system.sim.exchange.fills) == fills


async def test_what_a_small_sell_brings_is_spent_again(system: System) -> None:
    """It is less than what plans may leave over, but it was sold to be spent."""
    async with system.processor():
        await system.result(await system.enqueue())
    before = system.bought()
    system.accounts = system.accounts.replace("SPY: 60%, BND: 40%", "SPY: 59.4%, BND: 40.6%")
    async with system.processor():
        await system.result(await system.enqueue())
    after = system.bought()
    assert after["SPY"] - before["SPY"] == -1
    assert after["BND"] - before["BND"] >= 6


async def test_the_account_snapshot_is_kept_for_readers(system: System) -> None:
    async with system.processor():
        event = await system.enqueue()
        await system.result(event)
    snapshot = await system.queue.run(moves.load_snapshot("DU1000001"))
    assert snapshot is not None
    assert snapshot["event_id"] == event.event_id
    assert {p["symbol"] for p in snapshot["positions"]} == {"SPY", "BND"}


async def test_two_accounts_do_not_disturb_one_another(system: System) -> None:
    async with system.processor():
        events = [await system.enqueue("DU1000001"), await system.enqueue("DU1000002")]
        for event in events:
            await system.result(event)
    assert system.bought("DU1000001")["AAPL"] == -10
    bought = system.bought("DU1000002")
    assert 48 <= bought["SPY"] <= 49
    assert 121 <= bought["AAPL"] <= 124


async def test_nothing_is_bought_back_that_was_sold(tmp_path: Path, redis: RedisServer) -> None:
    holdings = (Holding(AAPL, Decimal(300), Decimal(1)), Holding(BND, Decimal(372), Decimal(1)))
    one = AccountSpec("DU1000001", cash={"USD": Decimal(1000)}, holdings=holdings)
    async with (
        sim_gateway(small_world(accounts=(one,))) as sim,
        AsyncQueue(redis.url) as queue,
    ):
        system = System(tmp_path, redis, sim, queue)
        targets = "{SPY: 60%, AAPL: 10%, BND: 30%}"
        system.accounts = f"[{{account_id: DU1000001, type: paper, targets: {targets}}}]"
        async with process(system):
            await system.result(await system.enqueue("DU1000001"))
            again = await system.result(await system.enqueue("DU1000001"))
        # What the sells brought beyond their worst would have bought some BND back.
        traded = {(fill.con_id, fill.side) for fill in sim.exchange.fills}
    assert traded == {(AAPL, "SLD"), (BND, "SLD"), (SPY, "BOT")}
    assert again["orders"] == []


async def test_two_dozen_accounts_at_once(tmp_path: Path, redis: RedisServer) -> None:
    names = [f"DU{3_000_000 + n}" for n in range(24)]
    cash = {"USD": Decimal(10_000)}
    world = small_world(accounts=tuple(AccountSpec(name, cash=cash) for name in names))
    async with sim_gateway(world) as sim, AsyncQueue(redis.url) as queue:
        system = System(tmp_path, redis, sim, queue)
        entries = [f"  - {{account_id: {n}, type: paper, targets: {{SPY: 1}}}}" for n in names]
        system.accounts = "\n".join(["accounts:", *entries])
        async with process(system):
            events = [await system.enqueue(name) for name in names]
            for event in events:
                await system.result(event)
        assert [system.bought(name) for name in names] == [{"SPY": Decimal(19)}] * 24
