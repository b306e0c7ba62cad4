from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rebalancer.cli.main import main
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from tests.support.redis_server import RedisServer, free_port, redis_server

ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    targets: {SPY: 0.6, BND: 0.4}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Rebalancer:
    """The command line, typed in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def configure(self, config: str = "", accounts: str = ACCOUNTS) -> None:
        (self.folder / "rebalancer.yaml").write_text(config)
        (self.folder / "accounts.yaml").write_text(accounts)

    def __call__(self, *arguments: str) -> Answer:
        self._capsys.readouterr()
        code = main(["--config", str(self.folder / "rebalancer.yaml"), *arguments])
        printed = self._capsys.readouterr()
        return Answer(code, printed.out, printed.err)


@pytest.fixture
def rebalancer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Rebalancer:
    """A configured command line whose Redis and gateway do not listen."""
    monkeypatch.setenv("REBALANCER_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("REBALANCER_GATEWAY_PORT", str(free_port()))
    # Whatever the time is when the tests run.
    monkeypatch.setenv("REBALANCER_GATEWAY_WINDOWS", "none")
    monkeypatch.setenv("COLUMNS", "200")
    typed = Rebalancer(tmp_path, capsys)
    typed.configure()
    return typed


@pytest.fixture(scope="session")
def redis_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(
    redis_of_the_session: RedisServer,
    rebalancer: Rebalancer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Queue]:
    """An empty queue on a real server, which the command line uses from now on."""
    monkeypatch.setenv("REBALANCER_REDIS_URL", redis_of_the_session.url)
    with Queue(redis_of_the_session.url) as queue:
        queue.run(command("FLUSHALL", parse=bool))
        yield queue
