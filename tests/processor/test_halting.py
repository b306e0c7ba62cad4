"""The kill switch: what works already is cancelled, and that nothing is left is confirmed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.event import Event
from rebalancer.queue import moves
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec
from tests.processor.faulty_gateways import fault
from tests.processor.system import System, eventually
from tests.support.sim_gateway import SPY

pytestmark = pytest.mark.redis_server

#: Orders rest at the exchange for a minute.
RESTING = fault("late_fill", "placeOrder", 0, seconds=60)
#: They are not waited for when the test is over.
BRIEF = "processor: {shutdown_deadline_seconds: 0.1}\n"


async def typed(system: System, *arguments: str) -> tuple[int, Any, str]:
    """Type a command as an operator does; its exit code, its JSON and what it says."""
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "rebalancer", "--config", str(system.files().config), *arguments, "--json"),
        env={**os.environ, **system.environment()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await program.communicate()
    return program.returncode or 0, json.loads(out or b"null"), err.decode()


async def resting(system: System, account_id: str = "DU1000001") -> Event:
    """An event whose orders have reached the exchange and stay there."""
    event = await system.enqueue(account_id)
    await eventually(lambda: len(working(system, account_id)) > 0)
    return event


def working(system: System, account_id: str) -> list[str]:
    open_orders = system.sim.exchange.open_orders()
    return [o.order.action for o in open_orders if o.order.account == account_id]


async def test_open_orders_are_cancelled_and_none_is_left(system: System) -> None:
    system.sim.inject(RESTING)
    async with system.processor():
        event = await resting(system)
        code, said, _ = await typed(system, "halt", "--cancel-open", "--reason", "drill")
        assert code == 0
        assert [o["symbol"] for o in said["open_orders"]["all"]["cancelled"]] == ["AAPL"]
        assert said["open_orders"]["all"]["left"] == []
        assert system.sim.exchange.open_orders() == ()
        # The event finds its order gone, plans the buys, and stands before the halt.
        entry = await system.until("delayed", event)
        assert "drill" in entry.data["reason"]
    assert system.bought() == {}


async def test_only_the_scope_is_touched(system: System) -> None:
    system.sim.inject(RESTING)
    system.service += BRIEF
    async with system.processor():
        await resting(system, "DU1000001")
        await resting(system, "DU1000002")
        halting = ("halt", "--account", "DU1000001", "--cancel-open", "--reason", "drill")
        code, said, _ = await typed(system, *halting)
        assert code == 0
        assert list(said["open_orders"]) == ["account:DU1000001"]
        assert working(system, "DU1000001") == []
        assert working(system, "DU1000002") != []


async def test_a_symbol_is_cancelled_by_the_operators_spelling(system: System) -> None:
    system.sim.inject(RESTING)
    system.service += BRIEF
    async with system.processor():
        await resting(system, "DU1000002")
        halting = ("halt", "--symbol", "SPY", "--cancel-open", "--reason", "drill")
        code, said, _ = await typed(system, *halting)
        assert code == 0
        assert [o["symbol"] for o in said["open_orders"]["symbol:SPY"]["cancelled"]] == ["SPY"]
        left = {o.order.order_ref.split(":")[3] for o in system.sim.exchange.open_orders()}
        assert left == {"AAPL"}


async def test_somebody_elses_order_is_shown_and_not_claimed_to_be_gone(
    system: System,
) -> None:
    contract = ContractSpec(con_id=SPY, symbol="SPY", exchange="SMART")
    order = OrderSpec("BUY", Decimal(1), "LMT", Decimal(1), None, "GTC", "DU1000001", "by hand")
    system.sim.exchange.place(77, 1, contract, order, system.sim.now())
    async with system.processor():
        halting = ("halt", "--cancel-open", "--timeout", "4", "--reason", "drill")
        code, said, err = await typed(system, *halting)
    assert code == 1
    assert [o["client_id"] for o in said["open_orders"]["all"]["left"]] == [77]
    assert "other API clients" in err


async def test_without_a_processor_nothing_is_confirmed(system: System) -> None:
    halting = ("halt", "--cancel-open", "--timeout", "1", "--reason", "drill")
    code, said, err = await typed(system, *halting)
    assert code == 1
    assert said["open_orders"] == {}
    assert "no processor has answered" in err
    assert "all" in await system.queue.run(moves.halts())


async def test_a_processor_that_was_down_does_it_when_it_is_back(system: System) -> None:
    system.sim.inject(RESTING)
    system.service += BRIEF
    async with system.processor() as first:
        await resting(system)
        lost = first.gateway
        await lost.close()
    assert working(system, "DU1000001") == ["SELL"]
    await system.queue.run(moves.halt("all", now=time.time(), reason="drill", cancel_open=True))
    async with system.processor():
        await eventually(lambda: not working(system, "DU1000001"))
