from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rebalancer.queue import moves
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from tests.cli.conftest import Answer, Rebalancer
from tests.support.redis_server import redis_server
from tests.support.sim_gateway import SimThread

pytestmark = pytest.mark.redis_server


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimThread]:
    """A gateway that manages DU1000001 and DU1000002."""
    with SimThread() as sim:
        monkeypatch.setenv("REBALANCER_GATEWAY_PORT", str(sim.port))
        yield sim


def _found(answer: Answer, subject: str) -> dict[str, str]:
    [finding] = [f for f in answer.json["findings"] if f["subject"] == subject]
    return dict(finding)


def test_all_is_well(rebalancer: Rebalancer, redis: Queue, gateway: SimThread) -> None:
    for name in ("broker", "processor"):
        redis.run(moves.heartbeat_daemon(name, {}, now=time.time()))
    answer = rebalancer("doctor", "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json["ok"]
    assert {finding["level"] for finding in answer.json["findings"]} == {"ok"}
    assert "accounts DU1000001, DU1000002" in _found(answer, "gateway")["text"]
    as_text = rebalancer("doctor").out
    assert "ok    redis persistence: append-only file on, appendfsync everysec" in as_text


def _frame(text: bytes) -> bytes:
    return len(text).to_bytes(4, "big") + text


def test_the_doctor_looks_while_the_processor_is_connected(
    rebalancer: Rebalancer, redis: Queue, gateway: SimThread
) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as processor:
        processor.sendall(b"API\0" + _frame(b"v157..178"))
        assert processor.recv(4096)
        processor.sendall(_frame(b"71\x002\x0010\x00\x00"))  # startApi as client 10
        assert processor.recv(4096)
        answer = rebalancer("doctor", "--json")
        assert _found(answer, "gateway")["level"] == "ok"
        processor.sendall(_frame(b"49\x001\x00"))  # it may still ask for the time
        assert processor.recv(4096)


def test_each_fault_is_found_with_its_remedy(
    rebalancer: Rebalancer, redis: Queue, gateway: SimThread
) -> None:
    at = time.time()
    rebalancer("enqueue", "DU1")
    lease = redis.take("w", now=time.time, ttl=20.0, wait=5.0)
    assert lease is not None
    redis.run(moves.bury(lease, now=at, reason="r", error=""))
    rebalancer("enqueue", "DU2")
    assert redis.take("w", now=lambda: at - 60, ttl=20.0, wait=5.0)
    rebalancer("halt", "--symbol", "SPY", "--reason", "split")
    redis.run(moves.heartbeat_daemon("broker", {}, now=at - 3600))
    answer = rebalancer("doctor", "--json")
    assert answer.code == 0  # warnings do not fail
    assert "queue list dead" in _found(answer, "dead letter")["remedy"]
    assert "sweep leases" in _found(answer, "leases")["remedy"]
    assert _found(answer, "halt")["remedy"] == "lift it: rebalancer resume --symbol SPY"
    assert "silent for 3600 s" in _found(answer, "broker")["text"]
    assert _found(answer, "processor")["text"] == "never seen"


def test_no_gateway(rebalancer: Rebalancer, redis: Queue) -> None:
    answer = rebalancer("doctor")
    assert answer.code == 1
    assert "fail  gateway: nothing listens on 127.0.0.1:" in answer.out
    assert "-> start IB Gateway and log in" in answer.out
    assert answer.err == "1 to mend.\n"


@pytest.fixture
def always_away(rebalancer: Rebalancer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two windows that are the whole day."""
    monkeypatch.delenv("REBALANCER_GATEWAY_WINDOWS")
    rebalancer.configure(
        "gateway: {windows: [{name: day, start: 06:00, end: 18:00, time_zone: UTC},"
        " {name: night, start: 18:00, end: 06:00, time_zone: UTC}]}"
    )


@pytest.mark.usefixtures("always_away")
def test_in_a_window_an_absent_gateway_is_no_failure(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    answer = rebalancer("doctor", "--json")
    assert answer.code == 0
    found = _found(answer, "gateway")
    assert found["level"] == "warn"
    assert "nothing listens" in found["text"]
    assert "; expected until " in found["text"]
    windows = [f for f in answer.json["findings"] if f["subject"] == "gateway window"]
    assert "expected to be away now: " in windows[0]["text"]


def test_the_next_window_is_shown(
    rebalancer: Rebalancer, redis: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "none configured" in _found(rebalancer("doctor", "--json"), "gateway window")["text"]
    monkeypatch.delenv("REBALANCER_GATEWAY_WINDOWS")
    found = rebalancer("doctor", "--json").json["findings"]
    windows = [f["text"] for f in found if f["subject"] == "gateway window"]
    assert windows[-1].startswith("next: ")


def test_an_account_the_login_does_not_manage(
    rebalancer: Rebalancer, redis: Queue, gateway: SimThread
) -> None:
    rebalancer.configure("", "accounts: [{account_id: DU9, type: paper, targets: {SPY: 1}}]\n")
    answer = rebalancer("doctor", "--json")
    assert answer.code == 1
    assert "DU9" in _found(answer, "account DU9")["text"]


def test_no_redis(rebalancer: Rebalancer, gateway: SimThread) -> None:
    answer = rebalancer("doctor", "--json")
    assert answer.code == 1
    assert _found(answer, "redis")["remedy"] == "start Redis, or correct redis.url"
    assert _found(answer, "gateway")["level"] == "ok"


def test_wrong_settings_do_not_hide_the_rest(rebalancer: Rebalancer, redis: Queue) -> None:
    rebalancer.configure("", "accounts: [7]\n")
    answer = rebalancer("doctor", "--json")
    assert answer.code == 1
    assert "accounts[0]" in _found(answer, "config")["text"]
    assert _found(answer, "redis")["level"] == "ok"


def test_without_readable_settings_nothing_else_is_checked(rebalancer: Rebalancer) -> None:
    rebalancer.configure("trading_mode: x\n")
    findings = rebalancer("doctor", "--json").json["findings"]
    assert [finding["subject"] for finding in findings] == ["config", "config"]


@pytest.mark.parametrize(
    ("name", "value", "subject", "level"),
    [
        ("appendonly", "no", "redis persistence", "fail"),
        ("appendfsync", "no", "redis persistence", "warn"),
        ("maxmemory-policy", "allkeys-lru", "redis memory", "fail"),
    ],
)
def test_a_redis_that_may_lose_events(
    rebalancer: Rebalancer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    subject: str,
    level: str,
) -> None:
    with redis_server(tmp_path / "redis") as server, Queue(server.url) as queue:
        queue.run(command("CONFIG", "SET", name, value, parse=bool))
        monkeypatch.setenv("REBALANCER_REDIS_URL", server.url)
        answer = rebalancer("doctor", "--json")
    finding = _found(answer, subject)
    assert finding["level"] == level
    assert finding["remedy"].startswith("set `")
