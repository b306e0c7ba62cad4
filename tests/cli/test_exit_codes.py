"""docs/reference/exit-codes.md, one command after the other."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rebalancer.queue import journal
from rebalancer.queue.store import Queue
from tests.cli.conftest import Rebalancer

NEED_REDIS = [
    "enqueue DU1000001",
    "preview DU1000001",
    "accounts list",
    "accounts show DU1000001",
    "accounts resume DU1000001",
    "targets diff DU1000001",
    "queue status",
    "queue list",
    "queue show a",
    "queue remove a",
    "queue requeue a",
    "queue clear --confirm",
    "journal --follow",
    "history",
    "history show a",
    "history export --format json",
    "history verify",
    "approve",
    "approve DU1000001 0123abcd",
    "halt --reason drill",
    "halts",
    "resume",
    "sweep all",
    "metrics",
    "health --ready",
]
REFUSED = [
    "accounts show DU9",
    "targets show DU9",
    "queue show nope",
    "queue remove nope",
    "queue requeue nope",
    "history show nope",
    "approve DU1000001",
    "enqueue DU1000001 dance",
    "preview DU1000001 --when nonsense=5",
]
MISUSED = [
    "queue clear",
    "queue list sideways",
    "queue list --limit 0",
    "journal --after yesterday",
    "halt",
    "history export",
    "schedule list --until someday",
    "enqueue",
    "enqueue DU1000001 --data 7",
    "sweep attic",
    "metrics --yaml",
]


@pytest.mark.parametrize("line", NEED_REDIS)
def test_without_redis_it_is_3(rebalancer: Rebalancer, line: str) -> None:
    answer = rebalancer(*line.split())
    assert (answer.code, answer.out) == (3, "")
    assert answer.err.startswith("rebalancer: ")


@pytest.mark.redis_server
@pytest.mark.parametrize("line", REFUSED)
def test_what_is_refused_is_1(rebalancer: Rebalancer, redis: Queue, line: str) -> None:
    answer = rebalancer(*line.split())
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("rebalancer: ")


@pytest.mark.redis_server
@pytest.mark.parametrize("line", MISUSED)
def test_wrong_usage_is_2(rebalancer: Rebalancer, redis: Queue, line: str) -> None:
    answer = rebalancer(*line.split())
    assert (answer.code, answer.out) == (2, "")
    assert "Error: " in answer.err


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """What is started inside hears ctrl-C, even if this run was put into the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.redis_server
def test_following_goes_on_after_an_entry_and_ctrl_c_is_130(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    for text in ("one", "two"):
        redis.run(journal.note("remark", {"text": text}, now=1.0))
    first = rebalancer("journal", "--json").out.splitlines()[0]
    after = first.partition('"id": "')[2].partition('"')[0]
    command = [sys.executable, "-m", "rebalancer", "journal", "-f", "--json", "--after", after]
    environment = {
        **os.environ,
        "REBALANCER_CONFIG": str(rebalancer.folder / "rebalancer.yaml"),
    }
    with (
        interruptible(),
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as ran,
    ):
        try:
            assert ran.stdout is not None
            assert '"two"' in ran.stdout.readline()
            redis.run(journal.note("remark", {"text": "three"}, now=2.0))
            assert '"three"' in ran.stdout.readline()
            ran.send_signal(signal.SIGINT)
            assert ran.wait(15) == 130
        finally:
            ran.kill()


@pytest.mark.redis_server
def test_what_the_journal_has_forgotten_is_told(rebalancer: Rebalancer, redis: Queue) -> None:
    redis.run(journal.note("remark", {}, now=1.0))
    assert "the journal has forgotten" in rebalancer("journal", "--after", "17-0").err
    assert rebalancer("journal", "--after", journal.START).err == ""
