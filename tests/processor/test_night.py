"""Nights and weekends: no order before the gateway goes, no alarm while it may be gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rebalancer.processor.daemon import Processor
from rebalancer.queue import journal, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.vocabulary import Fault
from rebalancer.sim.world import Clock
from tests.processor.system import SERVICE, System, eventually
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import sim_gateway, small_world

pytestmark = pytest.mark.redis_server

RESTART = "{name: daily restart, start: 23:45, end: 00:15}"
LOGIN = "{name: weekly login, start: 01:00, end: 12:00, days: [sun], login: true}"


@asynccontextmanager
async def night(
    folder: Path, redis: RedisServer, start: str, *, grace: float = 0.8, **clock: Any
) -> AsyncIterator[System]:
    """A system whose gateway lives at this local time of New York."""
    at = datetime.fromisoformat(f"{start}-05:00").timestamp()
    world = small_world(clock=Clock(start=at, **{"always_open": True, **clock}))
    service = (
        f"{SERVICE}gateway:\n  request_timeout_seconds: 1\n  alert_after_seconds: {grace}\n"
        f"  windows: [{RESTART}, {LOGIN}]\n"
    )
    async with sim_gateway(world) as sim, AsyncQueue(redis.url, timeout=2.0) as queue:
        yield System(folder, redis, sim, queue, service=service)


@asynccontextmanager
async def at_work(system: System) -> AsyncIterator[Processor]:
    """A processor that tells every moment that it lives, once its gateway is ready."""
    async with system.processor() as processor:
        processor._limits = replace(processor._limits, beat=0.02)
        await processor.gateway.ready(5.0)
        yield processor


def away(system: System, seconds: float) -> None:
    system.sim.inject(Fault("restart", "+0", 1, (("seconds", str(seconds)),)))


async def alerts(system: System) -> list[dict[str, Any]]:
    entries = await system.queue.run(journal.read(limit=10_000))
    return [dict(entry.data) for entry in entries if entry.kind == "alert"]


async def told(system: System, *titles: str) -> list[dict[str, Any]]:
    """What people were told, once it is this."""
    ends = time.monotonic() + 10
    while True:
        found = await alerts(system)
        if [alert["title"] for alert in found] == list(titles):
            return found
        assert time.monotonic() < ends, found
        await asyncio.sleep(0.02)


async def heartbeat(system: System) -> dict[str, Any]:
    daemons = await system.queue.run(moves.daemons())
    return dict(daemons["processor"].info) if "processor" in daemons else {}


# No orders ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "says", "minutes"),
    [
        ("2026-03-04T23:41", "daily restart of the gateway begins", 34),
        ("2026-03-04T23:50", "daily restart of the gateway lasts", 25),
        ("2026-03-08T00:56", "weekly login of the gateway begins", 604),  # clocks go forward
    ],
)
async def test_events_wait_until_the_window_is_over(
    tmp_path: Path, redis: RedisServer, start: str, says: str, minutes: float
) -> None:
    async with night(tmp_path, redis, start) as system, at_work(system):
        event = await system.enqueue()
        entry = await system.until("delayed", event)
    assert says in entry.data["reason"]
    assert entry.data["until"] - time.time() == pytest.approx(minutes * 60, abs=10)
    assert system.sim.exchange.completed_orders() == ()


async def test_well_before_a_window_everything_is_traded(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with night(tmp_path, redis, "2026-03-04T23:39") as system, at_work(system):
        await system.result(await system.enqueue())
    assert system.bought()["AAPL"] == -10


async def test_when_the_window_is_over_it_goes_on(tmp_path: Path, redis: RedisServer) -> None:
    async with night(tmp_path, redis, "2026-03-05T00:14:58") as system, at_work(system):
        event = await system.enqueue()
        await system.until("delayed", event)
        done = asyncio.create_task(system.until("completed", event))
        while not done.done():
            await system.sweep()
            await asyncio.wait({done}, timeout=0.1)
        await done
    assert system.bought()["AAPL"] == -10


async def test_after_the_window_the_market_has_to_be_open_too(
    tmp_path: Path, redis: RedisServer
) -> None:
    start = "2026-03-04T23:50"
    async with night(tmp_path, redis, start, always_open=False) as system, at_work(system):
        entry = await system.until("delayed", await system.enqueue())
    opens = datetime.fromisoformat("2026-03-05T09:30-05:00").timestamp()
    begins = datetime.fromisoformat(f"{start}-05:00").timestamp()
    assert entry.data["until"] - time.time() == pytest.approx(opens - begins, abs=10)


async def test_what_reads_only_is_done_in_a_window_too(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with night(tmp_path, redis, "2026-03-04T23:50") as system, at_work(system):
        await system.result(await system.enqueue(command="print-positions"))


# No alarms ----------------------------------------------------------------------------------


async def test_in_a_window_an_absence_is_no_alarm(
    tmp_path: Path, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with night(tmp_path, redis, "2026-03-04T23:50") as system, at_work(system) as it:
        caplog.clear()
        away(system, 2.0)
        await eventually(lambda: not it.gateway.is_connected)
        ends = time.monotonic() + 5
        while "; expected until " not in (info := await heartbeat(system))["status"]:
            assert time.monotonic() < ends, info
            await asyncio.sleep(0.01)
        assert info["gateway_expected_down_until"] - time.time() == pytest.approx(1500, abs=10)
        assert info["gateway_state"]
        await eventually(lambda: it.gateway.is_ready)
        loud = [
            each
            for each in caplog.records
            if each.name.startswith("rebalancer") and each.levelno >= logging.WARNING
        ]
        assert loud == []
        assert await alerts(system) == []


async def test_outside_of_windows_it_is_told_once_and_once_when_it_is_back(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with night(tmp_path, redis, "2026-03-04T12:00") as system, at_work(system) as it:
        assert (await heartbeat(system)).get("gateway_expected_down_until") is None
        event = await system.enqueue(command="print-equity")
        await system.until("completed", event)
        away(system, 2.2)
        (gone,) = await told(system, "IB Gateway is gone")
        assert "nothing listens there" in gone["text"]
        assert "rebalancer doctor" in gone["remedy"]
        kept = await system.enqueue()
        assert not it.gateway.is_connected
        await system.until("completed", kept)
        await told(system, "IB Gateway is gone", "IB Gateway is back")


async def test_a_short_absence_is_not_told(tmp_path: Path, redis: RedisServer) -> None:
    async with night(tmp_path, redis, "2026-03-04T12:00", grace=3.0) as system:
        async with at_work(system) as it:
            away(system, 0.3)
            await eventually(lambda: it.gateway.generation == 2)
            await system.result(await system.enqueue())
        assert await alerts(system) == []


async def test_one_that_is_not_back_at_the_end_of_its_window_is_told_then(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with night(tmp_path, redis, "2026-03-05T00:14:58") as system, at_work(system):
        left = datetime.fromisoformat("2026-03-05T00:15-05:00").timestamp() - system.sim.now()
        over = time.monotonic() + left
        away(system, 3.5)
        (gone, _) = await told(system, "IB Gateway is gone", "IB Gateway is back")
    assert "It has not come back from: daily restart" in gone["text"]
    assert time.monotonic() > over


async def test_a_login_that_ends_is_told_at_once(tmp_path: Path, redis: RedisServer) -> None:
    async with night(tmp_path, redis, "2026-03-08T01:00") as system, at_work(system):
        away(system, 2.0)
        (alert, _) = await told(
            system, "IB Gateway needs its login confirmed", "IB Gateway is back"
        )
    assert "IBKR Mobile" in alert["remedy"]


async def test_what_is_to_be_told_waits_for_redis(tmp_path: Path, redis: RedisServer) -> None:
    async with night(tmp_path, redis, "2026-03-04T12:00") as system, at_work(system) as it:
        away(system, 2.2)
        await asyncio.to_thread(redis.kill)
        await eventually(lambda: it.gateway.generation == 2)
        await asyncio.to_thread(redis.start)
        await told(system, "IB Gateway is gone", "IB Gateway is back")


async def test_another_session_is_told_once_though_it_cuts_the_connection(
    tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rebalancer.gateway.connection.PROBE", 0.1)
    async with night(tmp_path, redis, "2026-03-04T12:00", grace=5.0) as system:
        async with at_work(system) as it:
            await system.result(await system.enqueue("DU1000002"))
            system.sim.inject(Fault("competing_session", "+0", 1, (("seconds", "1"),)))
            await eventually(lambda: it.gateway.rival.said)
            event = await system.enqueue()
            await eventually(lambda: it.gateway.generation == 2)
            before = len(system.sim.exchange.completed_orders())
            await system.until("completed", event)
            assert len(system.sim.exchange.completed_orders()) > before
            (alert,) = await told(system, "Another session of the login has the market data")
        assert "10197" in alert["text"]
