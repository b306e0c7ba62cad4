"""Schedule, spool and channel of one real broker, ``kill -9`` at random: nothing is lost."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from rebalancer.queue import channels, journal, signals
from rebalancer.queue.store import AsyncQueue
from tests.broker.programs import BrokerProcess
from tests.broker.stage import eventually
from tests.broker.test_killed import drop, spool
from tests.chaos.steps import KILL, Edge, Moment, Step
from tests.support.redis_server import DURABLE, RedisServer, redis_server
from tests.support.sse_server import Dialect, Item, SseServer, Turn, serving

pytestmark = pytest.mark.redis_server

COMMANDS = ("rebalance", "print-equity", "print-rebalance")
#: Due each minute, so in each life the last one is due and seen or not seen.
SCHEDULE = "{cron: '* * * * *', time_zone: UTC, exec_command: print-equity}"
ACCOUNTS = (
    "- {account_id: DU1, type: paper, strategy_name: core, targets: {SPY: 1}}\n"
    "- {account_id: DU2, type: paper, strategy_name: core, targets: {SPY: 1}}\n"
    "- {account_id: DU3, type: paper, strategy_name: bonds, targets: {BND: 1}, "
    f"schedule: {SCHEDULE}}}\n"
)
#: With this one a place that is written too early loses a signal.
SEED = 2
#: Where a broker can be killed: around each of these, the nth time.
STEPS = ("enqueue", "HSET rebalance_channels", "turn_away", "begin_schedules")


def prepared(folder: Path, redis: RedisServer, server: SseServer) -> BrokerProcess:
    spool(folder).mkdir(parents=True, mode=0o750)
    (folder / "token").write_text("tk_secret\n")
    broker = BrokerProcess(folder, redis.url)
    broker.write(
        ACCOUNTS,
        "broker:\n"
        f"  spool_directory: {spool(folder)}\n"
        "  channels:\n"
        f"    - {{name: c, preset: generic, url: '{server.url}/s?token=hidden', "
        "strategies: core, credential: token}\n",
    )
    return broker


async def _settled(folder: Path, redis: RedisServer, last: str) -> None:
    """Everything that was said has been dealt with."""
    async with AsyncQueue(redis.url) as queue:
        await eventually(
            lambda: queue.run(channels.load_place("c")), lambda found: found.id == last
        )

    async def left() -> list[str]:
        return [path.name for path in spool(folder).iterdir() if path.is_file()]

    await eventually(left, lambda names: not names)


async def test_killed_at_random_no_source_loses_or_doubles_a_signal(tmp_path: Path) -> None:
    """Each life begins with signals from everywhere, bad ones among them, and a misbehaving
    stream, and ends at a random moment. Afterwards every signal is in the journal once.
    """
    chance = random.Random(SEED)
    expected: Counter[str] = Counter()
    bad = number = 0
    with redis_server(tmp_path / "redis", *DURABLE) as redis:
        async with serving(Dialect(whole=True)) as server:
            broker = prepared(tmp_path, redis, server)
            try:
                for life in range(5):
                    server.turns.clear()
                    server.turns += [
                        Turn(
                            cut_after=chance.randint(50, 600),
                            replay=lambda items: [one for one in items for _ in range(2)],
                        )
                        for _ in range(chance.randint(0, 3))
                    ]
                    for n in range(6):
                        number += 1
                        name = f"c{number:03}"
                        command = chance.choice(COMMANDS)
                        text = json.dumps({"exec": command, "event_id": name})
                        if chance.random() < 0.2:
                            bad += 1
                            await server.publish(Item(name, text[:-1]))
                        else:
                            expected.update([f"{name}.DU1", f"{name}.DU2"])
                            await server.publish(Item(name, text))
                        name = f"s{life}.{n}"
                        expected[name] += 1
                        message = {"account_id": "DU3", "exec": command, "event_id": name}
                        drop(tmp_path, f"{name}.json", message)
                    edge: Edge = chance.choice(("before", "after"))
                    steps = [Step("redis", step, chance.randint(1, 9)) for step in STEPS]
                    armed = " ".join(Moment(step, edge).dumps() for step in steps)
                    broker.start(**{KILL: armed})
                    await _ended(broker, tmp_path, redis, f"c{number:03}")
                broker.start()
                await _settled(tmp_path, redis, f"c{number:03}")
            finally:
                await broker.end()
        async with AsyncQueue(redis.url) as queue:
            entries = await queue.run(journal.read(limit=5000))
            counts = await queue.run(signals.counts())
    told = Counter(one.event_id for one in entries if one.kind in {"queued", "merged", "rerun"})
    scheduled = {name: times for name, times in told.items() if name not in expected}
    assert told - Counter(scheduled) == expected
    assert set(scheduled.values()) == {1}
    assert counts["channel.c"]["rejected"] == bad
    assert sum(counts["spool"].values()) == 30
    assert "hidden" not in broker.log
    assert "tk_secret" not in broker.log


async def _ended(broker: BrokerProcess, folder: Path, redis: RedisServer, last: str) -> None:
    """It was killed by its own moment; or, if that never comes, now that all is heard."""
    dying = asyncio.create_task(broker.died())
    settling = asyncio.create_task(_settled(folder, redis, last))
    await asyncio.wait({dying, settling}, return_when=asyncio.FIRST_COMPLETED)
    settling.cancel()
    await asyncio.wait({settling})
    if not dying.done():
        broker.send(signal.SIGKILL)
    assert await dying == -signal.SIGKILL
