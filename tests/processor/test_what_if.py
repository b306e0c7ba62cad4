"""Margin and cost by the gateway's own word, before anything is sent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rebalancer.sim.vocabulary import Fault
from tests.processor.system import ACCOUNTS, System

pytestmark = pytest.mark.redis_server


def asking(system: System, *lines: str) -> None:
    added = "type: paper" + "".join(f"\n    {line}" for line in ("what_if: on", *lines))
    system.accounts = ACCOUNTS.replace("type: paper", added, 1)


async def test_by_default_nothing_is_asked(system: System) -> None:
    async with system.processor():
        result = await system.result(await system.enqueue())
    assert result["plan"]["what_if"] == []
    assert "margin_cushion" not in {check["name"] for check in result["checks"]}


async def test_the_preview_shows_margin_and_the_real_commission(system: System) -> None:
    asking(system)
    async with system.processor():
        result = await system.result(await system.enqueue(command="print-rebalance"))
    plan = result["plan"]
    told = {one["symbol"]: one for one in plan["what_if"]}
    assert told.keys() == {"AAPL", "BND", "SPY"}
    margins = {s: Decimal(one["initial_margin_change"]) for s, one in told.items()}
    assert margins["SPY"] > 0 > margins["AAPL"]
    fees = {line["symbol"]: Decimal(line["est_commission"]) for line in plan["lines"]}
    assert fees == {s: Decimal(one["commission"]) for s, one in told.items()}
    assert Decimal(plan["est_commission"]) == sum(fees.values())
    (cushion,) = (c for c in plan["checks"] if c["name"] == "margin_cushion")
    # About 101,000 of stock needs a quarter of its value; the rest of the equity is free.
    assert cushion["passed"]
    assert 74 <= Decimal(cushion["figure"]) <= 76
    assert system.sim.exchange.fills == ()


async def test_too_thin_a_cushion_refuses_before_the_first_order(system: System) -> None:
    asking(system, "min_margin_cushion_percent: 80")
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("dead", event)
    assert "the orders leave a margin cushion of 75." in entry.data["reason"]
    assert "below min_margin_cushion_percent 80 of DU1000001" in entry.data["reason"]
    assert system.sim.exchange.fills == ()


async def test_a_cushion_thick_enough_lets_it_trade(system: System) -> None:
    asking(system, "min_margin_cushion_percent: 70")
    async with system.processor():
        result = await system.result(await system.enqueue())
    cushions = [c for c in result["checks"] if c["name"] == "margin_cushion"]
    assert [c["passed"] for c in cushions] == [True, True]
    assert system.bought()["SPY"] > 100


async def test_what_the_gateway_would_refuse_is_not_sent(system: System) -> None:
    asking(system)
    refusing = (("code", "201"), ("text", "no permission"), ("instead", "yes"))
    system.sim.inject(Fault("error", "placeOrder", 1, refusing))
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("retrying", event)
    assert "the gateway refuses: " in entry.data["error"]
    assert "no permission" in entry.data["error"]
    assert system.sim.exchange.fills == ()


async def test_a_lost_connection_while_asking_is_tried_again(system: System) -> None:
    asking(system)
    system.sim.inject(Fault("disconnect", "placeOrder", 1))
    async with system.processor():
        event = await system.enqueue()
        await system.until("retrying", event)
    assert system.sim.exchange.fills == ()
