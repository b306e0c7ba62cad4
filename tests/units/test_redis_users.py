from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebalancer.core.event import Event
from rebalancer.errors import QueueUnavailableError
from rebalancer.queue import moves
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Lease
from rebalancer.sweeper import sweeps
from tests.support.redis_server import DURABLE, RedisServer, redis_server
from tests.units import LIBEXEC

pytestmark = pytest.mark.redis_server

USERS = (
    *("operator", "broker", "processor", "api", "notify"),
    *("sweeper", "monitor", "backup"),
)
NOW = 1_800_000_000.0
#: A copy begins at once, as in redis/rebalancer.conf.
AT_ONCE = ("--repl-diskless-sync-delay", "0")


def write_users(folder: Path) -> Path:
    """Run the script of rebalancer-redis-acl.service; a user's password is its name."""
    for name in USERS:
        (folder / f"redis_{name}").write_text(f"{name}\n")
    subprocess.run(
        [LIBEXEC / "redis-acl"],
        check=True,
        env={
            **os.environ,
            "CREDENTIALS_DIRECTORY": str(folder),
            "RUNTIME_DIRECTORY": str(folder),
        },
    )
    return folder / "users.acl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    folder = tmp_path_factory.mktemp("redis")
    users = str(write_users(folder))
    with redis_server(folder, "--aclfile", users, *DURABLE, *AT_ONCE) as server:
        yield server


def login(server: RedisServer, user: str) -> Queue:
    return Queue(server.url.replace("redis://", f"redis://{user}:{user}@"))


def refused(queue: Queue, *words: str) -> bool:
    try:
        queue.run(command(*words, parse=lambda reply: reply))
    except QueueUnavailableError as error:
        return "NOPERM" in str(error)
    return False


def test_passwords_are_kept_as_hashes_only(tmp_path: Path) -> None:
    text = write_users(tmp_path).read_text()
    assert f"#{hashlib.sha256(b'broker').hexdigest()} " in text
    assert ">broker" not in text
    assert (tmp_path / "users.acl").stat().st_mode & 0o077 == 0


def test_nobody_gets_in_without_a_name(server: RedisServer) -> None:
    for url in (server.url, server.url.replace("redis://", "redis://default:default@")):
        with (
            Queue(url) as queue,
            pytest.raises(QueueUnavailableError, match="NOAUTH|WRONGPASS"),
        ):
            queue.run(moves.stats(now=NOW))


def test_what_scripts_wrote_is_there_after_a_crash(server: RedisServer) -> None:
    # Redis loads its file as the default user, who can log in no more.
    with login(server, "broker") as queue:
        queue.run(moves.enqueue(Event("kept", "U0", "rebalance", received_at=NOW), now=NOW))
        server.restart()
        lease = queue.run(moves.take("worker", now=NOW, ttl=20.0))
        assert isinstance(lease, Lease)
        assert lease.event.event_id == "kept"
        queue.run(moves.complete(lease, now=NOW, result={}))


@pytest.mark.parametrize("user", ["broker", "processor", "api", "notify"])
def test_a_daemon_may_move_events_and_nothing_else(server: RedisServer, user: str) -> None:
    with login(server, user) as queue:
        event = Event(f"event.{user}", f"U{len(user)}", "rebalance", received_at=NOW)
        queue.run(moves.enqueue(event, now=NOW))
        lease = queue.run(moves.take(user, now=NOW, ttl=20.0))
        assert isinstance(lease, Lease)
        queue.run(moves.complete(lease, now=NOW, result={}))
        queue.watch("0", wait=0.1)
        for words in (
            ("FLUSHALL",),
            ("CONFIG", "GET", "dir"),
            ("KEYS", "*"),
            ("SHUTDOWN",),
            ("ACL", "LIST"),
            ("CLIENT", "LIST"),
            ("SCRIPT", "FLUSH"),
            ("GET", "something_else"),
        ):
            assert refused(queue, *words), words


def test_the_sweeper_may_sweep(server: RedisServer) -> None:
    with login(server, "sweeper") as queue:
        sweeps.run(queue, ["all"], NOW)
        assert refused(queue, "CONFIG", "GET", "dir")


def test_the_monitor_may_ping_and_nothing_else(server: RedisServer) -> None:
    with login(server, "monitor") as queue:
        queue.ping()
        assert refused(queue, "GET", "rebalance_fence")
        assert refused(queue, "INFO")


def test_the_backup_copies_everything_and_changes_nothing(
    server: RedisServer, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.rdb"
    subprocess.run(
        ["redis-cli", "-p", str(server.port), "--user", "backup", "--rdb", copy],
        check=True,
        capture_output=True,
        env={**os.environ, "REDISCLI_AUTH": "backup"},
    )
    assert copy.read_bytes().startswith(b"REDIS")
    with login(server, "backup") as queue:
        assert refused(queue, "SET", "rebalance_fence", "1")
        assert refused(queue, "GET", "rebalance_fence")
