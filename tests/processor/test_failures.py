"""Things go wrong on the way; the account still ends where it should, once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.queue import moves
from rebalancer.sim.vocabulary import Fault
from tests.processor.system import System, eventually

pytestmark = pytest.mark.redis_server


async def retried_until_complete(system: System, event_id: str) -> None:
    """Let the retry sweeper do its work until the event is complete."""
    done = asyncio.create_task(system.until("completed", event_id))
    while not done.done():
        await system.sweep()
        await asyncio.wait({done}, timeout=0.1)
    await done


async def test_a_refused_order_is_planned_again(system: System) -> None:
    system.sim.inject(Fault("reject", "placeOrder", 1, (("symbol", "BND"),)))
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("retrying", event)
        assert "did not fill" in entry.data["error"]
        await retried_until_complete(system, event.event_id)
    assert system.bought()["BND"] > 500
    assert system.executed_twice() == []


async def test_attempts_are_capped(system: System) -> None:
    system.sim.inject(Fault("reject", "placeOrder", 0, (("symbol", "BND"),)))
    async with system.processor():
        event = await system.enqueue()
        dead = asyncio.create_task(system.until("dead", event))
        while not dead.done():
            await system.sweep()
            await asyncio.wait({dead}, timeout=0.1)
        assert "attempts" in (await dead).data["reason"]


async def test_a_connection_lost_before_the_ack_does_not_trade_twice(system: System) -> None:
    system.sim.inject(Fault("disconnect", "placeOrder", 1, (("after", "done"),)))
    async with system.processor():
        event = await system.enqueue()
        await retried_until_complete(system, event.event_id)
    assert system.bought()["AAPL"] == -10
    assert system.executed_twice() == []


async def test_a_lost_ack_is_settled_by_order_ref(system: System) -> None:
    system.sim.inject(Fault("lost_ack", "placeOrder", 1))
    async with system.processor():
        event = await system.enqueue()
        await retried_until_complete(system, event.event_id)
    assert system.bought()["AAPL"] == -10
    assert system.executed_twice() == []


async def test_an_order_unfilled_at_the_deadline_is_cancelled_and_replanned(
    system: System,
) -> None:
    system.service += "processor:\n  fill_deadline_seconds: 0.3\n"
    only_part = (("symbol", "BND"), ("shares", "100"), ("then", "rest"))
    system.sim.inject(Fault("partial", "placeOrder", 1, only_part))
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("partially_done", event)
        statuses = {o["order_ref"].rsplit(":", 1)[-1]: o for o in entry.data["orders"]}
        assert statuses["BND"]["status"] == "cancelled"
        assert Decimal(statuses["BND"]["filled"]) == 100
        await retried_until_complete(system, event.event_id)
    assert system.bought()["BND"] > 500
    assert system.sim.exchange.open_orders() == ()


async def test_events_wait_in_the_queue_while_the_gateway_is_away(system: System) -> None:
    system.sim.inject(Fault("restart", "+0", 1, (("seconds", "1.5"),)))
    async with system.processor():
        event = await system.enqueue()
        shown = await system.queue.run(moves.show(event.event_id))
        assert shown is not None
        assert shown.state == "queued"
        entry = await system.until("completed", event)
    assert entry.data["orders"]
    stats = await system.queue.run(moves.stats(now=time.time()))
    assert (stats.queued, stats.leased, stats.dead) == (0, 0, 0)


async def test_redis_restarts_in_the_middle(system: System) -> None:
    system.sim.inject(Fault("late_fill", "placeOrder", 1, (("seconds", "0.5"),)))
    async with system.processor():
        event = await system.enqueue()
        await system.until("intents", event)
        await asyncio.to_thread(system.redis.restart)
        await system.until("completed", event)
    assert system.bought()["AAPL"] == -10
    assert system.executed_twice() == []


async def test_cash_that_lags_behind_the_sells_is_waited_for(system: System) -> None:
    system.sim.inject(Fault("cash_lag", "placeOrder", 1, (("seconds", "0.5"),)))
    async with system.processor():
        event = await system.enqueue()
        result = await system.result(event)
    assert Decimal(result["drift_reached"]) < Decimal("0.02")


@pytest.mark.parametrize("scope", ["all", "account:DU1000001", "symbol:AAPL"])
async def test_a_halt_stops_orders_until_resumed(system: System, scope: str) -> None:
    now = time.time()
    await system.queue.run(moves.halt(scope, now=now, reason="looking into it"))
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("delayed", event)
        assert "looking into it" in entry.data["reason"]
        assert "AAPL" not in system.bought()


async def test_a_halt_survives_a_redis_crash(system: System) -> None:
    await system.queue.run(moves.halt("all", now=time.time(), reason="vacation"))
    await asyncio.sleep(1.1)  # appendfsync everysec
    await asyncio.to_thread(system.redis.restart)
    assert "all" in await system.queue.run(moves.halts())


async def test_sigterm_releases_what_has_sent_nothing(system: System) -> None:
    system.sim.inject(Fault("stall", "reqPositionsMulti", 1, (("seconds", "30"),)))
    async with system.processor():
        event = await system.enqueue()
        await system.until("leased", event)
    entry = await system.until("released", event)
    assert entry.event_id == event.event_id
    assert system.sim.exchange.fills == ()


async def test_sigterm_lets_orders_in_flight_finish(system: System) -> None:
    system.sim.inject(Fault("late_fill", "placeOrder", 1, (("seconds", "0.7"),)))
    async with system.processor():
        event = await system.enqueue()
        await system.until("intents", event)
    await system.until("completed", event, deadline=1.0)
    assert system.bought()["AAPL"] == -10


async def test_an_open_intent_that_never_arrived_is_settled_and_traded(system: System) -> None:
    """As if the processor had been killed between writing the intent and sending the order."""
    from rebalancer.core.order import Intent, Order

    event = await system.enqueue()
    lease = await system.queue.take("dead-worker", now=time.time, ttl=0.05, wait=2.0)
    assert lease is not None
    number = await system.queue.run(moves.begin_pass(lease, now=time.time()))
    order = Order("rb:x:1:AAPL", "DU1000001", "AAPL", 265598, "SELL", 10, "LMT", Decimal(190))
    intent = Intent(order, event.event_id, number, time.time())
    await system.queue.run(moves.record_intents(lease, [intent], now=time.time()))
    async with system.processor():
        await system.until("completed", event)
    assert await system.queue.run(moves.open_intents("DU1000001")) == ()
    assert system.bought()["AAPL"] == -10
    settled = await system.until("settled", event)
    assert "not known to the gateway" in str(settled.data)


async def test_other_commands_report_and_touch_nothing(system: System) -> None:
    async with system.processor():
        for command in ("print-positions", "print-equity", "print-orders", "print-rebalance"):
            result = await system.result(await system.enqueue(command=command))
            assert result["command"] == command
    assert system.sim.exchange.fills == ()


async def test_one_account_does_one_thing_at_a_time(system: System) -> None:
    system.sim.inject(Fault("late_fill", "placeOrder", 1, (("seconds", "0.5"),)))
    async with system.processor():
        event = await system.enqueue()
        await eventually(system.sim.exchange.open_orders)
        cancel = await system.enqueue(command="cancel-orders")
        await system.until("parked", cancel)
        assert system.sim.exchange.open_orders()
        await system.until("completed", event)
        await system.until("completed", cancel)
    assert system.bought()["AAPL"] == -10


async def test_cancel_orders_leaves_none_of_our_own(system: System) -> None:
    system.service += "processor:\n  fill_deadline_seconds: 0.2\n"
    system.sim.inject(Fault("halt", "+0", 1, (("symbol", "AAPL"), ("seconds", "60"))))
    system.sim.inject(Fault("cancel_lost", "cancelOrder", 1))
    system.service += "  cancel_deadline_seconds: 0.3\n"
    async with system.processor():
        event = await system.enqueue()
        entry = await system.until("retrying", event)
        assert "still working" in entry.data["error"]
        assert system.sim.exchange.open_orders()
        cancel = await system.enqueue(command="cancel-orders")
        await system.until("completed", cancel)
    assert system.sim.exchange.open_orders() == ()


async def test_orders_of_a_removed_event_are_not_forgotten(system: System) -> None:
    system.sim.inject(Fault("halt", "+0", 1, (("symbol", "AAPL"), ("seconds", "60"))))
    async with system.processor() as processor:
        processor._limits = replace(processor._limits, unminded=0.2)
        event = await system.enqueue()
        await eventually(system.sim.exchange.open_orders)
        await system.queue.run(moves.remove(event.event_id, now=time.time()))
        await eventually(lambda: not system.sim.exchange.open_orders())
    assert await system.queue.run(moves.open_intents("DU1000001")) == ()


async def test_orders_whose_time_is_over_are_not_sent(system: System) -> None:
    system.sim.inject(Fault("reject", "placeOrder", 0))
    async with system.processor() as processor:
        processor._deadlines = replace(processor._deadlines, in_flight=0.0)
        event = await system.enqueue()
        entry = await system.until("retrying", event)
    assert "its time to be sent is over" in entry.data["error"]
    assert system.sim.exchange.completed_orders() == ()
