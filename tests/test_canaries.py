"""Secrets are said nowhere: real daemons with canaries in them, at level debug, in trouble.

Whatever they print, log, put into Redis or answer with is searched for the canaries.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import redis

from rebalancer.ingest import accept
from rebalancer.queue import history, moves
from rebalancer.queue.store import Queue
from tests.support.http_service import HttpService, eventually, http_service
from tests.support.redis_server import RedisServer, free_port, redis_server
from tests.support.sim_gateway import SimThread

pytestmark = pytest.mark.redis_server

#: Secret -> where it stands. Awkward characters included: what is quoted must not slip through.
PASSWORD = "canary-redis-p@ss/word"
TOPIC, TOKEN, USER = "canary-topic-7f3a", "canary-token-91bc", "canary-user"
OPERATOR = "canary-operator-0123456789-0123456789"
CANARIES = (
    OPERATOR,
    OPERATOR[::-1],
    PASSWORD,
    "canary-redis-p%40ss%2Fword",
    "canary-redis",
    TOPIC,
    TOKEN,
    USER,
    "canary",
)

ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    targets: {SPY: 60%, BND: 40%}
  - account_id: DU1000002
    type: paper
    targets: {NOSUCH: 100%}
"""
CONFIG = """\
redis: {password_file: redis_password}
logging: {level: debug, format: json}
retry: {retry_delay_seconds: 0.1, max_delay_seconds: 0.1, max_attempts: 1}
notify:
  gather_seconds: 0.1
  services: [{name: phone}, {name: gone}, {name: mail, url_variable: MAIL_URL}]
"""


@dataclass
class House:
    """The programs of one installation, and everything they print."""

    folder: Path
    environment: Mapping[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> None:
        with (self.folder / f"{arguments[0]}.out").open("ab") as out:
            command = [sys.executable, "-m", "rebalancer", *arguments]
            self.running.append(
                subprocess.Popen(command, env=self.environment, stdout=out, stderr=out)
            )

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "rebalancer", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        with (self.folder / "commands.out").open("a") as out:
            out.write(done.stdout)
        return done.stdout

    def ask(self, path: str, token: str) -> None:
        """Ask the API; what it answers is printed as well."""
        headers = {"Authorization": f"Bearer {token}"}
        port = self.environment["REBALANCER_API_PORT"]
        url = f"http://127.0.0.1:{port}{path}"
        eventually(lambda: self._listens(int(port)), deadline=60)
        answer = httpx.get(url, headers=headers, timeout=10)
        with (self.folder / "answers.out").open("a") as out:
            out.write(f"{answer.status_code} {answer.headers} {answer.text}\n")

    @staticmethod
    def _listens(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def printed(self, *names: str) -> str:
        files = [self.folder / f"{name}.out" for name in names] or self.folder.glob("*.out")
        return "".join(file.read_text() for file in files if file.exists())

    def end(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(30)


@pytest.fixture
def phone() -> Iterator[HttpService]:
    with http_service() as service:
        yield service


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as running:
        with redis.Redis.from_url(running.url) as client:
            client.config_set("requirepass", PASSWORD)
        yield running


@pytest.fixture
def house(tmp_path: Path, server: RedisServer, phone: HttpService) -> Iterator[House]:
    (tmp_path / "rebalancer.yaml").write_text(CONFIG)
    (tmp_path / "accounts.yaml").write_text(ACCOUNTS)
    (tmp_path / "redis_password").write_text(PASSWORD)
    for name, secret in (("api_token", OPERATOR), ("webhook_secret", OPERATOR[::-1])):
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "notify_phone").write_text(
        f"ntfy://{USER}:{TOKEN}@127.0.0.1:{phone.port}/{TOPIC}"
    )
    (tmp_path / "notify_gone").write_text(f"ntfy://{TOKEN}@127.0.0.1:{free_port()}/{TOPIC}")
    with SimThread() as gateway:
        made = House(
            tmp_path,
            {
                **os.environ,
                "REBALANCER_CONFIG": str(tmp_path / "rebalancer.yaml"),
                "REBALANCER_REDIS_URL": server.url,
                "REBALANCER_GATEWAY_PORT": str(gateway.port),
                "REBALANCER_GATEWAY_WINDOWS": "none",
                "REBALANCER_API_PORT": str(free_port()),
                "MAIL_URL": f"json://{USER}:{TOKEN}@127.0.0.1:{free_port()}/{TOPIC}",
            },
        )
        try:
            yield made
        finally:
            made.end()


_READS = {
    "hash": ("HGETALL",),
    "list": ("LRANGE", "0", "-1"),
    "set": ("SMEMBERS",),
    "zset": ("ZRANGE", "0", "-1"),
    "stream": ("XRANGE", "-", "+"),
    "string": ("GET",),
}


def _url(server: RedisServer) -> str:
    return f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/0"


def _stored(server: RedisServer) -> str:
    """Everything in Redis, as text; records of the history are unpacked."""
    found: list[object] = []
    with (
        redis.Redis.from_url(server.url, password=PASSWORD) as client,
        Queue(_url(server)) as queue,
    ):
        for key in client.scan_iter(count=1000):
            verb, *more = _READS[client.type(key).decode()]
            found.append(client.execute_command(verb, key, *more))
        found.append(queue.run(history.oldest(limit=100)))
    return str(found)


def test_no_secret_is_said_by_anybody(
    house: House, server: RedisServer, phone: HttpService
) -> None:
    for daemon in ("broker", "processor", "notify", "api"):
        house.start(daemon)
    # All is well, and an event runs; another cannot; two services do not listen.
    eventually(lambda: "follows the journal" in house.printed("notify"), deadline=60)
    with Queue(_url(server)) as queue:
        for account in ("DU1000001", "DU1000002"):
            event = accept(account, "rebalance", now=time.time(), source="test")
            queue.run(moves.enqueue(event, now=time.time()))
    eventually(lambda: "is complete" in house.printed("processor"), deadline=60)
    phone.until(lambda: "given up" in str(phone.got), deadline=60)
    eventually(lambda: "gone did not take" in house.printed("notify"), deadline=60)
    # What people ask for, and what they get wrong.
    house.ask("/metrics", OPERATOR)
    house.ask("/config", OPERATOR)
    house.ask("/accounts", OPERATOR + "x")
    shown = house.run("config", "show")
    assert "***" in shown
    assert "phone: took it\ngone: failed: " in house.run("notify", "test")
    stored = _stored(server)
    # Redis refuses the password, then it is gone.
    with redis.Redis.from_url(server.url, password=PASSWORD) as client:
        client.config_set("requirepass", "another")
        client.client_kill_filter(_type="normal")
    eventually(lambda: "refuses the login" in house.printed("processor"), deadline=60)
    house.run("doctor")
    server.kill()
    house.run("queue", "status")
    eventually(lambda: "cannot be reached" in house.printed("notify"), deadline=60)
    house.end()
    house.running.clear()

    said = house.printed()
    assert len(said) > 5000
    answers = house.printed("answers")
    assert "rebalancer_runs_total{" in answers
    assert [answer[:3] for answer in answers.splitlines() if answer[:2] in {"20", "40"}] == [
        "200",
        "200",
        "401",
    ]
    for canary in CANARIES:
        assert canary not in said
        assert canary not in stored
    lines = [json.loads(line) for line in house.printed("processor", "broker").splitlines()]
    begun = [line for line in lines if "begins" in line["message"]]
    assert begun
    assert all(line["event_id"] and line["account"].startswith("DU100000") for line in begun)
    assert len({line["run"] for line in begun}) == len(begun)


def test_the_canaries_would_be_found(server: RedisServer) -> None:
    with redis.Redis.from_url(server.url, password=PASSWORD) as client:
        client.hset("somewhere", "deep", TOKEN)
    assert TOKEN in _stored(server)
