"""The server as systemd runs it: started, reloaded, killed, ended."""

from __future__ import annotations

import json
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import httpx
import pytest

from rebalancer.cli.main import main
from rebalancer.queue import journal
from rebalancer.queue.store import Queue
from tests.api.server import ACCOUNTS, OPERATOR, SERVICE, Server, serving
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis_server

Typed = Callable[..., tuple[int, str, str]]


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
        own.until(partial(_replaced, own, worker))
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


@pytest.fixture
def typed(tmp_path: Path, redis: RedisServer, capsys: pytest.CaptureFixture[str]) -> Typed:
    """The command line, typed in this process beside the files of a server that is not up."""
    Server(tmp_path, redis, SERVICE)

    def enter(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["--config", str(tmp_path / "rebalancer.yaml"), *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return enter


def test_without_a_token_it_does_not_start_and_says_what_to_do(
    tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "api_token").unlink()
    code, _, said = typed("api")
    assert (code, "rebalancer api token --create" in said) == (2, True)
    (tmp_path / "api_token").write_text("short\n")
    code, _, said = typed("api")
    assert (code, "32" in said) == (2, True)
    monkeypatch.setenv("REBALANCER_API_HOST", "0.0.0.0")
    code, _, said = typed("api")
    assert (code, "SSH tunnel" in said) == (2, True)


def test_a_token_is_made_once_for_its_owner_alone(
    tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "api_token"
    assert typed("api", "token", "--show")[1] == OPERATOR + "\n"
    code, _, said = typed("api", "token", "--create")
    assert (code, "there already" in said) == (2, True)
    path.unlink()
    assert typed("api", "token")[1].endswith("not there; make it: add --create\n")
    code, said, _ = typed("api", "token", "--create")
    assert (code, path.read_text().strip() in said) == (0, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().strip()) >= 43
    shown = json.loads(typed("api", "token", "--json")[1])
    assert shown == {"path": str(path), "exists": True}
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "api_read_token").write_text("c" * 43 + "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert typed("api", "token", "--read-only", "--show")[1] == "c" * 43 + "\n"


def test_no_signal_is_lost_or_doubled_when_workers_are_killed(own: Server) -> None:
    """One event takes all signals in and counts them; what is unanswered is sent again."""
    signals, kills = 40, 2
    killer = threading.Thread(target=_kill_workers, args=(own, kills))
    killer.start()
    locations = set()
    for number in range(signals):
        key = {"Idempotency-Key": f"n{number}"}
        body = {"account_id": "DU1000001", "data": {"note": str(number)}}
        answer = own.until(partial(_sent, own, key, body))
        locations.add(answer.json()["location"])
        if number == signals - 5:
            killer.join()
    assert len(locations) == 1
    with own.client() as client:
        event = client.get(locations.pop()).json()["event"]
    assert event["merged"] == signals - 1
    assert event["data"] == {"note": str(signals - 1)}


def _sent(
    own: Server, key: dict[str, str], body: Mapping[str, object]
) -> httpx.Response | None:
    try:
        with own.client() as client:
            answer = client.post("/queue/events", json=body, headers=key)
    except httpx.TransportError:
        return None
    assert answer.status_code == 202, answer.text
    return answer


def _kill_workers(own: Server, times: int) -> None:
    for _ in range(times):
        [worker] = own.until(own.workers)
        os.kill(worker, signal.SIGKILL)
        own.until(partial(_replaced, own, worker))


def _replaced(own: Server, dead: int) -> bool:
    return own.workers() not in ([], [dead]) and own.answers()
