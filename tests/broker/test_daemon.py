from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rebalancer.broker.daemon import Broker
from rebalancer.broker.schedule import Schedule
from rebalancer.errors import QueueError
from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue
from tests.support.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.redis_server

EVERY_DAY = frozenset(range(7))
DEADLINE = 10.0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def minutes_ago(minutes: float) -> Schedule:
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    return Schedule("DU1", "rebalance", at.time(), ZoneInfo("UTC"), EVERY_DAY)


@contextlib.asynccontextmanager
async def running(redis: RedisServer, *schedules: Schedule) -> AsyncIterator[AsyncQueue]:
    async with AsyncQueue(redis.url, timeout=1.0) as queue:
        broker = Broker(queue, schedules, grace=300.0, clock=time.time)
        task = asyncio.create_task(broker.run())
        try:
            yield queue
        finally:
            broker.stop()
            await task


async def queued(queue: AsyncQueue) -> int:
    return (await queue.run(moves.stats(now=time.time()))).queued


async def wait_for_queued(queue: AsyncQueue, count: int) -> None:
    ends = time.monotonic() + DEADLINE
    while True:
        with contextlib.suppress(QueueError):
            if await queued(queue) == count:
                return
        assert time.monotonic() < ends, f"{count} events were never queued"
        await asyncio.sleep(0.02)


async def test_what_was_due_while_no_broker_ran_is_enqueued(
    redis: RedisServer,
) -> None:
    async with running(redis, minutes_ago(2)) as queue:
        await wait_for_queued(queue, 1)


async def test_what_was_due_before_the_grace_is_not(redis: RedisServer) -> None:
    later = minutes_ago(1)
    other = Schedule("DU2", later.exec_command, later.at, later.zone, later.days)
    async with running(redis, minutes_ago(20), other) as queue:
        await wait_for_queued(queue, 1)
        page = await queue.run(moves.list_events("queued"))
    assert [item.event.account_id for item in page.items if item.event] == ["DU2"]


async def test_what_schedules_ask_for_at_once_is_all_asked_for(redis: RedisServer) -> None:
    plain = minutes_ago(2)
    asking = [replace(plain, data=data) for data in ({"mode": "buy-only"}, {"raise_cash": "9"})]
    for _ in range(2):
        async with running(redis, *asking) as queue:
            await wait_for_queued(queue, 1)
            ends = time.monotonic() + DEADLINE
            while True:
                [item] = (await queue.run(moves.list_events("queued"))).items
                assert item.event is not None
                if item.event.merged:
                    break
                assert time.monotonic() < ends
        assert item.event.merged == 1
        assert item.event.data == {
            "asks": {"buy-only": {"mode": "buy-only"}, "raise_cash": {"raise_cash": "9"}}
        }


async def test_a_restarted_broker_does_not_signal_again(redis: RedisServer) -> None:
    schedule = minutes_ago(2)
    for _ in range(2):
        async with running(redis, schedule) as queue:
            await wait_for_queued(queue, 1)
            page = await queue.run(moves.list_events("queued"))
            assert [item.event.merged for item in page.items if item.event] == [0]


async def test_fires_when_its_time_comes(redis: RedisServer) -> None:
    async with running(redis, minutes_ago(-0.01)) as queue:
        await wait_for_queued(queue, 1)


async def test_redis_down_delays_a_signal_and_loses_none(redis: RedisServer) -> None:
    redis.kill()
    async with running(redis, minutes_ago(2)) as queue:
        with pytest.raises(QueueError):
            await queued(queue)
        await asyncio.to_thread(redis.start)
        await wait_for_queued(queue, 1)


async def test_a_broker_says_that_it_lives(redis: RedisServer) -> None:
    async with running(redis, minutes_ago(2)) as queue:
        await wait_for_queued(queue, 1)
        assert "broker" in await queue.run(moves.daemons())
