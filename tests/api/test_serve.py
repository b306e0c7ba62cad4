"""The server as systemd runs it: started, reloaded, killed, ended."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rebalancer.queue import journal
from rebalancer.queue.store import Queue
from tests.api.server import ACCOUNTS, OPERATOR, SERVICE, Server, serving
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis_server


@pytest.fixture
def own(tmp_path: Path, redis: RedisServer) -> Iterator[Server]:
    with serving(tmp_path, redis) as running:
        yield running


def _accounts(client: httpx.Client) -> list[str]:
    return [item["account_id"] for item in client.get("/accounts").json()["items"]]


def test_a_reload_takes_the_files_as_they_are_now_or_leaves_all(own: Server) -> None:
    with own.client() as client:
        assert _accounts(client) == ["DU1000001", "DU1000002"]
        [before] = own.workers()
        own.accounts("accounts: nonsense\n")
        own.signal(signal.SIGHUP)
        own.until(lambda: "the settings stay as they were" in own.log)
        own.until(lambda: own.workers() and before not in own.workers())
        assert _accounts(client) == ["DU1000001", "DU1000002"]
        own.accounts(ACCOUNTS + "  - {account_id: DU1000003, type: paper}\n")
        own.signal(signal.SIGHUP)
        own.until(lambda: len(_accounts(client)) == 3)


def test_a_killed_worker_comes_back_and_streams_end_with_the_server(own: Server) -> None:
    with own.client() as client:
        [worker] = own.workers()
        os.kill(worker, signal.SIGKILL)
        own.until(lambda: own.workers() not in ([], [worker]) and own.answers())
        # The pool's old connections went with the worker.
    with own.client() as client, client.stream("GET", "/events") as response:
        lines = response.iter_lines()
        assert next(lines).startswith("retry")
        with Queue(own.redis.url) as queue:
            queue.run(journal.note("last", {}, now=time.time()))
        while not next(lines).startswith("data"):
            pass
        began = time.monotonic()
        own.signal(signal.SIGTERM)
        assert [line for line in lines if line.startswith("data")] == []
    assert own.wait() == 0
    assert time.monotonic() - began < 8


def _typed(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "rebalancer", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "REBALANCER_CONFIG": str(folder / "rebalancer.yaml"),
            **environment,
        },
    )
    return done.returncode, done.stdout, done.stderr


def test_without_a_token_it_does_not_start_and_says_what_to_do(
    tmp_path: Path, redis: RedisServer
) -> None:
    server = Server(tmp_path, redis, SERVICE)
    (tmp_path / "api_token").unlink()
    code, _, said = _typed(tmp_path, "api")
    assert (code, "rebalancer api token --create" in said) == (2, True)
    (tmp_path / "api_token").write_text("short\n")
    code, _, said = _typed(tmp_path, "api")
    assert (code, "32" in said) == (2, True)
    code, _, said = _typed(tmp_path, "api", REBALANCER_API_HOST="0.0.0.0")
    assert (code, "SSH tunnel" in said) == (2, True)
    assert server.pid == 0


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path, redis: RedisServer) -> None:
    Server(tmp_path, redis, SERVICE)
    path = tmp_path / "api_token"
    assert _typed(tmp_path, "api", "token", "--show")[1] == OPERATOR + "\n"
    code, _, said = _typed(tmp_path, "api", "token", "--create")
    assert (code, "there already" in said) == (2, True)
    path.unlink()
    assert _typed(tmp_path, "api", "token")[1].endswith("not there; make it: add --create\n")
    code, said, _ = _typed(tmp_path, "api", "token", "--create")
    assert (code, path.read_text().strip() in said) == (0, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) >= 43
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "api_read_token").write_text("c" * 43 + "\n")
    held = {"CREDENTIALS_DIRECTORY": str(credentials)}
    shown = _typed(tmp_path, "api", "token", "--read-only", "--show", **held)
    assert shown[1] == "c" * 43 + "\n"
