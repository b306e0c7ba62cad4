"""A POST with an Idempotency-Key that is sent twice is done once, whatever came between."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from rebalancer.queue import door, moves
from tests.api.server import Api, problem

pytestmark = pytest.mark.redis_server

SIGNAL = {"account_id": "DU1000001", "data": {"note": "1"}}


def _send(api: Api, body: Mapping[str, object], key: str = "key-1") -> httpx.Response:
    return api.operator.post("/queue/events", json=body, headers={"Idempotency-Key": key})


def test_the_same_request_is_done_once_and_answered_the_same(api: Api) -> None:
    first = _send(api, SIGNAL)
    lease = api.queue.take("w", now=time.time, ttl=60, wait=0)
    assert lease is not None
    api.run(moves.complete(lease, now=time.time(), result={}))
    again = _send(api, SIGNAL)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert api.reader.get("/queue/status").json()["queue_length"] == 0


def test_another_request_under_the_same_key_is_refused(api: Api) -> None:
    _send(api, SIGNAL)
    assert problem(_send(api, {**SIGNAL, "data": {"note": "2"}})) == (422, "other-request")
    key = {"Idempotency-Key": "key-1"}
    answer = api.operator.post("/accounts/DU1000001/preview", headers=key)
    assert problem(answer) == (422, "other-request")
    assert _send(api, SIGNAL, key="key-2").json()["status"] == "merged"


def test_a_refusal_is_not_kept(api: Api) -> None:
    body = {"account_id": "U9999999"}
    assert problem(_send(api, body)) == (404, "not-found")
    assert problem(_send(api, body)) == (404, "not-found")


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 129])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    sent = {b"Idempotency-Key": key.encode()}
    answer = api.operator.post("/queue/events", json=SIGNAL, headers=sent)
    assert problem(answer) == (422, "invalid")


def test_many_at_once_make_one_event(api: Api) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: _send(api, SIGNAL), range(16)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["event_id"] for answer in answers}) == 1
    shown = api.reader.get(answers[0].json()["location"]).json()
    assert shown["event"]["merged"] == 0


def test_killed_between_doing_and_answering_it_is_not_done_twice(api: Api) -> None:
    """The claim stands, the answer is missing: as a kill in between leaves it."""
    api.operator.post("/queue/events", json={**SIGNAL, "eventId": "dead-one"})
    lease = api.queue.take("w", now=time.time, ttl=60, wait=0)
    assert lease is not None
    api.run(moves.bury(lease, now=time.time(), reason="r", error="e"))
    key = {"Idempotency-Key": "k"}
    path = "/dead-letter/dead-one/requeue"
    first = api.operator.post(path, headers=key)
    assert first.status_code == 202, first.text
    _forget_the_answer(api, "k", path)
    again = api.operator.post(path, headers=key)
    # Without the names of its moves it would hear that nothing is in the dead letter.
    assert (again.status_code, again.json()) == (202, first.json())
    assert "Idempotent-Replayed" not in again.headers


def _forget_the_answer(api: Api, key: str, path: str) -> None:
    name = hashlib.sha256(key.encode()).hexdigest()
    told = b"\0".join((b"POST", f"{path}?".encode(), b""))
    fingerprint = hashlib.sha256(told).hexdigest()
    assert api.run(door.claim(name, fingerprint, now=0, keep=60)).status == "answered"
    api.run(door.answered(name, fingerprint, b"", keep=60))
