"""Nights, weekends and other sessions: what is expected, and who is told."""

from __future__ import annotations

import time

from rebalancer.queue import moves
from tests.processor.chaos import Arena
from tests.processor.failure_modes.stage import (
    ONE,
    SERVICE,
    alerts,
    entries,
    on_target,
    plays,
    sent,
    started,
)
from tests.processor.system import eventually

_GATEWAY = "gateway: {request_timeout_seconds: 2"
#: It ends seventeen minutes after the scenario's start.
RESTART = SERVICE.replace(
    _GATEWAY,
    f"{_GATEWAY}, alert_after_seconds: 0.8, "
    "windows: [{name: daily restart, start: 23:45, end: 00:15}]",
)
LOGIN = SERVICE.replace(
    _GATEWAY,
    f"{_GATEWAY}, alert_after_seconds: 0.8, "
    "windows: [{name: weekly login, days: [sun], start: 01:00, end: 12:00, login: true}]",
)


@plays("daily-restart", service=RESTART)
async def daily_restart(stage: Arena) -> None:
    async with started(stage) as processor:
        generation = processor.gateway.generation
        await eventually(lambda: "1300" in processor.gateway.last_error)
        await eventually(lambda: "nothing listens" in processor.gateway.last_error)
        assert not processor.gateway.is_connected
        event = await stage.enqueue(ONE)
        await eventually(lambda: processor.gateway.generation >= generation + 2)
        delayed = await stage.until("delayed", event)
    assert "daily restart of the gateway lasts" in delayed.data["reason"]
    assert 15 * 60 < delayed.data["until"] - time.time() < 17 * 60
    assert sent(stage) == []
    assert await alerts(stage) == []


@plays("weekly-login", service=LOGIN)
async def weekly_login(stage: Arena) -> None:
    async with started(stage) as processor:
        await eventually(lambda: not processor.gateway.is_connected)
        event = await stage.enqueue(ONE)
        await eventually(lambda: processor.gateway.is_ready)
        delayed = await stage.until("delayed", event)
        assert "weekly login of the gateway lasts" in delayed.data["reason"]
        await stage.until("alert", "")
        await _told(stage, ["IB Gateway needs its login confirmed", "IB Gateway is back"])
    assert sent(stage) == []
    shown = await stage.queue.run(moves.show(event.event_id))
    assert shown is not None
    assert shown.state == "delayed"


@plays("competing-session")
async def competing_session(stage: Arena) -> None:
    async with started(stage) as processor:
        event = await stage.enqueue(ONE)
        first = await stage.until("retrying", event)
        assert "10197" in first.data["error"]
        assert not processor.gateway.is_ready
        assert processor.gateway.is_connected
        another = await stage.enqueue(ONE, "print-equity")
        assert sent(stage) == []
        await stage.until("released", another)
        assert await entries(stage, "completed", another) == []
        await stage.until("completed", another)
        await stage.until("completed", event)
        assert processor.gateway.generation == 1
    assert await alerts(stage) == ["Another session of the login has the market data"]
    assert on_target(stage, ONE, SPY=0.6, BND=0.4)


async def _told(stage: Arena, titles: list[str]) -> None:
    ends = time.monotonic() + 5
    while await alerts(stage) != titles:
        assert time.monotonic() < ends, await alerts(stage)
        await stage.queue.watch("$", wait=0.05)
