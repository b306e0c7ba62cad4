"""How orders are worked: styles, steps within the collar, the closing auction."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.server import serve
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec, Report
from rebalancer.sim.world import Clock, World
from tests.processor.faulty_gateways import fault
from tests.processor.system import System, eventually
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import small_world

pytestmark = pytest.mark.redis_server

#: Cash only: one pass of buys.
CASH = "DU1000002"
UNFILLED = fault("late_fill", "placeOrder", 0, seconds=60)
SERVICE = """\
retry: {retry_delay_seconds: 30, max_delay_seconds: 60, max_attempts: 3}
processor: {fill_deadline_seconds: 0.9, shutdown_deadline_seconds: 0.1}
"""


class Recorder(Exchange):
    """An exchange that remembers every order message, changes included."""

    def __init__(self, world: World, now: float) -> None:
        super().__init__(world, now)
        self.heard: list[OrderSpec] = []

    def place(
        self,
        client_id: int,
        order_id: int,
        contract: ContractSpec,
        order: OrderSpec,
        now: float,
    ) -> tuple[Report, ...]:
        self.heard.append(order)
        return super().place(client_id, order_id, contract, order, now)

    def limits(self, symbol: str) -> list[Decimal]:
        ours = [order for order in self.heard if order.order_ref.endswith(f":{symbol}")]
        return [order.limit_price for order in ours if order.limit_price is not None]


def accounts(**policy: object) -> str:
    keys = "".join(f", {key}: {value}" for key, value in policy.items())
    return f"accounts:\n  - {{account_id: {CASH}, type: paper, targets: {{SPY: 1}}{keys}}}\n"


@contextlib.asynccontextmanager
async def at_the_exchange(
    folder: Path, redis: RedisServer, clock: Clock | None = None, **policy: object
) -> AsyncIterator[tuple[System, Recorder]]:
    world = small_world(clock=clock or Clock(always_open=True))
    exchange = Recorder(world, world.clock.start or time.time())
    sim = await serve(exchange)
    try:
        async with AsyncQueue(redis.url, timeout=2.0) as queue:
            system = System(folder, redis, sim, queue, accounts(**policy), SERVICE)
            yield system, exchange
    finally:
        await sim.close()


async def test_an_unfilled_limit_is_moved_to_the_edge_of_the_collar_and_given_up(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with at_the_exchange(tmp_path, redis, reprice_times=2) as (system, exchange):
        system.sim.inject(UNFILLED)
        async with system.processor():
            event = await system.enqueue(CASH)
            entry = await system.until("partially_done", event)
            await system.until("retrying", event)
    edge = Decimal(entry.data["plan"]["lines"][0]["limit_price"])
    limits = exchange.limits("SPY")
    assert len(limits) == 3
    assert limits == sorted(limits)
    assert limits[0] >= Decimal("500.01")  # the ask: it is marketable from the start
    assert limits[-1] == edge <= Decimal("500.005") * Decimal("1.005")
    assert len({order.order_ref for order in exchange.heard}) == 1
    assert exchange.open_orders() == ()
    assert exchange.fills == ()


async def test_what_has_filled_of_a_moved_order_counts_once(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with at_the_exchange(tmp_path, redis) as (system, exchange):
        system.sim.inject(fault("partial", "placeOrder", shares=30, then="rest"))
        async with system.processor():
            event = await system.enqueue(CASH)
            await system.until("partially_done", event)
            await system.until("retrying", event)
        filled = sum(fill.shares for fill in exchange.fills)
        assert filled == system.bought(CASH)["SPY"]
        assert filled <= 99
        assert await system.queue.run(moves.open_intents(CASH)) == ()


async def test_a_halt_stops_the_moving_too(tmp_path: Path, redis: RedisServer) -> None:
    async with at_the_exchange(tmp_path, redis, reprice_times=2) as (system, exchange):
        system.sim.inject(UNFILLED)
        async with system.processor():
            event = await system.enqueue(CASH)
            await eventually(lambda: exchange.heard)
            halt = moves.halt("symbol:SPY", now=time.time(), reason="stop")
            await system.queue.run(halt)
            await system.until("partially_done", event)
    assert len(exchange.limits("SPY")) == 1


@pytest.mark.parametrize(
    ("policy", "order_type", "algorithm", "limited"),
    [
        ({"order_type": "MKT"}, "MKT", ("", ()), False),
        (
            {"order_type": "ADAPTIVE", "urgency": "urgent"},
            "LMT",
            ("Adaptive", (("adaptivePriority", "Urgent"),)),
            True,
        ),
        ({"bounds": "{SPY: {order_type: MKT}}"}, "MKT", ("", ()), False),
    ],
)
async def test_styles_reach_the_exchange(
    tmp_path: Path,
    redis: RedisServer,
    policy: dict[str, object],
    order_type: str,
    algorithm: tuple[str, tuple[tuple[str, str], ...]],
    limited: bool,
) -> None:
    async with (
        at_the_exchange(tmp_path, redis, None, **policy) as (system, exchange),
        system.processor(),
    ):
        await system.result(await system.enqueue(CASH))
    [order] = exchange.heard
    assert order.order_type == order_type
    assert (order.algo_strategy, order.algo_params) == algorithm
    assert (order.limit_price is not None) is limited
    assert order.tif == "DAY"
    assert system.bought(CASH)["SPY"] > 95


# The closing auction ----------------------------------------------------------------------

#: A plain Wednesday; simulated minutes pass in tenths of seconds.
CLOSE = datetime.fromisoformat("2026-03-04T16:00:00-05:00").timestamp()
MINUTE = 60.0


def before_the_close(minutes: float, rate: float = 1.0) -> Clock:
    return Clock(start=CLOSE - minutes * MINUTE, rate=rate)


@pytest.mark.parametrize("order_type", ["MOC", "LOC"])
async def test_the_auction_fills_what_was_sent_shortly_before_it(
    tmp_path: Path, redis: RedisServer, order_type: str
) -> None:
    clock = before_the_close(18, rate=400)
    async with (
        at_the_exchange(tmp_path, redis, clock, order_type=order_type) as (
            system,
            exchange,
        ),
        system.processor(),
    ):
        event = await system.enqueue(CASH)
        result = await system.result(event)
    assert [order.order_type for order in exchange.heard] == [order_type]
    assert {order["status"] for order in result["orders"]} == {"filled"}
    assert system.bought(CASH)["SPY"] > 95
    assert all(fill.at >= CLOSE for fill in exchange.fills)


@pytest.mark.parametrize(
    ("minutes", "wait"),
    [
        (60, 40 * MINUTE),  # too early: until the window opens
        (8, 24 * 60 * MINUTE - 12 * MINUTE),  # too late: the next day's window
    ],
)
async def test_outside_the_window_nothing_is_sent(
    tmp_path: Path, redis: RedisServer, minutes: float, wait: float
) -> None:
    clock = before_the_close(minutes)
    async with (
        at_the_exchange(tmp_path, redis, clock, order_type="MOC") as (system, exchange),
        system.processor(),
    ):
        entry = await system.until("delayed", await system.enqueue(CASH))
    assert exchange.heard == []
    assert "trade at the close" in entry.data["reason"]
    assert entry.data["until"] - time.time() == pytest.approx(wait, abs=30)


async def test_what_sells_bring_at_the_close_waits_for_the_next(
    tmp_path: Path, redis: RedisServer
) -> None:
    clock = before_the_close(18, rate=400)
    async with at_the_exchange(tmp_path, redis, clock) as (system, exchange):
        system.accounts = (
            "accounts:\n  - {account_id: DU1000001, type: paper, unlisted: liquidate,\n"
            "     targets: {SPY: 1}, order_type: MOC}\n"
        )
        async with system.processor():
            event = await system.enqueue("DU1000001")
            entry = await system.until("delayed", event)
    sent = {(order.action, order.order_ref.split(":")[3]) for order in exchange.heard}
    assert sent == {("SELL", "AAPL"), ("BUY", "SPY")}
    assert system.bought()["AAPL"] == -10
    # 100,000 of cash were there, the 2,000 of the sell were not.
    assert system.bought()["SPY"] * 500 < 100_000
    assert "wait for what the sells" in entry.data["reason"]


async def test_cash_is_raised_at_the_close_and_nothing_bought_with_it(
    tmp_path: Path, redis: RedisServer
) -> None:
    clock = before_the_close(18, rate=400)
    async with at_the_exchange(tmp_path, redis, clock) as (system, exchange):
        system.accounts = (
            "accounts:\n  - {account_id: DU1000001, type: paper, unlisted: liquidate,\n"
            "     targets: {SPY: 1}, order_type: MOC}\n"
        )
        async with system.processor():
            asked = await system.enqueue("DU1000001", data={"raise_cash": 100_000})
            result = await system.result(asked)
    # 100,000 are there; of the 1,020 in reserve nothing is.
    assert system.bought() == {"AAPL": -6}
    assert [order["status"] for order in result["orders"]] == ["filled"]
    assert [order.order_type for order in exchange.heard] == ["MOC"]
