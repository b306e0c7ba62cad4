"""``rebalancer api`` as a process of its own, and a client that knows its tokens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from rebalancer.queue.move import Move, command
from rebalancer.queue.store import Queue
from tests.support.redis_server import RedisServer, free_port

T = TypeVar("T")

#: Seconds before what does not come fails the test.
DEADLINE = 15.0

OPERATOR = "operator-" + "o" * 40
READER = "reader-" + "r" * 40
SECRET = "webhook-" + "w" * 40

#: Many tests send a wrong token; none of them is about how often.
SERVICE = "api: {failures_per_minute: 1000000}\n"

ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    unlisted: liquidate
    targets: {SPY: 60%, BND: 40%}
    schedule: {at: "15:30", days: [fri]}
  - account_id: DU1000002
    type: paper
    enabled: false
    strategy_name: unknown
"""


class Server:
    """One server process over a folder with its files."""

    def __init__(self, folder: Path, redis: RedisServer, service: str) -> None:
        self.folder, self.redis = folder, redis
        self.port = free_port()
        self.pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "rebalancer.yaml").write_text(service)
        self.accounts(ACCOUNTS)
        names = {"api_token": OPERATOR, "api_read_token": READER, "webhook_secret": SECRET}
        for name, text in names.items():
            (folder / name).write_text(text + "\n")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "api.log").read_text()

    def accounts(self, text: str) -> None:
        (self.folder / "accounts.yaml").write_text(text)

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "REBALANCER_CONFIG": str(self.folder / "rebalancer.yaml"),
            "REBALANCER_REDIS_URL": self.redis.url,
            "REBALANCER_API_PORT": str(self.port),
        }

    def start(self) -> None:
        with (self.folder / "api.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rebalancer", "api"],
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid
        self.until(self.answers)

    def answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            return httpx.get(f"{self.url}/health/live", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def workers(self) -> list[int]:
        """The worker processes, by what the kernel says of our children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(DEADLINE)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(DEADLINE)

    def client(self, token: str = OPERATOR, **headers: str) -> httpx.Client:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers={**given, **headers}, timeout=DEADLINE)

    @staticmethod
    def until(condition: Callable[[], Any]) -> Any:
        ends = time.monotonic() + DEADLINE
        while not (found := condition()):
            assert time.monotonic() < ends, "waited in vain"
        return found


@contextmanager
def serving(folder: Path, redis: RedisServer, service: str = SERVICE) -> Iterator[Server]:
    """A running server for the length of a ``with`` block."""
    server = Server(folder, redis, service)
    server.start()
    try:
        yield server
    finally:
        server.end()


class Api:
    """The server's three kinds of caller, and its Redis."""

    def __init__(self, server: Server, queue: Queue) -> None:
        self.server, self.queue = server, queue
        self.operator = server.client()
        self.reader = server.client(READER)
        self.nobody = server.client("")

    def run(self, move: Move[T]) -> T:
        return self.queue.run(move)

    def clean(self) -> None:
        self.run(command("FLUSHALL", parse=bool))

    def close(self) -> None:
        for client in (self.operator, self.reader, self.nobody):
            client.close()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and the kind of a refusal, whose form is looked at as well."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    found = answer.json()
    assert found["status"] == answer.status_code
    assert found["title"]
    assert found["detail"]
    return answer.status_code, found["type"].removeprefix("/docs#problem-")
