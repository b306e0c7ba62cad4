"""SIGHUP to a real broker: all or nothing, said to systemd, log and journal."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rebalancer.queue import journal, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Entry
from tests.broker.programs import BrokerProcess, Notified, started
from tests.broker.stage import eventually
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis_server


def account(name: str, at: str) -> str:
    schedule = f"{{at: '{at}', time_zone: UTC, days: [mon, tue, wed, thu, fri, sat, sun]}}"
    return f"- {{account_id: {name}, type: paper, targets: {{SPY: 1}}, schedule: {schedule}}}\n"


ONE = account("DU1", "00:01")
TWO = ONE + account("DU2", "00:02")


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[Notified]:
    heard = Notified(tmp_path)
    yield heard
    heard.close()


@pytest.fixture
async def broker(
    tmp_path: Path, redis: RedisServer, notified: Notified
) -> AsyncIterator[BrokerProcess]:
    process = BrokerProcess(tmp_path, redis.url, NOTIFY_SOCKET=notified.address)
    process.write(ONE)
    async with started(process):
        yield process


async def heard(notified: Notified, count: int) -> list[str]:
    async def said() -> list[str]:
        return notified.read()

    return await eventually(said, lambda found: len(found) >= count)


async def accounts_scheduled(redis: RedisServer, wanted: set[str]) -> None:
    async with AsyncQueue(redis.url) as queue:
        await eventually(
            lambda: queue.run(moves.daemons()),
            lambda d: "broker" in d and set(d["broker"].info.get("next", ())) == wanted,
        )


async def told(redis: RedisServer, kind: str, count: int = 1) -> list[Entry]:
    async with AsyncQueue(redis.url) as queue:

        async def entries() -> list[Entry]:
            return [e for e in await queue.run(journal.read(limit=1000)) if e.kind == kind]

        return await eventually(entries, lambda found: len(found) >= count)


async def test_sighup_takes_new_settings_over(
    broker: BrokerProcess, redis: RedisServer, notified: Notified
) -> None:
    await accounts_scheduled(redis, {"DU1"})
    broker.write(TWO, "redis: {timeout_seconds: 4}\nbroker: {grace_seconds: 60}\n")
    broker.send(signal.SIGHUP)
    await accounts_scheduled(redis, {"DU1", "DU2"})
    [entry] = await told(redis, "reloaded")
    assert entry.data == {
        "program": "broker",
        "accounts": ["DU1", "DU2"],
        "needs_restart": ["redis.timeout_seconds"],
    }
    assert "these wait for a restart: redis.timeout_seconds" in broker.log
    ready, reloading, again = await heard(notified, 3)
    assert (ready, again) == ("READY=1", "READY=1")
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", reloading)


async def test_files_with_mistakes_change_nothing(
    broker: BrokerProcess, redis: RedisServer, notified: Notified
) -> None:
    await accounts_scheduled(redis, {"DU1"})
    broker.write(TWO.replace("00:02", "30 minutes before close"), "broker: {grace: 1}\n")
    broker.send(signal.SIGHUP)
    [entry] = await told(redis, "not_reloaded")
    assert entry.data["count"] == 2
    first, second = entry.data["problems"]
    assert (first["file"][-13:], first["line"], first["key"]) == (
        "accounts.yaml",
        2,
        "[1].schedule.at",
    )
    assert second["key"] == "broker.grace"
    [alert] = await told(redis, "alert")
    assert alert.data["title"] == "The broker goes on with its old settings"
    assert broker.log.count("settings not reloaded: ") == 2
    assert (await heard(notified, 3))[-1] == "READY=1"
    assert broker.alive
    broker.write(TWO)
    broker.send(signal.SIGHUP)
    await accounts_scheduled(redis, {"DU1", "DU2"})


async def test_sighup_while_redis_is_away(
    broker: BrokerProcess, redis: RedisServer, notified: Notified
) -> None:
    await accounts_scheduled(redis, {"DU1"})
    redis.kill()
    broker.write(TWO)
    broker.send(signal.SIGHUP)
    assert (await heard(notified, 3))[-1] == "READY=1"
    broker.write("accounts: [")
    broker.send(signal.SIGHUP)
    await heard(notified, 5)
    redis.start()
    await accounts_scheduled(redis, {"DU1", "DU2"})
