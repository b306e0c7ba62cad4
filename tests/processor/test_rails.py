"""Each rail refuses over real wires: on the plan, and right before the order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core import hours
from rebalancer.core.event import Event
from rebalancer.processor.daemon import Processor
from rebalancer.queue import journal, keys, moves
from rebalancer.queue.move import command
from rebalancer.queue.values import Entry
from rebalancer.sim.vocabulary import Fault
from tests.processor.system import ACCOUNTS, System, eventually
from tests.support.sim_gateway import AAPL, SPY

pytestmark = pytest.mark.redis_server


def with_keys(system: System, *lines: str) -> None:
    """Give the first account these keys."""
    added = "type: paper" + "".join(f"\n    {line}" for line in lines)
    system.accounts = ACCOUNTS.replace("type: paper", added, 1)


async def refused(system: System, kind: str, event: Event) -> str:
    entry = await system.until(kind, event)
    return str(entry.data["error" if kind == "retrying" else "reason"])


async def kinds(system: System, event: Event) -> list[Entry]:
    entries = await system.queue.run(journal.read(limit=1000))
    return [entry for entry in entries if entry.event_id == event.event_id]


def set_price(system: System, symbol: str, price: str) -> None:
    exchange = system.sim.exchange
    system.sim.tell(exchange.set_price(symbol, Decimal(price), system.sim.now()))


def shown(processor: Processor, con_id: int, price: int) -> bool:
    """Whether the processor sees this price by now, give or take the spread."""
    line = processor.gateway.session.lines.standing(con_id)
    seen = line.price() if line else None
    return seen is not None and abs(seen - price) < Decimal("0.1")


def priceless(processor: Processor, con_id: int) -> bool:
    """Whether the processor sees no price any more."""
    line = processor.gateway.session.lines.standing(con_id)
    return line is not None and line.price() is None


@contextlib.asynccontextmanager
async def planned(system: System) -> AsyncIterator[tuple[Processor, Event]]:
    """A processor that has planned and cannot send yet, because somebody else is sending."""
    async with system.processor() as processor:
        await processor.gateway.ready(5.0)
        async with processor.gateway.sending:
            event = await system.enqueue()
            await system.until("pass", event)
            yield processor, event
        # Only now may it send; what became of it is for the test to see before this ends.
        await system.until("leased", event)
        await _ended(system, event)


async def _ended(system: System, event: Event) -> None:
    def ended(found: list[Entry]) -> bool:
        return bool({"completed", "dead", "delayed", "retrying"} & {e.kind for e in found})

    deadline = time.monotonic() + 10.0
    while not ended(await kinds(system, event)):
        assert time.monotonic() < deadline, "the event does not end"


# On the plan ------------------------------------------------------------------------------

FINAL: list[tuple[str, str]] = [
    ("max_order_value: 50000", "for SPY is above max_order_value 50,000 of DU1000001; raise"),
    ("max_order_percent: 50", "for SPY is above max_order_percent 50 of DU1000001"),
    ("max_orders: 2", "a run of 3 orders is above max_orders 2 of DU1000001"),
    ("turnover_limit_per_run_percent: 90", "in this run is above turnover_limit_per_run"),
    ("turnover_limit_per_day_percent: 90", "in this trading day is above turnover_limit_per_"),
    ("min_equity: 200000", "NetLiquidation 102,000 USD is below min_equity 200,000"),
    ("allowed_symbols: [SPY, AAPL]", "BND is not in the allowed_symbols (2 symbols)"),
]


@pytest.mark.parametrize(("key", "said"), FINAL, ids=[key for key, _ in FINAL])
async def test_a_plan_beyond_a_limit_is_for_a_person(
    system: System, key: str, said: str
) -> None:
    with_keys(system, key)
    async with system.processor():
        event = await system.enqueue()
        reason = await refused(system, "dead", event)
    assert said in reason
    assert f"`{key.partition(':')[0]}`" in reason
    assert "accounts.yaml" in reason
    assert system.sim.exchange.fills == ()
    assert await system.queue.run(moves.open_intents("DU1000001")) == ()


async def test_a_price_far_from_yesterdays_close_is_not_traded_on(system: System) -> None:
    set_price(system, "BND", "50")
    async with system.processor():
        event = await system.enqueue()
        reason = await refused(system, "retrying", event)
    assert "BND" in reason
    assert "33.33% off yesterday's close 75" in reason
    assert "max_close_deviation_percent 20" in reason
    assert system.sim.exchange.fills == ()


async def test_the_refused_plan_is_in_the_journal_with_its_checks(system: System) -> None:
    with_keys(system, "max_orders: 2")
    async with system.processor():
        event = await system.enqueue()
        await system.until("dead", event)
        entry = await system.until("planned", event)
    found = {check["name"]: check for check in entry.data["checks"]}
    assert found["orders"] == {
        "name": "orders",
        "symbol": "",
        "figure": "3",
        "limit": "2",
        "passed": False,
        "key": "max_orders",
        "text": found["orders"]["text"],
    }
    assert found["order_share"]["passed"]


async def test_the_preview_shows_the_checks_and_refuses_nothing(system: System) -> None:
    with_keys(system, "max_orders: 2")
    async with system.processor():
        result = await system.result(await system.enqueue(command="print-rebalance"))
    failed = [c["name"] for c in result["plan"]["checks"] if not c["passed"]]
    assert failed == ["orders"]
    assert result["plan"]["what_if"] == []


async def test_a_result_has_every_check_of_plan_and_orders(system: System) -> None:
    async with system.processor():
        result = await system.result(await system.enqueue())
    assert {c["passed"] for c in result["checks"]} == {True}
    ages = [c for c in result["checks"] if c["name"] == "price_age"]
    # Two plans, and a chunk of orders each.
    assert len(ages) == 4


# Right before an order --------------------------------------------------------------------


async def test_a_price_that_moves_between_plan_and_order_stops_it(system: System) -> None:
    async with planned(system) as (processor, event):
        set_price(system, "AAPL", "190")
        await eventually(lambda: shown(processor, AAPL, 190))
    reason = await refused(system, "retrying", event)
    assert "the price of AAPL, 190" in reason
    assert "5.00% off the plan's" in reason
    assert "max_price_deviation_percent 3 of DU1000001; it is planned anew" in reason
    assert system.sim.exchange.fills == ()


async def test_a_price_gone_stale_between_plan_and_order_stops_it(system: System) -> None:
    with_keys(system, "max_price_age_seconds: 0.4")
    async with planned(system):
        began = time.monotonic()
        await eventually(lambda: time.monotonic() - began > 0.5)
    event = await _only_event(system)
    assert "above max_price_age_seconds 0.4" in await refused(system, "retrying", event)
    assert system.sim.exchange.fills == ()


async def test_a_price_that_is_withdrawn_stops_the_order(system: System) -> None:
    async with planned(system) as (processor, event):
        system.sim.inject(Fault("price_nan", "+0", 0, (("symbol", "AAPL"),)))
        set_price(system, "AAPL", "200.5")
        await eventually(lambda: priceless(processor, AAPL))
    assert "there is no price of AAPL any more" in await refused(system, "retrying", event)
    assert system.sim.exchange.fills == ()


async def test_a_broken_data_farm_stops_the_order(system: System) -> None:
    async with planned(system) as (processor, event):
        system.sim.inject(Fault("error", "+0", 1, (("code", "2103"),)))
        lines = processor.gateway.session.lines
        await eventually(lambda: (line := lines.standing(AAPL)) and line.doubtful)
    assert "lost its market data farm" in await refused(system, "retrying", event)
    assert system.sim.exchange.fills == ()


async def test_an_account_that_left_the_login_gets_no_order(system: System) -> None:
    async with planned(system) as (processor, event):
        processor.gateway.accounts = frozenset({"DU1000002"})
    assert "DU1000001" in await refused(system, "dead", event)
    assert system.sim.exchange.fills == ()


async def test_a_market_buy_that_would_eat_the_reserve_stops(system: System) -> None:
    """The price rises within what is tolerated, and still the plan cannot pay for it."""
    with_keys(system, "order_type: MKT", "slippage_percent: 0.1", "open_orders: respect")
    system.accounts = system.accounts.replace("unlisted: liquidate", "unlisted: keep")
    async with planned(system) as (processor, event):
        set_price(system, "SPY", "510")
        await eventually(lambda: shown(processor, SPY, 510))
    reason = await refused(system, "retrying", event)
    assert "below the reserve" in reason
    assert system.bought().get("SPY", 0) == 0


async def test_what_was_sent_before_the_breach_is_settled(system: System) -> None:
    """The first of a pass goes out, the second breaks a rail."""
    system.accounts = ACCOUNTS.replace("unlisted: liquidate", "unlisted: keep")
    async with planned(system) as (processor, event):
        set_price(system, "SPY", "520")
        await eventually(lambda: shown(processor, SPY, 520))
    assert "the price of SPY, 520" in await refused(system, "retrying", event)
    bought = system.bought()
    assert set(bought) == {"BND"}
    settled = [e for e in await kinds(system, event) if e.kind == "settled"]
    assert [e.data["status"] for e in settled] == ["filled"]
    assert await system.queue.run(moves.open_intents("DU1000001")) == ()


async def test_a_refused_order_is_planned_anew_at_the_new_price(system: System) -> None:
    async with system.processor() as processor:
        await processor.gateway.ready(5.0)
        async with processor.gateway.sending:
            event = await system.enqueue()
            await system.until("pass", event)
            set_price(system, "AAPL", "190")
            await eventually(lambda: shown(processor, AAPL, 190))
        await system.until("retrying", event)
        await _swept_until(system, lambda: system.bought().get("AAPL") == -10)
    assert system.executed_twice() == []


# The trading day's turnover ---------------------------------------------------------------


async def day_counter(system: System) -> Decimal | str:
    day = hours.trading_day(time.time(), "America/New_York")
    return await system.queue.run(moves.day_turnover("DU1000001", day))


async def test_what_filled_is_counted_and_what_did_not_is_given_back(system: System) -> None:
    system.service += "processor:\n  fill_deadline_seconds: 0.3\n"
    part = (("symbol", "BND"), ("shares", "100"), ("then", "rest"))
    system.sim.inject(Fault("partial", "placeOrder", 1, part))
    async with system.processor():
        event = await system.enqueue()
        await system.until("partially_done", event)
    traded = sum(fill.shares * fill.price for fill in system.sim.exchange.fills)
    counted = await day_counter(system)
    assert isinstance(counted, Decimal)
    # Counted at the limit, which is at most half a percent dearer.
    assert traded <= counted <= traded * Decimal("1.006")


async def test_a_day_used_up_waits_for_the_next_across_processors_and_a_restart(
    system: System,
) -> None:
    async with system.processor():
        await system.result(await system.enqueue())
    spent = await day_counter(system)
    assert isinstance(spent, Decimal)
    # Between the first run and the limit there is room for nothing more.
    with_keys(system, "turnover_limit_per_day_percent: 110")
    system.accounts = system.accounts.replace("{SPY: 60%, BND: 40%}", "{SPY: 20%, BND: 80%}")
    system.service += "gateway:\n  client_id: 11\nprocessor:\n  worker: another\n"
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("delayed", event)
    assert (
        "this trading day is above turnover_limit_per_day_percent 110" in entry.data["reason"]
    )
    assert "wait for the next trading day" in entry.data["reason"]
    midnight = hours.next_trading_day(time.time(), "America/New_York")
    found = await system.queue.run(moves.show(event.event_id))
    assert found is not None
    assert found.due_at == pytest.approx(midnight, abs=5.0)
    assert await day_counter(system) == spent


async def test_a_count_that_fills_up_between_plan_and_order_stops_the_order(
    system: System,
) -> None:
    """As a second processor would, that had taken the account over meanwhile."""
    day = hours.trading_day(time.time(), "America/New_York")
    key = keys.turnover("DU1000001")
    async with planned(system) as (_, event):
        await system.queue.run(command("HSET", key, day, "30500000", parse=int))
    entry = await system.until("delayed", event)
    said = "with the order for AAPL is above turnover_limit_per_day_percent 300 of DU1000001"
    assert said in entry.data["reason"]
    assert system.sim.exchange.fills == ()


@pytest.mark.parametrize("when", ["plan", "order"])
async def test_a_count_nobody_can_read_stops_everything(system: System, when: str) -> None:
    day = hours.trading_day(time.time(), "America/New_York")
    spoil = command("HSET", keys.turnover("DU1000001"), day, "lots", parse=int)
    if when == "plan":
        await system.queue.run(spoil)
        async with system.processor():
            event = await system.enqueue()
            reason = await refused(system, "dead", event)
    else:
        async with planned(system) as (_, event):
            await system.queue.run(spoil)
        reason = await refused(system, "dead", event)
    assert "reads 'lots'; see `redis-cli HGETALL rebalance_turnover:DU1000001`" in reason
    assert system.sim.exchange.fills == ()


# Helpers ----------------------------------------------------------------------------------


async def _only_event(system: System) -> Event:
    entries = await system.queue.run(journal.read(limit=1000))
    (name,) = {entry.event_id for entry in entries if entry.kind == "queued"}
    return Event(name, "DU1000001", "rebalance", received_at=0.0)


async def _swept_until(system: System, condition: Callable[[], Any]) -> None:
    ends = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        await system.sweep()
