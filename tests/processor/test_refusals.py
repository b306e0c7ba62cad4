"""What must not be traded is not, and the event says why."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from rebalancer.core.event import Event
from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.vocabulary import Fault
from tests.processor.system import ACCOUNTS, System
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import sim_gateway, small_world

pytestmark = pytest.mark.redis_server


async def dead_reason(system: System, event: Event) -> str:
    entry = await system.until("dead", event)
    return str(entry.data["reason"])


async def raw_event(system: System, account_id: str, command: str) -> Event:
    """An event as another program might push it, past the checks of our own sources."""
    event = Event(f"raw-{command}-{account_id}", account_id, command, received_at=time.time())
    await system.queue.run(moves.enqueue(event, now=time.time()))
    return event


async def test_unknown_command(system: System) -> None:
    async with system.processor():
        event = await raw_event(system, "DU1000001", "sell-everything")
        assert "unknown exec_command" in await dead_reason(system, event)


async def test_account_that_is_not_configured(system: System) -> None:
    async with system.processor():
        event = await system.enqueue("DU9999999")
        assert "is not in accounts.yaml" in await dead_reason(system, event)


async def test_account_that_is_disabled(system: System) -> None:
    system.accounts = ACCOUNTS.replace("type: paper", "type: paper\n    enabled: false", 1)
    async with system.processor():
        event = await system.enqueue("DU1000001")
        assert "enabled: false" in await dead_reason(system, event)


async def test_live_account_while_trading_mode_is_paper(system: System) -> None:
    system.accounts = ACCOUNTS.replace("type: paper", "type: live", 1)
    async with system.processor():
        event = await system.enqueue("DU1000001")
        assert "is of type live, and trading_mode is paper" in await dead_reason(system, event)


async def test_account_that_the_gateway_does_not_have(system: System) -> None:
    system.accounts = ACCOUNTS.replace("DU1000002", "DU7000000")
    async with system.processor():
        event = await system.enqueue("DU7000000")
        assert "is not managed by the login" in await dead_reason(system, event)


async def test_account_whose_name_denies_its_type(system: System) -> None:
    system.accounts = ACCOUNTS.replace("DU1000002", "U7000000")
    async with system.processor():
        event = await system.enqueue("U7000000")
        assert "live account by its name" in await dead_reason(system, event)


async def test_account_without_a_target(system: System) -> None:
    system.accounts = "accounts:\n  - {account_id: DU1000001, type: paper}\n"
    async with system.processor():
        event = await system.enqueue()
        assert "has no target" in await dead_reason(system, event)


async def test_unknown_symbol(system: System) -> None:
    system.accounts = ACCOUNTS.replace("BND: 40%", "NOPE: 40%")
    async with system.processor():
        event = await system.enqueue()
        assert "NOPE" in await dead_reason(system, event)
    assert system.sim.exchange.fills == ()


async def test_one_contract_under_two_names(system: System) -> None:
    system.accounts = ACCOUNTS.replace("BND: 40%", "'conid:756733': 40%")
    async with system.processor():
        event = await system.enqueue()
        assert "the same contract" in await dead_reason(system, event)


@pytest.mark.parametrize("kind", ["price_nan", "price_minus_one", "no_data"])
async def test_without_a_usable_price_nothing_is_planned(system: System, kind: str) -> None:
    system.service += "  \nprocessor:\n  price_deadline_seconds: 0.3\n"
    system.sim.inject(Fault(kind, "+0", 0, (("symbol", "BND"),)))
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("retrying", event)
    assert "BND" in entry.data["error"]
    assert system.sim.exchange.fills == ()


async def test_working_orders_refuse_when_the_policy_says_so(system: System) -> None:
    system.accounts = ACCOUNTS.replace("unlisted: liquidate", "open_orders: refuse")
    _rest_an_order(system)
    async with system.processor():
        event = await system.enqueue()
        assert "open_orders: refuse" in await dead_reason(system, event)


async def test_working_orders_of_others_are_not_fought(system: System) -> None:
    _rest_an_order(system)
    async with system.processor():
        event = await system.enqueue()
        reason = await dead_reason(system, event)
    assert "cancelled where they were placed" in reason.replace("cancel them", "cancelled")
    assert system.sim.exchange.fills == ()


def _rest_an_order(system: System) -> None:
    from decimal import Decimal

    from rebalancer.sim.vocabulary import ContractSpec, OrderSpec

    order = OrderSpec("BUY", Decimal(5), "LMT", Decimal(10), None, "GTC", "DU1000001")
    spec = ContractSpec(symbol="SPY", sec_type="STK", exchange="SMART", currency="USD")
    exchange = system.sim.exchange
    system.sim.tell(exchange.place(77, 1, spec, order, system.sim.now()))


async def test_zero_cash_and_nothing_held_is_an_empty_plan(
    tmp_path: Path,
    redis: RedisServer,
) -> None:
    async for system in _with_cash(tmp_path, redis, "0"):
        async with system.processor():
            event = await system.enqueue("DU1000002")
            entry = await system.until("completed", event)
            assert entry.data["orders"] == []


async def test_negative_cash_without_holdings_buys_nothing(
    tmp_path: Path,
    redis: RedisServer,
) -> None:
    async for system in _with_cash(tmp_path, redis, "-500"):
        async with system.processor():
            event = await system.enqueue("DU1000002")
            await system.until("leased", event)
            await system.until("completed", event)
        assert system.sim.exchange.fills == ()


async def _with_cash(folder: Path, redis: RedisServer, cash: str) -> AsyncIterator[System]:
    from decimal import Decimal

    world = small_world()
    poor = replace(world.accounts[1], cash={"USD": Decimal(cash)})
    world = replace(world, accounts=(world.accounts[0], poor))
    async with sim_gateway(world) as sim, AsyncQueue(redis.url) as queue:
        yield System(folder, redis, sim, queue)
