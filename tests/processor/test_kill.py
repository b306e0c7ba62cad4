"""kill -9, at every kind of moment: the event runs again and no order is sent twice."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from rebalancer.queue import moves
from rebalancer.sim.vocabulary import Fault
from tests.processor.programs import process
from tests.processor.system import System, eventually

pytestmark = pytest.mark.redis_server


MOMENTS = ("leased", "planned", "pass", "intents", "settled", "replanned")


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at(system: System, moment: str) -> None:
    # Slow enough that the kill lands inside the step, not after it.
    system.sim.inject(Fault("late_fill", "placeOrder", 0, (("seconds", "0.1"),)))
    async with process(system) as processor:
        event = await system.enqueue()
        await system.until(moment, event)
        await processor.end(signal.SIGKILL)
        processor.start()
        began = time.monotonic()
        await system.until("reclaimed", event)
        again = time.monotonic() - began
        await finished(system, event.event_id)
    assert system.bought()["AAPL"] == -10
    assert system.executed_twice() == []
    assert system.sim.exchange.open_orders() == ()
    assert await system.queue.run(moves.open_intents("DU1000001")) == ()
    assert again < 10  # the figure that counts is measured in tests/bench


async def test_another_processor_takes_over_within_the_lease(system: System) -> None:
    system.service += "processor:\n  lease_seconds: 2\n"
    system.sim.inject(Fault("late_fill", "placeOrder", 1, (("seconds", "0.5"),)))
    async with process(system) as first:
        event = await system.enqueue()
        await system.until("intents", event)
        await first.end(signal.SIGKILL)
        other = {"REBALANCER_GATEWAY_CLIENT_ID": "11"}
        async with process(system, **other):
            await system.until("reclaimed", event)
            await finished(system, event.event_id)
    assert system.bought()["AAPL"] == -10


async def test_two_processors_share_the_work_and_double_nothing(system: System) -> None:
    other = {"REBALANCER_GATEWAY_CLIENT_ID": "11"}
    async with process(system), process(system, **other):
        await eventually(lambda: len(system.sim.hub.sessions) == 2)
        events = [await system.enqueue(a) for a in ("DU1000001", "DU1000002")]
        for event in events:
            await finished(system, event.event_id)
    assert system.bought()["AAPL"] == -10
    assert system.executed_twice() == []


async def test_sigterm_ends_it_in_order(system: System) -> None:
    async with process(system) as processor:
        event = await system.enqueue()
        await finished(system, event.event_id)
        await processor.end(signal.SIGTERM)
    log = (system.folder / "processor.log").read_text()
    assert "Traceback" not in log


async def finished(system: System, event_id: str) -> None:
    done = asyncio.create_task(system.until("completed", event_id, deadline=30))
    while not done.done():
        await system.sweep()
        await asyncio.wait({done}, timeout=0.1)
    await done
