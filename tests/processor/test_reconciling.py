"""Orders of the day against what is remembered: what differs stops the account, and only it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.order import Intent, Order, OrderReport
from rebalancer.processor import reconciling
from rebalancer.queue import journal, moves
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Entry, Hold
from rebalancer.sim.strikes import Verdict
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec
from tests.processor.faulty_gateways import fault
from tests.processor.system import System, eventually
from tests.support.sim_gateway import SPY

pytestmark = pytest.mark.redis_server

FIRST, SECOND = "DU1000001", "DU1000002"
REF = "rb:0123456789ab:1:SPY"
ORDER = Order(REF, FIRST, "SPY", SPY, "BUY", 3, "MKT", None)


def execute(system: System, order: Order, *, client: int = 77, order_id: int = 900) -> None:
    """An order that somebody sent; it fills at once unless its limit forbids it."""
    spec = OrderSpec(
        order.action,
        Decimal(order.quantity),
        order.order_type,
        order.limit_price,
        None,
        order.tif,
        order.account_id,
        order_ref=order.order_ref,
    )
    contract = ContractSpec(con_id=order.con_id, symbol=order.symbol, exchange="SMART")
    exchange = system.sim.exchange
    system.sim.tell(exchange.place(client, order_id, contract, spec, system.sim.now()))


async def remember(system: System, order: Order, report: OrderReport | None) -> None:
    """As if an earlier event had sent the order and, with a report, learned its outcome."""
    event = await system.enqueue(order.account_id, "settle-orders")
    lease = await system.queue.take("earlier", now=time.time, ttl=20, wait=2)
    assert lease is not None
    now = time.time()
    intent = Intent(order, event.event_id, 1, now - 60, currency="USD")
    await system.queue.run(moves.record_intents(lease, [intent], now=now))
    if report is not None:
        await system.queue.run(moves.settle_intent(lease, report, now=now))
    await system.queue.run(moves.complete(lease, now=now, result={}))


def outcome(filled: int = 0) -> OrderReport:
    return OrderReport(REF, "cancelled", Decimal(filled), Decimal(3 - filled), Decimal(500))


async def entries(system: System, kind: str) -> list[Entry]:
    return [e for e in await system.queue.run(journal.read(limit=1000)) if e.kind == kind]


async def hold(system: System, account_id: str = FIRST) -> Hold | None:
    return await system.queue.run(moves.held(account_id))


async def compared(system: System, times: int = 1) -> None:
    """Return when orders have been compared so often."""
    position = journal.START
    while times > 0:
        for entry in await system.queue.watch(position, wait=5):
            position = entry.id
            times -= entry.kind == "reconciled"


async def test_an_order_that_nobody_remembers_holds_its_account_only(system: System) -> None:
    execute(system, ORDER)
    async with system.processor():
        event, other = await system.enqueue(FIRST), await system.enqueue(SECOND)
        delayed = await system.until("delayed", event)
        await system.result(other)
    assert delayed.data["reason"] == (
        "held: an order differs between the gateway and what is remembered of DU1000001; "
        "see rebalancer accounts show DU1000001"
    )
    found = await hold(system)
    assert found is not None
    assert [row["kind"] for row in found.differences] == ["unknown"]
    (alert,) = await entries(system, "alert")
    assert (alert.account_id, alert.data["title"]) == (FIRST, "DU1000001 is held")
    assert "ours nothing, the gateway's BUY SPY of DU1000001 by client 77" in alert.data["text"]
    assert "rebalancer accounts resume DU1000001" in alert.data["remedy"]
    assert {fill.order_ref for fill in system.sim.exchange.fills if fill.account == FIRST} == {
        REF
    }


async def test_accepted_it_trades_again_and_is_not_held_for_the_same(system: System) -> None:
    execute(system, ORDER)
    async with system.processor():
        event = await system.enqueue(FIRST)
        await system.until("delayed", event)
        await system.queue.run(moves.accept(FIRST, reason="it was me", now=time.time()))
        await system.enqueue(FIRST, priority="high")  # need not wait out the delay
        await system.result(event)
        system.sim.inject(fault("disconnect", "+0"))
        await compared(system, 2)
        await system.result(await system.enqueue(FIRST))
    assert await hold(system) is None
    assert len(await entries(system, "alert")) == 1
    async with system.processor():
        await compared(system, 3)
        # Had it executed more meanwhile, that would be another matter.
        execute(system, replace(ORDER, order_ref="rb:0123456789ab:2:SPY"), order_id=901)
        system.sim.inject(fault("disconnect", "+0"))
        await compared(system, 4)
    assert await hold(system) is not None
    assert len(await entries(system, "alert")) == 2


async def test_a_memory_that_was_lost_holds_what_was_traded(system: System) -> None:
    async with system.processor():
        for account in (FIRST, SECOND):
            await system.result(await system.enqueue(account))
    await system.queue.run(command("FLUSHALL", parse=bool))
    async with system.processor():
        events = [await system.enqueue(account) for account in (FIRST, SECOND)]
        for event in events:
            await system.until("delayed", event)
    found = await hold(system)
    assert found is not None
    assert len(found.differences) == 3  # AAPL sold, SPY and BND bought


async def test_what_filled_after_it_was_written_off_holds(system: System) -> None:
    await remember(system, ORDER, outcome(filled=1))
    execute(system, ORDER)
    async with system.processor():
        await system.until("delayed", await system.enqueue(FIRST))
    found = await hold(system)
    assert found is not None
    assert [row["kind"] for row in found.differences] == ["late fill"]


async def test_what_works_although_it_was_written_off_holds(system: System) -> None:
    resting = replace(ORDER, order_type="LMT", limit_price=Decimal(450))
    await remember(system, resting, outcome())
    execute(system, resting)
    async with system.processor():
        await system.until("delayed", await system.enqueue(FIRST))
        # It may well be looked at, and cancelled.
        await system.result(await system.enqueue(FIRST, "print-orders"))
    found = await hold(system)
    assert found is not None
    assert [row["kind"] for row in found.differences] == ["alive"]


async def test_an_order_in_another_account_holds_both(system: System) -> None:
    await remember(system, ORDER, None)
    execute(system, replace(ORDER, account_id=SECOND))
    async with system.processor():
        await compared(system)
    kinds = [
        [row["kind"] for row in found.differences]
        for account in (FIRST, SECOND)
        if (found := await hold(system, account)) is not None
    ]
    assert kinds == [["elsewhere"], ["elsewhere"]]


async def test_orders_by_hand_and_fills_of_open_intents_are_explained(system: System) -> None:
    await remember(system, ORDER, None)
    execute(system, ORDER)
    execute(system, replace(ORDER, order_ref=""), client=0, order_id=901)
    execute(system, replace(ORDER, order_ref="grid-7"), client=5, order_id=902)
    async with system.processor():
        await system.result(await system.enqueue(FIRST))
    assert await hold(system) is None
    (note,) = await entries(system, "reconciled")
    assert (note.data["shown"], note.data["remembered"], note.data["held"]) == (3, 1, [])


async def test_what_fills_while_the_connection_is_away_is_settled(system: System) -> None:
    system.sim.inject(fault("late_fill", "placeOrder", 0, seconds=0.2))
    system.sim.inject(fault("disconnect", "placeOrder", after="done"))
    async with system.processor():
        event = await system.enqueue(FIRST)
        await system.until("retrying", event)
        await compared(system, 2)
        await system.sweep()
        await eventually(lambda: system.sim.exchange.fills)
        await system.queue.run(moves.promote_retries(now=time.time() + 1))
        await system.result(event)
    assert await hold(system) is None
    assert system.executed_twice() == []


async def test_a_hold_survives_restarts_and_stops_at_the_gate(system: System) -> None:
    """Whoever holds it, and though this processor found no difference itself."""
    async with system.processor():
        await compared(system)
        execute(system, ORDER)
        system.folder = system.folder / "other"
        system.folder.mkdir()
        system.service += "gateway: {client_id: 11}\n"
        async with system.processor():
            await compared(system, 2)
        assert await hold(system) is not None
        event = await system.enqueue(FIRST)
        delayed = await system.until("delayed", event)
        assert delayed.data["reason"].startswith("halted before 1 orders")
        assert "between the gateway and what is remembered" in delayed.data["reason"]
    await system.queue.run(moves.remove(event.event_id, now=time.time()))
    async with system.processor():
        delayed = await system.until("delayed", await system.enqueue(FIRST))
        assert delayed.data["reason"].startswith("held: ")
    assert {f.order_ref for f in system.sim.exchange.fills if f.account == FIRST} == {REF}


async def test_nothing_is_traded_before_the_gateway_has_listed_everything(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "PATIENCE", 0.0)
    monkeypatch.setattr(reconciling, "PAUSE", 0.05)
    system.service += "gateway: {request_timeout_seconds: 0.3}\n"
    system.sim.inject(fault("drop", "reqExecutions", 3, message="execDetailsEnd"))
    event = await system.enqueue(FIRST)
    async with system.processor():
        await system.result(event)
    kinds = [e.kind for e in await system.queue.run(journal.read(limit=1000))]
    assert kinds.index("reconciled") < kinds.index("leased")
    (alert,) = await entries(system, "alert")
    assert "executions of all accounts: no full answer within 0.3 s" in alert.data["text"]
    assert kinds.count("retrying") == 0


async def test_orders_go_out_on_the_connection_that_was_compared(system: System) -> None:
    """A reconnect between plan and orders: nothing is sent, and the event is tried again."""
    async with system.processor() as processor:
        await compared(system)
        async with processor.gateway.sending:
            event = await system.enqueue(FIRST)
            await system.until("pass", event)
            generation = processor.gateway.generation
            system.sim.inject(fault("error", "+0", code=1102))
            await eventually(lambda: processor.gateway.generation > generation)
        entry = await system.until("retrying", event)
        assert entry.data["error"] == "the connection was interrupted in mid-flight"
        assert system.sim.exchange.fills == ()
        await system.queue.run(moves.promote_retries(now=time.time() + 1))
        await system.result(event)


async def test_what_another_settles_between_the_two_answers_is_no_difference(
    system: System,
) -> None:
    """It was at work when the gateway was asked, and written off when the memory was read."""
    resting = replace(ORDER, order_type="LMT", limit_price=Decimal(450))
    event = await system.enqueue(FIRST, "settle-orders")
    lease = await system.queue.take("other", now=time.time, ttl=20, wait=2)
    assert lease is not None
    now = time.time()
    intent = Intent(resting, event.event_id, 1, now, currency="USD")
    await system.queue.run(moves.record_intents(lease, [intent], now=now))
    execute(system, resting)
    settled = moves.settle_intent(lease, outcome(), now=now)
    meet, mishaps = system.sim.hub.mishaps.meet, system.sim.hub.mishaps

    def met(hub: Any, session: Any, name: str, fields: Sequence[str], at: float) -> Verdict:
        if name == "reqExecutions" and system.sim.exchange.open_orders():
            system.sim.exchange.cancel(77, 900, at)
            with Queue(system.redis.url) as queue:
                queue.run(settled)
        return meet(hub, session, name, fields, at)

    setattr(mishaps, "meet", met)  # noqa: B010 - of this one gateway
    async with system.processor():
        await compared(system)
    assert await hold(system) is None
    assert await entries(system, "settled") != []
