"""``health`` judges as the API does; ``halts`` and ``metrics`` show what stands in Redis."""

from __future__ import annotations

import time

import pytest

from rebalancer.queue import moves
from rebalancer.queue.store import Queue
from rebalancer.sweeper import sweeps
from tests.cli.conftest import Rebalancer
from tests.cli.test_history import leased
from tests.cli.test_json import held
from tests.support.http_service import http_service
from tests.support.redis_server import free_port

pytestmark = pytest.mark.redis_server

WELL = {"gateway_ready": True, "gateway_state": "connected"}


@pytest.fixture
def well(redis: Queue) -> Queue:
    """Both daemons alive, the sweeps on time."""
    at = time.time()
    for name in ("broker", "processor"):
        redis.run(moves.heartbeat_daemon(name, WELL, now=at))
    sweeps.run(redis, ["all"], at)
    return redis


def test_all_is_well(rebalancer: Rebalancer, well: Queue) -> None:
    answer = rebalancer("health")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.endswith("\nok\n")
    assert "dead letter" in answer.out
    told = rebalancer("health", "--json", "--strict")
    assert (told.code, told.json["status"]) == (0, "ok")
    assert told.json["components"]["gateway"]["detail"] == "connected"


def test_what_needs_a_look_fails_only_if_that_is_asked(
    rebalancer: Rebalancer, well: Queue
) -> None:
    at = time.time()
    well.run(moves.bury(leased(well, "lost", "DU1", at), now=at, reason="gone", error=""))
    answer = rebalancer("health")
    assert answer.code == 0
    assert answer.out.endswith("\ndegraded\n")
    assert "rebalancer queue list dead" in answer.out
    assert rebalancer("health", "--strict").code == 1


def test_a_silent_daemon_is_down_by_the_limits_of_the_api(
    rebalancer: Rebalancer, well: Queue
) -> None:
    well.run(moves.heartbeat_daemon("processor", WELL, now=time.time() - 300))
    answer = rebalancer("health", "--json")
    assert answer.code == 1
    assert answer.json["status"] == "down"
    assert answer.json["components"]["processor"]["status"] == "down"
    assert answer.json["components"]["gateway"]["status"] == "unknown"
    rebalancer.configure("api: {heartbeat_seconds: 1000}")
    assert rebalancer("health").code == 0


def test_without_redis_everything_else_is_unknown(rebalancer: Rebalancer) -> None:
    answer = rebalancer("health", "--json")
    assert (answer.code, answer.err) == (1, "")
    parts = answer.json["components"]
    assert parts.pop("redis")["status"] == "down"
    assert {part["status"] for part in parts.values()} == {"unknown"}
    ready = rebalancer("health", "--ready")
    assert (ready.code, ready.out) == (3, "")


def test_ready_needs_nothing_but_redis(rebalancer: Rebalancer, redis: Queue) -> None:
    assert rebalancer("health", "--ready").out == "signals are taken in\n"
    assert rebalancer("health").code == 1


def test_live_is_refused_if_no_api_answers(
    rebalancer: Rebalancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REBALANCER_API_PORT", str(free_port()))
    answer = rebalancer("health", "--live")
    assert answer.code == 1
    assert "systemctl status rebalancer-api" in answer.err
    with http_service() as another:  # it takes POST only
        monkeypatch.setenv("REBALANCER_API_PORT", str(another.port))
        assert "(status 501)" in rebalancer("health", "--live").err
    assert rebalancer("health", "--live", "--ready").code == 2


def test_halts_say_how_they_are_lifted(rebalancer: Rebalancer, redis: Queue) -> None:
    assert rebalancer("halts").out == "nothing is stopped\n"
    rebalancer("halt", "--reason", "drill")
    rebalancer("halt", "--symbol", "GME", "--reason", "volatile")
    held(redis)
    shown = " ".join(rebalancer("halts").out.split())
    for words in ("drill", "symbol:GME", "rebalancer resume --symbol GME", "volatile"):
        assert words in shown
    assert "rebalancer accounts resume DU1000001" in shown
    scopes = [one["scope"] for one in rebalancer("halts", "--json").json]
    assert scopes == ["all", "hold:DU1000001", "symbol:GME"]


def test_the_figures_in_both_forms(rebalancer: Rebalancer, well: Queue) -> None:
    leased(well, "runs", "DU1", time.time())
    text = rebalancer("metrics").out
    assert 'rebalancer_events{state="leased"} 1.0\n' in text
    figures = rebalancer("metrics", "--json").json
    assert {
        "name": "rebalancer_events",
        "labels": {"state": "leased"},
        "value": 1.0,
    } in figures
