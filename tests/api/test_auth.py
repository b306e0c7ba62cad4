"""Who gets in: tokens, roles, sessions; and what other sites and names get."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.api.server import OPERATOR, Api, problem

pytestmark = pytest.mark.redis_server

SIGNAL = {"account_id": "DU1000001"}


def test_without_a_token_there_is_health_and_nothing_else(api: Api) -> None:
    assert api.nobody.get("/health/live").status_code == 200
    for path in ("/queue/status", "/accounts", "/journal", "/events", "/config", "/runs"):
        answer = api.nobody.get(path)
        assert problem(answer) == (401, "no-token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "rebalancer api token" in answer.json()["remedy"]


@pytest.mark.parametrize("value", ["Bearer wrong", "Basic eA==", "Bearer", "", OPERATOR])
def test_a_wrong_token_is_none(api: Api, value: str) -> None:
    answer = api.nobody.get("/queue/status", headers={"Authorization": value})
    assert problem(answer) == (401, "no-token")


def test_a_reader_reads_and_changes_nothing(api: Api) -> None:
    assert api.reader.get("/queue/status").json()["queue_length"] == 0
    assert problem(api.reader.post("/queue/events", json=SIGNAL)) == (403, "read-only")
    assert problem(api.reader.post("/halts", json={"reason": "x"})) == (403, "read-only")
    assert problem(api.reader.delete("/queue/events?confirm=yes")) == (403, "read-only")
    assert api.reader.get("/queue/status").json()["queue_length"] == 0


@contextmanager
def _logged_in(api: Api) -> Iterator[httpx.Client]:
    with api.server.client("") as client:
        _log_in(client)
        yield client


def _log_in(client: httpx.Client) -> None:
    answer = client.post("/session", json={"token": OPERATOR})
    assert answer.status_code == 201, answer.text
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]


def test_a_browser_logs_in_once_and_out_again(api: Api) -> None:
    with _logged_in(api) as browser:
        shown = browser.get("/session").json()
        assert (shown["role"], shown["by"]) == ("operator", "session")
        assert shown["csrf_token"] == browser.headers["X-CSRF-Token"]
        assert shown["expires_at"] > time.time() + 3600
        assert browser.post("/queue/events", json=SIGNAL).status_code == 202
        kept = dict(browser.cookies)
        assert browser.delete("/session").status_code == 204
        browser.cookies.update(kept)
        assert problem(browser.get("/accounts")) == (401, "no-token")


def test_a_session_alone_changes_nothing(api: Api) -> None:
    with _logged_in(api) as browser:
        for token in ("", "0" * 64):
            browser.headers["X-CSRF-Token"] = token
            assert problem(browser.post("/halts", json={"reason": "x"})) == (
                403,
                "no-csrf-token",
            )
        assert browser.get("/halts").json() == {"items": []}


def test_a_login_needs_the_token(api: Api) -> None:
    answer = api.nobody.post("/session", json={"token": "wrong"})
    assert problem(answer) == (401, "no-token")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "evil.example"}, (421, "wrong-host")),
        ({"Host": "localhost.evil.example:8000"}, (421, "wrong-host")),
        ({"Origin": "http://evil.example"}, (403, "foreign-origin")),
        ({"Origin": "null"}, (403, "foreign-origin")),
        ({"Origin": "http://localhost:1"}, (403, "foreign-origin")),
        ({"Sec-Fetch-Site": "cross-site"}, (403, "foreign-origin")),
        ({"Sec-Fetch-Site": "same-site"}, (403, "foreign-origin")),
    ],
)
def test_other_names_and_sites_are_refused(
    api: Api, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert problem(api.operator.get("/accounts", headers=headers)) == expected
    assert problem(api.operator.post("/queue/events", json=SIGNAL, headers=headers)) == expected


@pytest.mark.parametrize("host", ["localhost", "localhost:9", "127.0.0.1:7", "[::1]:80"])
def test_a_tunnel_may_have_any_port(api: Api, host: str) -> None:
    assert api.operator.get("/accounts", headers={"Host": host}).status_code == 200


def test_the_page_may_ask(api: Api) -> None:
    own = {"Origin": api.server.url, "Sec-Fetch-Site": "same-origin"}
    assert api.operator.post("/queue/events", json=SIGNAL, headers=own).status_code == 202


@pytest.mark.parametrize("path", ["/health", "/docs", "/queue/status", "/nowhere"])
def test_every_answer_is_hardened(api: Api, path: str) -> None:
    headers = api.operator.get(path).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
