from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from rebalancer.cli.main import cli
from rebalancer.core.event import Event
from rebalancer.queue import moves
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Lease
from rebalancer.sweeper import native
from tests.support.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.redis_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def queue(server: RedisServer) -> Iterator[Queue]:
    with Queue(server.url) as queue:
        queue.run(command("FLUSHALL", parse=bool))
        yield queue


def sweep(server: RedisServer, folder: Path, kind: str) -> list[str]:
    """Have redis-cli carry out the sweep once, as the units do."""
    script = folder / f"{kind}.lua"
    script.write_text(native.lua(kind, retry_delay=60.0))
    done = subprocess.run(
        ["redis-cli", "-p", str(server.port), "-e", "--eval", script],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line]


def leased(queue: Queue, name: str, *, ttl: float = 20.0, ago: float = 0.0) -> Lease:
    now = time.time() - ago
    queue.run(moves.enqueue(Event(name, f"U{name}", "rebalance", received_at=now), now=now))
    lease = queue.run(moves.take("worker", now=now, ttl=ttl))
    assert isinstance(lease, Lease)
    return lease


def states(queue: Queue) -> dict[str, int]:
    names = ("queued", "leased", "retrying", "delayed", "dead")
    stats = queue.run(moves.stats(now=time.time()))
    return {name: getattr(stats, name) for name in names if getattr(stats, name)}


def test_nothing_due_is_no_line(server: RedisServer, queue: Queue, tmp_path: Path) -> None:
    for kind in ("retry", "delayed", "leases"):
        assert sweep(server, tmp_path, kind) == []


def test_a_delayed_event_moves_once_its_time_has_come(
    server: RedisServer, queue: Queue, tmp_path: Path
) -> None:
    now = time.time()
    queue.run(moves.delay(leased(queue, "later"), now=now, until=now + 60, reason="closed"))
    queue.run(moves.delay(leased(queue, "now"), now=now, until=now - 1, reason="closed"))
    assert sweep(server, tmp_path, "delayed") == [
        "delayed: now of Unow: queued (its time has come)"
    ]
    assert states(queue) == {"queued": 1, "delayed": 1}
    assert sweep(server, tmp_path, "delayed") == []


def test_a_failed_event_moves_once_its_backoff_is_over(
    server: RedisServer, queue: Queue, tmp_path: Path
) -> None:
    now = time.time()
    for name, jitter in (("soon", 0.0), ("later", 0.9)):
        queue.run(
            moves.retry(
                leased(queue, name),
                now=now,
                error="x",
                base_delay=60.0,
                cap=60.0,
                max_attempts=5,
                jitter=jitter,
            )
        )
    assert sweep(server, tmp_path, "retry") == ["retry: soon of Usoon: queued (backoff over)"]
    assert states(queue) == {"queued": 1, "retrying": 1}


def test_what_a_dead_worker_held_goes_back(
    server: RedisServer, queue: Queue, tmp_path: Path
) -> None:
    leased(queue, "lost", ttl=1.0, ago=5.0)
    leased(queue, "held", ttl=20.0)
    assert "leases: lost of Ulost: queued (lease lost by worker)" in sweep(
        server, tmp_path, "leases"
    )
    assert states(queue) == {"queued": 1, "leased": 1}


def test_what_hands_did_is_repaired_within_ten_seconds(
    server: RedisServer, queue: Queue, tmp_path: Path
) -> None:
    queue.run(command("SADD", "active_events_set", "U1:rebalance", parse=bool))
    # The repair runs in three of each ten seconds.
    end = time.monotonic() + 9.0
    told: list[str] = []
    while not told and time.monotonic() < end:
        told = sweep(server, tmp_path, "leases")
    assert told == ["repair: U1:rebalance: repaired (no event held this deduplication key)"]


def test_the_command_prints_the_script_and_moves_nothing() -> None:
    done = CliRunner().invoke(cli, ["sweep", "delayed", "--lua"])
    assert done.exit_code == 0
    assert done.output.rstrip("\n") == native.lua("delayed", retry_delay=60.0).rstrip("\n")


def test_all_sweeps_at_once_are_no_script() -> None:
    done = CliRunner().invoke(cli, ["sweep", "all", "--lua"])
    assert done.exit_code == 2
    assert "--lua prints one sweep" in done.output


def test_the_answer_to_a_sweep_that_moved_is_remembered_under_its_own_name(
    server: RedisServer, queue: Queue, tmp_path: Path
) -> None:
    now = time.time()
    queue.run(moves.delay(leased(queue, "now"), now=now, until=now - 1, reason="closed"))
    sweep(server, tmp_path, "delayed")
    keys = queue.run(command("KEYS", "rebalance_answer:sweep:delayed:*", parse=list))
    assert len(keys) == 1
    answer = queue.run(command("GET", keys[0], parse=json.loads))
    assert [moved["event_id"] for moved in answer["moved"]] == ["now"]
