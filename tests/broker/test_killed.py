"""A real broker, ``kill -9`` around its steps: no signal is lost, none is doubled."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from rebalancer.queue import journal
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Entry
from tests.broker.programs import BrokerProcess
from tests.broker.stage import eventually
from tests.chaos.steps import KILL, Edge, Moment, Step
from tests.support.redis_server import DURABLE, RedisServer, redis_server

pytestmark = pytest.mark.redis_server

ACCOUNTS = "".join(
    f"- {{account_id: DU{n}, type: paper, strategy_name: core, targets: {{SPY: 1}}}}\n"
    for n in (1, 2)
)
SEED = 20261126


def spool(folder: Path) -> Path:
    return folder / "spool"


def drop(folder: Path, name: str, message: object) -> None:
    beside = spool(folder) / f".{name}"
    beside.write_text(json.dumps(message))
    beside.rename(spool(folder) / name)


def prepared(folder: Path, redis: RedisServer) -> BrokerProcess:
    spool(folder).mkdir(parents=True, mode=0o750)
    broker = BrokerProcess(folder, redis.url)
    broker.write(ACCOUNTS, f"broker: {{spool_directory: {spool(folder)}}}\n")
    return broker


async def emptied(folder: Path) -> None:
    async def left() -> list[str]:
        return [path.name for path in spool(folder).iterdir() if path.is_file()]

    await eventually(left, lambda names: not names, deadline=30.0)


async def heard(redis: RedisServer) -> list[Entry]:
    """Every signal that the journal knows."""
    async with AsyncQueue(redis.url) as queue:
        entries = await queue.run(journal.read(limit=5000))
    return [one for one in entries if one.kind in {"queued", "merged", "rerun"}]


async def _killed_once(folder: Path, moment: Moment) -> None:
    redis = await asyncio.to_thread(RedisServer(folder / "redis", *DURABLE).start)
    broker = prepared(folder, redis)
    try:
        drop(folder, "all.json", {"strategy": "core", "exec_command": "rebalance"})
        broker.start(**{KILL: moment.dumps()})
        assert await broker.died() == -signal.SIGKILL
        assert (spool(folder) / "all.json").exists()
        broker.start()
        await emptied(folder)
        assert (spool(folder) / "done" / "all.json").exists()
        signals = await heard(redis)
        assert [one.kind for one in signals] == ["queued", "queued"], moment
        assert [one.account_id for one in signals] == ["DU1", "DU2"], moment
    finally:
        await broker.end()
        await asyncio.to_thread(redis.kill)


async def test_killed_around_each_enqueue_of_a_file(tmp_path: Path) -> None:
    """Three sends: by the script's name, which Redis does not know yet; in full; the second.

    After the third everything is accepted and the file not moved.
    """
    points: tuple[tuple[int, Edge], ...] = (
        (1, "before"),
        (2, "after"),
        (3, "before"),
        (3, "after"),
    )
    moments = [Moment(Step("redis", "enqueue", nth), edge) for nth, edge in points]
    await asyncio.gather(
        *(_killed_once(tmp_path / str(n), moment) for n, moment in enumerate(moments))
    )


async def test_killed_at_random_no_signal_is_lost_or_doubled(tmp_path: Path) -> None:
    """Files are dropped throughout; each is a signal of its own that merges or queues once."""
    chance = random.Random(SEED)
    with redis_server(tmp_path / "redis", *DURABLE) as redis:
        broker = prepared(tmp_path, redis)
        expected: Counter[str] = Counter()
        try:
            for life in range(3):
                for n in range(8):
                    name = f"s{life}.{n}"
                    expected[name] += 1
                    drop(
                        tmp_path,
                        f"{name}.json",
                        {
                            "account_id": chance.choice(["DU1", "DU2"]),
                            "exec_command": chance.choice(["rebalance", "print-equity"]),
                            "event_id": name,
                        },
                    )
                edge: Edge = chance.choice(("before", "after"))
                moment = Moment(Step("redis", "enqueue", chance.randint(1, 8)), edge)
                broker.start(**{KILL: moment.dumps()})
                assert await broker.died() == -signal.SIGKILL
            broker.start()
            await emptied(tmp_path)
        finally:
            await broker.end()
        assert Counter(one.event_id for one in await heard(redis)) == expected
    assert len(list((spool(tmp_path) / "done").iterdir())) == expected.total()
