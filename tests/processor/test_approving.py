"""Approval: exactly the plan that a person agreed to is traded, or they are asked again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.event import Event
from rebalancer.queue import approvals, moves
from rebalancer.queue.approvals import Pending
from tests.processor.faulty_gateways import fault
from tests.processor.programs import process
from tests.processor.system import System, eventually
from tests.processor.test_halting import typed

pytestmark = pytest.mark.redis_server

ACCOUNT = "DU1000001"


@pytest.fixture
def asking(system: System) -> System:
    system.accounts = (
        f"accounts:\n  - {{account_id: {ACCOUNT}, type: paper, unlisted: liquidate, "
        f"approval: required, targets: {{SPY: 60%, BND: 40%}}}}\n"
    )
    return system


async def proposed(system: System, event: Event | None = None) -> tuple[Event, Pending]:
    """An event whose plan waits for a person."""
    event = event or await system.enqueue()
    await system.until("delayed", event)
    return event, (await system.queue.run(approvals.pending()))[ACCOUNT]


def trades(plan: Mapping[str, Any]) -> dict[str, int]:
    return {line["symbol"]: line["trade"] for line in plan["lines"] if line["trade"]}


async def test_nothing_is_sent_before_and_exactly_the_plan_after(asking: System) -> None:
    async with asking.processor():
        event, pending = await proposed(asking)
        assert asking.sim.exchange.fills == ()
        # The market moves a little: limits follow it, the shares do not.
        asking.sim.inject(fault("set_price", "+0", symbol="SPY", price="502"))
        code, said, _ = await typed(asking, "approve", ACCOUNT, pending.proposal.plan_hash)
        assert (code, said["status"]) == (0, "approved")
        result = await asking.result(event)
    wanted = trades(pending.plan)
    assert asking.bought() == wanted
    assert {order["status"] for order in result["orders"]} == {"filled"}
    assert await asking.queue.run(approvals.pending()) == {}


async def test_another_hash_lets_nothing_trade(asking: System) -> None:
    async with asking.processor():
        _, pending = await proposed(asking)
        code, _, err = await typed(asking, "approve", ACCOUNT, "0123456789ab")
    assert code == 1
    assert pending.proposal.plan_hash in err
    assert asking.sim.exchange.fills == ()


async def test_a_portfolio_that_moved_is_asked_about_again(asking: System) -> None:
    async with asking.processor():
        event, first = await proposed(asking)
        asking.sim.inject(fault("set_price", "+0", symbol="SPY", price="530"))
        await typed(asking, "approve", ACCOUNT, first.proposal.plan_hash)
        pending = {ACCOUNT: first}
        while pending[ACCOUNT].proposal.plan_hash == first.proposal.plan_hash:
            pending = dict(await asking.queue.run(approvals.pending()))
        second = pending[ACCOUNT]
        assert second.approved_at is None
        assert asking.sim.exchange.fills == ()
        await eventually(lambda: trades(second.plan) != trades(first.plan))
        await typed(asking, "approve", ACCOUNT, second.proposal.plan_hash)
        await asking.result(event)
    assert asking.bought() == trades(second.plan)


async def test_an_expired_plan_is_not_agreed_to(asking: System) -> None:
    async with asking.processor():
        _, pending = await proposed(asking)
    late = pending.proposal.expires_at + 1
    answer = await asking.queue.run(
        approvals.approve(ACCOUNT, pending.proposal.plan_hash, by="me", now=late)
    )
    assert answer.status == "expired"


async def test_a_new_signal_does_not_change_what_waits(asking: System) -> None:
    async with asking.processor():
        event, first = await proposed(asking)
        await asking.enqueue()
        await asking.enqueue(priority="high")
        await asking.until("leased", event)
        _, second = await proposed(asking, event)
    assert second.proposal == first.proposal


async def test_a_rejected_plan_is_gone_with_its_event(asking: System) -> None:
    async with asking.processor():
        event, pending = await proposed(asking)
        typing = ("approve", ACCOUNT, pending.proposal.plan_hash, "--reject")
        assert (await typed(asking, *typing))[0] == 0
    found = await asking.queue.run(moves.show(event.event_id))
    assert found is not None
    assert found.state == "removed"
    assert await asking.queue.run(approvals.pending()) == {}


async def test_what_a_kill_left_of_an_approved_plan_is_traded_without_asking(
    asking: System,
) -> None:
    """Killed after the sells: the rest of exactly that plan follows."""
    asking.sim.inject(fault("late_fill", "placeOrder", 0, seconds=0.2))
    async with process(asking) as running:
        event, pending = await proposed(asking)
        await typed(asking, "approve", ACCOUNT, pending.proposal.plan_hash)
        await eventually(lambda: asking.bought().get("AAPL") == -10)
        await running.close()
    async with process(asking):
        await asking.until("completed", event)
    assert asking.bought() == trades(pending.plan)
    assert asking.executed_twice() == []


async def test_fills_that_were_partial_are_finished_without_asking(asking: System) -> None:
    asking.service += "processor: {fill_deadline_seconds: 0.3}\n"
    asking.sim.inject(fault("partial", "placeOrder", symbol="BND", shares=30, then="rest"))
    async with asking.processor():
        event, pending = await proposed(asking)
        await typed(asking, "approve", ACCOUNT, pending.proposal.plan_hash)
        await asking.until("retrying", event)
        ends = time.monotonic() + 10
        while asking.bought() != trades(pending.plan):
            assert time.monotonic() < ends
            await asking.sweep()
        await asking.until("completed", event)
    assert asking.bought() == trades(pending.plan)


async def test_without_the_setting_nobody_is_asked(system: System) -> None:
    async with system.processor():
        await system.result(await system.enqueue())
    assert await system.queue.run(approvals.pending()) == {}


async def test_the_waiting_are_listed_and_shown(asking: System) -> None:
    async with asking.processor():
        _, pending = await proposed(asking)
        _, listed, _ = await typed(asking, "approve")
        _, shown, _ = await typed(asking, "approve", ACCOUNT)
    assert [row["proposal"]["plan_hash"] for row in listed] == [pending.proposal.plan_hash]
    assert shown["plan"]["hash"] == pending.proposal.plan_hash
    assert Decimal(shown["proposal"]["cash"]) == pending.proposal.cash
