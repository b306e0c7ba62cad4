"""Signals of services that sign: each kind, and everything that is not signed right."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable

import pytest

from tests.api.server import SECRET, Api, problem

pytestmark = pytest.mark.redis_server

BODY = json.dumps({"account_id": "DU1000001", "data": {"note": "3"}}).encode()

Headers = dict[str, str]


def _mac(message: bytes, key: str) -> bytes:
    return hmac.digest(key.encode(), message, "sha256")


def _standard(body: bytes, at: float, key: str = SECRET) -> Headers:
    at = int(at)
    message = b"msg_1.%d." % at + body
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": f"{at}",
        "webhook-signature": "v1,AAAA v1," + base64.b64encode(_mac(message, key)).decode(),
    }


def _timestamp(body: bytes, at: float, key: str = SECRET) -> Headers:
    at = int(at)
    signature = _mac(b"%d." % at + body, key).hex()
    return {"X-Timestamp": f"{at}", "X-Signature": f"sha256={signature}"}


def _body(body: bytes, at: float, key: str = SECRET) -> Headers:
    return {"X-Hub-Signature-256": f"sha256={_mac(body, key).hex()}"}


KINDS: dict[str, Callable[..., Headers]] = {
    "standard": _standard,
    "timestamp": _timestamp,
    "body": _body,
}


def _send(api: Api, kind: str, headers: Headers, body: bytes = BODY) -> object:
    sent = {"Content-Type": "application/json", **headers}
    answer = api.nobody.post(f"/webhooks/{kind}", content=body, headers=sent)
    return answer.json() if answer.status_code == 202 else problem(answer)


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_signal_is_queued(api: Api, kind: str) -> None:
    found = _send(api, kind, KINDS[kind](BODY, time.time()))
    assert isinstance(found, dict)
    event = api.reader.get(found["location"]).json()["event"]
    assert (event["source"], event["data"]) == ("webhook", {"note": "3"})


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_signature_is_refused(api: Api, kind: str) -> None:
    now = time.time()
    right = KINDS[kind](BODY, now)
    refused = (401, "no-token")
    assert _send(api, kind, KINDS[kind](BODY, now, "another key" * 4)) == refused
    assert _send(api, kind, right, BODY.replace(b"3", b"4")) == refused
    assert _send(api, kind, {}) == refused
    assert _send(api, kind, dict.fromkeys(right, "")) == refused
    assert api.reader.get("/queue/status").json()["queue_length"] == 0


@pytest.mark.parametrize("kind", ["standard", "timestamp"])
@pytest.mark.parametrize("off", [-400, 400])
def test_an_old_signature_is_refused(api: Api, kind: str, off: float) -> None:
    found = _send(api, kind, KINDS[kind](BODY, time.time() + off))
    assert found == (401, "no-token")


@pytest.mark.parametrize("kind", ["standard", "timestamp"])
def test_a_replay_is_the_same_event(api: Api, kind: str) -> None:
    headers = KINDS[kind](BODY, time.time())
    first = _send(api, kind, headers)
    assert _send(api, kind, headers) == first
    assert api.reader.get("/queue/status").json()["queue_length"] == 1


def test_a_body_alone_is_one_event_by_its_id(api: Api) -> None:
    body = json.dumps({"account_id": "DU1000001", "eventId": "theirs-1"}).encode()
    for _ in range(2):
        found = _send(api, "body", _body(body, 0), body)
        assert isinstance(found, dict)
        assert (found["event_id"], found["status"]) == ("theirs-1", "queued")


def test_a_kind_that_is_none_is_refused(api: Api) -> None:
    assert _send(api, "other", _body(BODY, 0)) == (422, "invalid")


def test_a_signed_signal_for_nobody_is_refused(api: Api) -> None:
    body = b'{"account_id":"U9999999"}'
    assert _send(api, "body", _body(body, 0), body) == (404, "not-found")
