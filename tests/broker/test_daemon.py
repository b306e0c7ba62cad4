"""Schedules through the daemon: due, overdue, missed; with Redis and the clock misbehaving."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rebalancer.broker.calendars import Almanac
from rebalancer.broker.clock import Clock
from rebalancer.broker.intake import Intake
from rebalancer.broker.rules import EVERY_DAY, TradingDays, Weekly
from rebalancer.broker.schedule import Schedule
from rebalancer.core.event import Event
from rebalancer.core.sessions import Offset
from rebalancer.queue import moves, signals
from tests.broker.stage import Stage, eventually, running
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis_server

UTC_ZONE = ZoneInfo("UTC")


def minutes_ago(minutes: float, account: str = "DU1") -> Schedule:
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    return Schedule(account, "rebalance", Weekly(at.time(), UTC_ZONE, EVERY_DAY))


def clock_of(*schedules: Schedule, grace: float = 300.0, starting: bool = True) -> Clock:
    return Clock(schedules, grace, starting=starting)


async def seen_before(redis: RedisServer, schedule: Schedule, days: float) -> None:
    """As if a broker had watched this schedule until so many days ago."""
    async with running(redis) as stage:
        at = time.time() - days * 86_400
        await stage.queue.run(signals.begin_schedules([schedule.name], now=at, begin=at))


async def test_what_was_due_while_no_broker_ran_is_signalled(redis: RedisServer) -> None:
    async with running(redis, clock_of(minutes_ago(2))) as stage:
        await stage.queued(1)
        assert await stage.counts("schedule") == {"accepted": 1}


async def test_what_was_due_before_the_grace_is_not(redis: RedisServer) -> None:
    async with running(redis, clock_of(minutes_ago(20), minutes_ago(1, "DU2"))) as stage:
        [event_id] = await stage.queued(1)
        assert event_id.startswith("DU2.")
        assert await stage.counts("schedule") == {"accepted": 1}


async def test_a_fresh_installation_has_missed_nothing(redis: RedisServer) -> None:
    async with running(redis, clock_of(minutes_ago(20))) as stage:
        await eventually(lambda: stage.queue.run(moves.daemons()), lambda d: "broker" in d)
        assert await stage.counts("schedule") == {}


async def test_what_was_missed_is_said_once(redis: RedisServer) -> None:
    schedule = minutes_ago(20)
    await seen_before(redis, schedule, 4.5)
    for _ in range(2):
        async with running(redis, clock_of(schedule)) as stage:
            [missed] = await stage.told("missed")
            assert missed.data["count"] == 5
            assert missed.account_id == "DU1"
            [alert] = await stage.told("alert")
            assert alert.data["title"] == "A scheduled rebalance was missed"
            assert alert.data["remedy"].endswith("rebalancer enqueue DU1 rebalance")
            assert await stage.queued(0) == []
            assert await stage.counts("schedule") == {"missed": 5}


async def test_what_was_missed_can_be_sent_again_as_it_was(redis: RedisServer) -> None:
    schedule = replace(minutes_ago(20), data={"mode": "buy-only"})
    await seen_before(redis, schedule, 0.5)
    async with running(redis, clock_of(schedule)) as stage:
        [missed] = await stage.told("missed")
        assert missed.data["data"] == {"mode": "buy-only"}
        [alert] = await stage.told("alert")
        wanted = """rebalancer enqueue DU1 rebalance --data '{"mode": "buy-only"}'"""
        assert alert.data["remedy"].endswith(wanted)


async def test_many_missed_within_the_grace_are_one_signal(redis: RedisServer) -> None:
    schedule = minutes_ago(2)
    await seen_before(redis, schedule, 4.5)
    async with running(redis, clock_of(schedule)) as stage:
        await stage.queued(1)
        assert await stage.counts("schedule") == {"accepted": 1}


async def test_a_schedule_taken_over_at_a_reload_does_not_look_back(redis: RedisServer) -> None:
    old, new = minutes_ago(20), minutes_ago(2, "DU2")
    async with running(redis, clock_of(old)) as stage:
        await eventually(lambda: stage.queue.run(moves.daemons()), lambda d: "broker" in d)
        await stage.broker.change([clock_of(old, new, starting=False)])
        await eventually(
            lambda: stage.queue.run(moves.daemons()),
            lambda d: "DU2" in d["broker"].info.get("next", {}),
        )
        assert await stage.queued(0) == []


async def test_what_schedules_ask_for_at_once_is_all_asked_for(redis: RedisServer) -> None:
    plain = minutes_ago(2)
    asking = [replace(plain, data=data) for data in ({"mode": "buy-only"}, {"raise_cash": "9"})]
    for _ in range(2):
        async with running(redis, clock_of(*asking)) as stage:
            await stage.queued(1)

            async def asked(stage: Stage = stage) -> Event | None:
                [item] = (await stage.queue.run(moves.list_events("queued"))).items
                return item.event if isinstance(item.event, Event) else None

            found = await eventually(asked, lambda event: bool(event and event.merged))
        assert found is not None
        assert found.merged == 1
        assert found.data == {
            "asks": {"buy-only": {"mode": "buy-only"}, "raise_cash": {"raise_cash": "9"}}
        }


async def test_a_restarted_broker_does_not_signal_again(redis: RedisServer) -> None:
    schedule = minutes_ago(2)
    for _ in range(2):
        async with running(redis, clock_of(schedule)) as stage:
            await stage.queued(1)
            page = await stage.queue.run(moves.list_events("queued"))
            assert [item.event.merged for item in page.items if item.event] == [0]


async def test_fires_when_its_time_comes(redis: RedisServer) -> None:
    async with running(redis, clock_of(minutes_ago(-0.01))) as stage:
        await stage.queued(1)


async def test_the_account_s_next_signal_is_shown(redis: RedisServer) -> None:
    soon, later = minutes_ago(-60), minutes_ago(-120)
    async with running(redis, clock_of(later, soon)) as stage:
        daemons = await eventually(
            lambda: stage.queue.run(moves.daemons()),
            lambda d: "broker" in d and bool(d["broker"].info.get("next")),
        )
    shown = daemons["broker"].info["next"]["DU1"]
    assert shown["at"] == soon.next_due(time.time(), {})
    assert shown["exec_command"] == "rebalance"
    assert daemons["broker"].info["status"] == "2 schedules"


async def test_redis_down_delays_a_signal_and_loses_none(redis: RedisServer) -> None:
    redis.kill()
    async with running(redis, clock_of(minutes_ago(2))) as stage:
        await asyncio.to_thread(redis.start)
        await stage.queued(1)


@dataclasses.dataclass
class Hands:
    """A clock that a test sets."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


async def waiting_for_redis(stage: Stage) -> None:
    async def waits() -> bool:
        return stage.broker.intake.waiting_since is not None

    await eventually(waits, bool)


async def test_redis_away_for_longer_than_the_grace_loses_none(redis: RedisServer) -> None:
    hands = Hands()
    redis.kill()
    first, second = minutes_ago(2), minutes_ago(-30, "DU2")
    async with running(redis, clock_of(first, second), clock=hands) as stage:
        await waiting_for_redis(stage)
        hands.ahead = 3 * 3600.0
        await asyncio.to_thread(redis.start)
        await stage.queued(2)
        assert await stage.counts("schedule") == {"accepted": 2}


async def test_a_reload_while_redis_is_away_loses_none(redis: RedisServer) -> None:
    hands = Hands()
    due, other = minutes_ago(2), minutes_ago(30, "DU2")
    await seen_before(redis, due, 0.5)
    redis.kill()
    async with running(redis, clock_of(due), clock=hands) as stage:
        await waiting_for_redis(stage)
        hands.ahead = 3600.0
        await stage.broker.change([clock_of(due, other, starting=False)])
        await asyncio.to_thread(redis.start)
        await stage.queued(1)
        assert await stage.counts("schedule") == {"accepted": 1}


async def test_a_clock_set_back_repeats_nothing_and_silences_nothing(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rebalancer.broker.clock.LONGEST_SLEEP", 0.05)
    hands = Hands(ahead=31 * 60.0)
    ahead, real = minutes_ago(-30), minutes_ago(-0.02, "DU2")
    async with running(redis, clock_of(ahead, real), clock=hands) as stage:
        await stage.queued(1)
        hands.ahead = 0.0
        await stage.queued(2)
        assert "the clock was set back by 18" in caplog.text
        hands.ahead = 31 * 60.0
        await eventually(
            lambda: stage.queue.run(moves.daemons()),
            lambda d: d["broker"].info["next"]["DU1"]["at"] > hands() + 3600,
        )
        assert await stage.counts("schedule") == {"accepted": 2}


async def test_a_calendar_that_cannot_be_computed_is_told_and_waits(redis: RedisServer) -> None:
    at_close = TradingDays(Offset(30, "close"), UTC_ZONE, EVERY_DAY, "XNYS")
    broken = Almanac(("false",))
    clock = Clock((Schedule("DU1", "rebalance", at_close), minutes_ago(2)), 300.0, broken)
    async with running(redis, clock) as stage:
        [alert] = await stage.told("alert")
        assert alert.data["title"] == "Trading days are not known"
        assert "schedules on XNYS wait" in alert.data["text"]
        await stage.queued(1)  # the other schedule is not held up


@dataclasses.dataclass(frozen=True)
class Broken(Clock):
    """A source that cannot run."""

    name = "broken"

    async def run(self, intake: Intake) -> None:
        raise RuntimeError("no")


async def test_a_source_that_fails_disturbs_no_other(redis: RedisServer) -> None:
    async with running(redis, Broken((), 1.0), clock_of(minutes_ago(2))) as stage:
        await stage.queued(1)
        [alert] = await stage.told("alert")
        assert alert.data["text"] == "RuntimeError: no"
        assert "broker" in await stage.queue.run(moves.daemons())
