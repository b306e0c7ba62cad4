"""Deposits, withdrawals and conditions, carried out on the simulated gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rebalancer.core.event import Event
from rebalancer.queue import approvals, keys, moves
from rebalancer.queue.move import command
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec
from rebalancer.sim.world import Clock
from tests.processor import chronicle
from tests.processor.chaos import FIRST, Arena, arena, running
from tests.processor.faulty_gateways import fault
from tests.processor.system import SERVICE, eventually
from tests.processor.test_halting import typed
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import small_world

pytestmark = pytest.mark.redis_server

DRIFT = {"when": {"drift_exceeds_percent": 5}}
NEVER = {"when": {"drift_exceeds_percent": 100, "uninvested_cash_exceeds_percent": "99.5"}}


@pytest.fixture
async def system(tmp_path: Path, redis: RedisServer) -> AsyncIterator[Arena]:
    """20,000 in cash and 82,000 in AAPL, which the target does not want."""
    async with arena(tmp_path, redis, service=SERVICE) as made:
        yield made


async def test_a_deposit_is_invested_and_nothing_is_sold(system: Arena) -> None:
    async with system.processor():
        result = await system.result(await system.enqueue(data={"mode": "buy-only"}))
        [record], _ = await chronicle.read(system)
    bought = system.bought()
    assert bought
    assert min(bought.values()) > 0
    assert result["plan"]["mode"] == "buy-only"
    assert record["aim"] == {"mode": "buy-only", "aside": "0"}
    assert record["event"]["data"] == {"mode": "buy-only"}


async def test_an_amount_is_raised_once_however_often_it_is_asked_for(system: Arena) -> None:
    async with system.processor():
        first = await system.result(await system.enqueue(data={"raise_cash": "30000"}))
        sold = system.bought()
        again = await system.result(await system.enqueue(data={"raise_cash": 30_000}))
    # 20,000 are there; 11,020 are lacking with the reserve of one percent.
    assert sold == {"AAPL": -56}
    assert first["plan"]["reserve"] == "31020.0000"
    assert system.exchange.cash(FIRST) >= 31_020
    assert again["orders"] == []
    assert system.bought() == sold


async def test_more_than_there_is_is_refused_with_figures(system: Arena) -> None:
    system.accounts = system.accounts.replace("targets:", "no_sell: [AAPL], targets:", 1)
    async with system.processor():
        event = await system.enqueue(data={"raise_cash": 100_000_000})
        dead = await system.until("dead", event)
        second = await system.enqueue(data={"raise_cash": "20000"})
        short = await system.until("dead", second)
    assert "100000000.00 USD cannot be raised" in str(dead.data)
    assert "can be had above the reserve" in str(short.data)
    assert system.sim.exchange.fills == ()


async def test_data_that_nobody_understands_are_refused(system: Arena) -> None:
    raw = (
        b'{"event_id":"odd","account_id":"DU1000001","exec_command":"rebalance",'
        b'"received_at":1.5,"data":{"raisecash":5000}}'
    )
    await system.queue.run(command("LPUSH", keys.QUEUE, raw, parse=int))
    async with system.processor():
        dead = await system.until("dead", "odd")
    assert "unknown in data: 'raisecash'" in str(dead.data)
    assert system.sim.exchange.fills == ()


async def test_an_approval_that_finds_nothing_waiting_does_nothing(system: Arena) -> None:
    async with system.processor():
        result = await system.result(await system.enqueue(data={"asks": {}}))
    assert result == {"command": "rebalance", "nothing_due": "nothing was asked for"}
    assert system.exchange.fills == ()


async def test_below_its_threshold_nothing_is_touched_and_the_figures_are_told(
    system: Arena,
) -> None:
    order = OrderSpec("BUY", Decimal(5), "LMT", Decimal(480), None, "GTC", FIRST)
    spec = ContractSpec(symbol="SPY", sec_type="STK", exchange="SMART", currency="USD")
    exchange = system.sim.exchange
    system.sim.tell(exchange.place(10, 1, spec, order, system.sim.now()))
    async with system.processor():
        event = await system.enqueue(data=NEVER)
        result = await system.result(event)
        [record], wrong = await chronicle.read(system)
        code, story, _ = await typed(system, "history", "show", event.event_id)
    assert wrong == []
    assert result["nothing_due"].startswith("below threshold: ")
    assert result["condition"]["due"] is False
    assert result["condition"]["drift"]["BND"]["absolute"].startswith("-0.39")
    assert record["condition"] == result["condition"]
    assert record["outcome"]["status"] == "completed"
    assert record["outcome"]["reason"] == result["nothing_due"]
    assert record["plan"] is None
    assert record["drift"]["after"] == result["drift_before"]
    assert (code, story[0]["condition"]) == (0, record["condition"])
    # A look is no reason to cancel what somebody else has working.
    assert len(exchange.open_orders()) == 1
    assert exchange.fills == ()


async def test_above_it_the_account_is_rebalanced(system: Arena) -> None:
    async with system.processor():
        result = await system.result(await system.enqueue(data=DRIFT))
        again = await system.result(await system.enqueue(data=DRIFT))
    assert "BND is off by -" in result["condition"]["says"]
    assert Decimal(result["drift_reached"]) < Decimal("0.01")
    assert again["nothing_due"]


async def test_what_is_asked_for_under_conditions_is_decided_for_each(system: Arena) -> None:
    """Cash is above its threshold, drift is not: cash is invested, and nothing is sold."""
    cash_only = {"mode": "buy-only", "when": {"uninvested_cash_exceeds_percent": 1}}
    first = await system.enqueue(data=NEVER)
    await system.enqueue(data=cash_only)
    async with system.processor():
        result = await system.result(first)
    assert result["plan"]["mode"] == "buy-only"
    assert all(shares > 0 for shares in system.bought().values())


async def test_outside_hours_a_condition_waits_for_the_opening(
    tmp_path: Path, redis: RedisServer
) -> None:
    saturday = datetime.fromisoformat("2026-01-17T12:00-05:00").timestamp()
    closed = replace(small_world(), clock=Clock(start=saturday, always_open=False))
    async with arena(tmp_path, redis, closed) as system, system.processor():
        entry = await system.until("delayed", await system.enqueue(data=NEVER))
    assert "outside the liquid hours" in entry.data["reason"]


# Killed -------------------------------------------------------------------------------------


async def test_killed_after_its_sells_a_conditional_rebalance_still_buys(
    system: Arena,
) -> None:
    """The sells alone have brought the account below the threshold."""
    # Without AAPL, which the target does not want, there is too little of the others only.
    data = {"when": {"drift_exceeds_percent": 70}}
    system.sim.inject(fault("late_fill", "placeOrder", 0, seconds=0.1))
    event = await system.enqueue(FIRST, data=data)
    victim = system.victim()
    async with running(victim):
        await eventually(lambda: system.bought().get("AAPL") == -410)
        await victim.end()
        victim.start()
        await system.settle_down([event])
    assert system.bought().keys() == {"AAPL", "SPY", "BND"}
    assert system.executed_twice() == []


# With the rest ------------------------------------------------------------------------------


def asking(system: Arena) -> None:
    system.accounts = (
        f"accounts:\n  - {{account_id: {FIRST}, type: paper, unlisted: liquidate, what_if: on, "
        f"approval: required, targets: {{SPY: 60%, BND: 40%}}}}\n"
    )


async def proposed(system: Arena, event: Event) -> approvals.Pending:
    await system.until("delayed", event)
    return (await system.queue.run(approvals.pending()))[FIRST]


@pytest.mark.parametrize(
    "data", [{"mode": "buy-only"}, {"raise_cash": "30000"}, DRIFT], ids=str
)
async def test_what_was_asked_for_is_what_is_approved_and_traded(
    system: Arena, data: dict[str, Any]
) -> None:
    asking(system)
    async with system.processor():
        event = await system.enqueue(data=data)
        pending = await proposed(system, event)
        await typed(system, "approve", FIRST, pending.proposal.plan_hash)
        result = await system.result(event)
    wanted = {x["symbol"]: x["trade"] for x in pending.plan["lines"] if x["trade"]}
    assert system.bought() == wanted
    assert wanted
    assert result["plan"]["mode"] == pending.plan["mode"]
    assert {answer["symbol"] for answer in result["plan"]["what_if"]} == set(wanted)
    found = await system.queue.run(moves.show(event.event_id))
    assert found is not None
    assert found.outcome is not None


async def test_what_a_person_agreed_to_is_done_though_it_would_no_longer_be_due(
    system: Arena,
) -> None:
    asking(system)
    async with system.processor():
        # AAPL is 80.39% of the account, and 80.35% once its price has fallen a little.
        event = await system.enqueue(data={"when": {"drift_exceeds_percent": "80.36"}})
        pending = await proposed(system, event)
        system.sim.inject(fault("set_price", "+0", symbol="AAPL", price="199.4"))
        await typed(system, "approve", FIRST, pending.proposal.plan_hash)
        result = await system.result(event)
    wanted = {x["symbol"]: x["trade"] for x in pending.plan["lines"] if x["trade"]}
    assert system.bought() == wanted
    assert result["condition"]["exceeded"] == {"full": []}
    assert result["condition"]["begun"] == "full:0"


async def test_something_else_asked_for_meanwhile_is_asked_about_anew(system: Arena) -> None:
    asking(system)
    async with system.processor():
        event = await system.enqueue(data={"mode": "buy-only"})
        first = await proposed(system, event)
        await system.enqueue()
        await typed(system, "approve", FIRST, first.proposal.plan_hash)
        second = first
        while second.proposal.plan_hash == first.proposal.plan_hash:
            second = (await system.queue.run(approvals.pending()))[FIRST]
    assert second.plan["mode"] == "full"
    assert second.approved_at is None
    assert system.sim.exchange.fills == ()


async def test_a_withdrawal_keeps_to_the_tax_guards(system: Arena) -> None:
    """What was bought within a year is worth more than it cost: it is not sold for this."""
    system.accounts = system.accounts.replace(
        "unlisted: liq", "avoid_short_term_gains: on, unlisted: liq", 1
    )
    async with system.processor():
        await system.result(await system.enqueue())
        bought = system.bought()
        for symbol, price in (("SPY", "520"), ("BND", "78")):
            system.sim.inject(fault("set_price", "+0", symbol=symbol, price=price))
        dead = await system.until("dead", await system.enqueue(data={"raise_cash": "30000"}))
    assert "can be had above the reserve" in str(dead.data)
    assert system.bought() == bought
