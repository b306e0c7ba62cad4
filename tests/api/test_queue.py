"""Signals in, events listed, removed, cleared, brought back; and what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rebalancer.core.event import COMMANDS
from rebalancer.queue import moves
from rebalancer.queue.values import Lease
from tests.api.server import Api, problem

pytestmark = pytest.mark.redis_server


def _leased(api: Api) -> Lease:
    found = api.queue.take("w", now=time.time, ttl=60, wait=0)
    assert found is not None
    return found


def _enqueue(api: Api, **body: Any) -> dict[str, Any]:
    answer = api.operator.post("/queue/events", json={"account_id": "DU1000001", **body})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == found["location"]
    return found


def test_a_signal_is_queued_with_everything_it_carries(api: Api) -> None:
    found = _enqueue(
        api, eventId="mine", priority="high", data={"note": "ä", "raise_cash": 1.5}
    )
    assert (found["event_id"], found["status"], found["position"]) == ("mine", "queued", 1)
    shown = api.reader.get(found["location"]).json()
    assert shown["state"] == "queued"
    assert shown["event"]["data"] == {"note": "ä", "raise_cash": 1.5}
    assert (shown["event"]["source"], shown["event"]["priority"]) == ("api", "high")


@pytest.mark.parametrize(
    "data",
    [
        {"when": {"drift_exceeds_percent": "5", "drift_exceeds_relative_percent": "1000"}},
        {"mode": "buy-only", "when": {"uninvested_cash_exceeds_percent": "2.5"}},
        {"raise_cash": "0.50"},
        {"raise_cash": "5000.10"},
    ],
)
def test_numbers_as_the_other_sources_write_them(api: Api, data: dict[str, Any]) -> None:
    found = _enqueue(api, data=data)
    assert api.reader.get(found["location"]).json()["event"]["data"] == data


@pytest.mark.parametrize(
    "data",
    [
        {"when": {"drift_exceeds_percent": "100.5"}},
        {"when": {"drift_exceeds_relative_percent": "1001"}},
        {"when": {"drift_exceeds_percent": "-1"}},
        {"raise_cash": "0.0"},
        {"raise_cash": "1e3"},
    ],
)
def test_texts_that_are_no_such_numbers(api: Api, data: dict[str, Any]) -> None:
    body = {"account_id": "DU1", "exec_command": "rebalance", "data": data}
    assert api.operator.post("/queue/events", json=body).status_code == 422


def test_a_resend_and_a_second_signal(api: Api) -> None:
    first = _enqueue(api, eventId="mine")
    assert _enqueue(api, eventId="mine") == first
    assert _enqueue(api)["status"] == "merged"
    _leased(api)
    assert _enqueue(api)["status"] == "rerun"


def test_every_command_is_known(api: Api) -> None:
    for command in COMMANDS:
        assert _enqueue(api, exec_command=command)["status"] == "queued"
    assert api.reader.get("/queue/status").json()["queue_length"] == len(COMMANDS)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"account_id": "U9999999"}, (404, "not-found")),
        ({"account_id": "DU1000002"}, (409, "in-the-way")),
        ({"account_id": "DU1000001", "exec_command": "sell-all"}, (422, "invalid")),
        ({"account_id": "DU1000001", "priority": "urgent"}, (422, "invalid")),
        ({"account_id": "DU1000001", "eventId": "a b"}, (422, "invalid")),
        ({"account_id": "DU1000001", "data": [1]}, (422, "invalid")),
        ({"account_id": "DU1000001", "more": 1}, (422, "invalid")),
        ({"account_id": 1}, (422, "invalid")),
        ({}, (422, "invalid")),
        ([], (422, "invalid")),
        ("DU1000001", (422, "invalid")),
    ],
)
def test_what_can_never_run_is_refused(api: Api, body: Any, expected: tuple[int, str]) -> None:
    answer = api.operator.post("/queue/events", json=body)
    assert problem(answer) == expected
    assert answer.json()["remedy"]
    assert api.reader.get("/queue/status").json()["queue_length"] == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", (400, "bad-request")),
        (b"", (400, "bad-request")),
        (b"\xff", (400, "bad-request")),
        (b'{"account_id":"DU1000001","data":{"n":NaN}}', (400, "bad-request")),
        (b"[" * 60_000, (400, "bad-request")),
        (b" " * 70_000, (413, "too-large")),
    ],
)
def test_a_broken_body_is_refused(api: Api, body: bytes, expected: tuple[int, str]) -> None:
    json = {"Content-Type": "application/json"}
    answer = api.operator.post("/queue/events", content=body, headers=json)
    assert problem(answer) == expected


def test_chunks_without_end_are_cut_off(api: Api) -> None:
    chunks = (b"x" * 10_000 for _ in range(20))
    json = {"Content-Type": "application/json"}
    answer = api.operator.post("/queue/events", content=chunks, headers=json)
    assert problem(answer) == (413, "too-large")


def test_a_form_is_no_json(api: Api) -> None:
    answer = api.operator.post("/queue/events", data={"account_id": "DU1000001"})
    assert problem(answer) == (415, "no-json")


def _one_in_each_state(api: Api) -> None:
    now = time.time()
    for name in ("print-orders", "print-equity", "print-positions", "rebalance"):
        _enqueue(api, exec_command=name, eventId=name)
    lease = _leased(api)
    api.run(moves.bury(lease, now=now, reason="because", error="no"))
    lease = _leased(api)
    api.run(moves.delay(lease, now=now, until=now + 99, reason="closed"))
    lease = _leased(api)
    api.run(
        moves.retry(lease, now=now, error="x", base_delay=9, cap=9, max_attempts=0, jitter=0.9)
    )
    _leased(api)
    _enqueue(api, exec_command="cancel-orders", eventId="cancel-orders")


def test_each_state_is_counted_and_listed(api: Api) -> None:
    _one_in_each_state(api)
    status = api.reader.get("/queue/status").json()
    assert status["queue_length"] == 1
    assert status["active_events_count"] == 2
    assert status["executing_events_count"] == 1
    assert status["retry_events_count"] == 1
    assert status["delayed_events_count"] == 1
    assert status["dead_letter_count"] == 1
    assert 0 <= status["oldest_event_age_seconds"] < 60
    expected = {
        "active": ["rebalance", "cancel-orders"],
        "queued": ["cancel-orders"],
        "leased": ["rebalance"],
        "retry": ["print-positions"],
        "delayed": ["print-equity"],
        "dead": ["print-orders"],
    }
    for kind, ids in expected.items():
        page = api.reader.get("/queue/events", params={"type": kind}).json()
        assert [item["event_id"] for item in page["items"]] == ids, kind
        assert page["cursor"] is None
    [dead] = api.reader.get("/dead-letter").json()["items"]
    assert (dead["reason"], dead["error"]) == ("because", "no")


def test_pages_follow_each_other(api: Api) -> None:
    for number, name in enumerate(COMMANDS):
        _enqueue(api, exec_command=name, eventId=f"e{number}")
    _leased(api)
    seen: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        page = api.reader.get(f"/queue/events?limit=3&cursor={cursor}").json()
        seen += [item["event_id"] for item in page["items"]]
        cursor = page["cursor"]
    assert seen == [f"e{number}" for number in range(len(COMMANDS))]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "cursor=-1", "type=other", "limit=1&limit=2", "colour=red"],
)
def test_a_page_that_is_none_is_refused(api: Api, query: str) -> None:
    answer = api.reader.get(f"/queue/events?{query}")
    assert problem(answer) == (422, "invalid")
    assert answer.json()["errors"]


def test_one_event_is_removed(api: Api) -> None:
    _enqueue(api, eventId="mine")
    assert api.operator.delete("/queue/events/mine").json() == {
        "event_id": "mine",
        "was": "queued",
    }
    assert problem(api.operator.delete("/queue/events/mine")) == (404, "not-found")
    assert problem(api.reader.get("/queue/events/mine")) == (404, "not-found")


def test_clearing_needs_a_word(api: Api) -> None:
    _one_in_each_state(api)
    assert problem(api.operator.delete("/queue/events")) == (422, "invalid")
    assert problem(api.operator.delete("/queue/events?confirm=no")) == (422, "invalid")
    cleared = api.operator.delete("/queue/events?confirm=yes&type=retry").json()
    assert cleared == {"removed": 1, "states": ["retrying"]}
    assert api.operator.delete("/queue/events?confirm=yes").json()["removed"] == 3
    assert api.reader.get("/queue/status").json()["active_events_count"] == 1


def test_a_dead_event_comes_back(api: Api) -> None:
    _one_in_each_state(api)
    answer = api.operator.post("/dead-letter/print-orders/requeue")
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert problem(api.operator.post("/dead-letter/print-orders/requeue"))[0] == 404
    assert api.reader.get("/queue/status").json()["dead_letter_count"] == 0


def test_what_nobody_can_read_is_not_requeued(api: Api) -> None:
    from rebalancer.queue import keys
    from rebalancer.queue.move import command

    api.run(command("LPUSH", keys.QUEUE, '{"event_id":"bad"', parse=int))
    api.run(moves.repair(now=time.time()))
    [dead] = api.reader.get("/dead-letter").json()["items"]
    assert dead["event"] is None
    assert "bad" in dead["raw"]
    assert problem(api.operator.post(f"/dead-letter/{dead['event_id']}/requeue"))[0] in {
        404,
        409,
    }


def test_a_method_that_is_none_names_those_that_are(api: Api) -> None:
    answer = api.operator.put("/queue/events", json={})
    assert problem(answer) == (405, "no-method")
    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "POST", "DELETE"}
    assert problem(api.operator.get("/nowhere")) == (404, "not-found")
