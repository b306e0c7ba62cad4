"""Settings that change who gets in, on applications in this process over a real Redis."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from rebalancer.api.app import create_app
from rebalancer.api.auth import COOKIE
from rebalancer.api.tokens import Tokens
from rebalancer.queue import journal
from rebalancer.queue.move import command
from rebalancer.queue.store import Queue
from rebalancer.settings import Settings, load, locate
from rebalancer.settings.api_keys import Api
from tests.api.server import ACCOUNTS, OPERATOR, READER
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis_server

TOKENS = Tokens(OPERATOR, READER)


@pytest.fixture
def settings(tmp_path: Path, redis: RedisServer) -> Settings:
    (tmp_path / "rebalancer.yaml").write_text("")
    (tmp_path / "accounts.yaml").write_text(ACCOUNTS)
    files = locate({}, config=tmp_path / "rebalancer.yaml")
    return load(files, {"REBALANCER_REDIS_URL": redis.url})


@pytest.fixture
def queue(redis: RedisServer) -> Iterator[Queue]:
    with Queue(redis.url) as found:
        found.run(command("FLUSHALL", parse=bool))
        yield found


def _client(settings: Settings, api: Api, tokens: Tokens = TOKENS) -> FlaskClient:
    app = create_app(dataclasses.replace(settings, api=api), tokens, clock=time.time)
    return app.test_client()


def _get(client: FlaskClient, path: str, token: str = "", **headers: str) -> TestResponse:
    given = {"Authorization": f"Bearer {token}"} if token else {}
    return client.get(path, headers={**given, **headers})


def test_many_wrong_tokens_are_told_to_wait_and_a_right_one_gets_in(
    settings: Settings, queue: Queue
) -> None:
    client = _client(settings, Api(failures_per_minute=3))
    statuses = [_get(client, "/halts", "wrong").status_code for _ in range(6)]
    assert statuses == [401, 401, 401, 429, 429, 429]
    assert int(_get(client, "/halts", "wrong").headers["Retry-After"]) > 0
    assert _get(client, "/halts", READER).status_code == 200
    [told] = [e for e in queue.run(journal.read()) if e.kind == "alert"]
    assert "3 requests" in told.data["text"]


def test_a_restart_forgets_no_failure(settings: Settings, queue: Queue) -> None:
    for _ in range(3):
        _get(_client(settings, Api(failures_per_minute=3)), "/halts", "wrong")
    client = _client(settings, Api(failures_per_minute=3))
    assert _get(client, "/halts", "wrong").status_code == 429


def test_without_auth_everybody_reads_and_nobody_writes(
    settings: Settings, queue: Queue
) -> None:
    client = _client(settings, Api(auth="off"), Tokens())
    assert _get(client, "/accounts").status_code == 200
    refused = client.post("/queue/events", json={"account_id": "DU1000001"})
    assert refused.status_code == 403
    assert "api.auth: token" in refused.get_json()["remedy"]
    # No token is set, so none is right, the empty one included.
    assert _get(client, "/accounts", "x").status_code == 401
    assert client.get("/halts", headers={"Authorization": "Bearer "}).status_code == 401


def test_a_new_token_ends_the_sessions_of_the_old_one(settings: Settings, queue: Queue) -> None:
    client = _client(settings, Api())
    assert client.post("/session", json={"token": OPERATOR}).status_code == 201
    assert client.get("/accounts").status_code == 200
    cookie = client.get_cookie(COOKIE)
    assert cookie is not None
    renewed = _client(settings, Api(), dataclasses.replace(TOKENS, operator="new" * 20))
    renewed.set_cookie(cookie.key, cookie.value)
    assert renewed.get("/accounts").status_code == 401


def test_a_session_ends_by_itself(settings: Settings, queue: Queue) -> None:
    at = [time.time()]
    api = Api(session_hours=1.0)
    app = create_app(dataclasses.replace(settings, api=api), TOKENS, clock=lambda: at[0])
    client = app.test_client()
    client.post("/session", json={"token": READER})
    assert client.get("/session").get_json()["role"] == "reader"
    at[0] += 3601
    assert client.get("/accounts").status_code == 401


def test_a_proxy_may_ask_by_a_name_that_is_allowed(settings: Settings, queue: Queue) -> None:
    client = _client(settings, Api(allowed_hosts=("api.example.net",)))
    assert _get(client, "/accounts", READER, Host="API.example.net").status_code == 200
    assert _get(client, "/accounts", READER, Host="example.net").status_code == 421


def test_webhooks_need_a_key(settings: Settings, queue: Queue) -> None:
    answer = _client(settings, Api()).post("/webhooks/body", json={"account_id": "DU1000001"})
    assert answer.status_code == 404
    assert "--webhook" in answer.get_json()["remedy"]


def test_redis_away_is_told_and_health_says_so(settings: Settings, queue: Queue) -> None:
    away = dataclasses.replace(
        settings, redis=dataclasses.replace(settings.redis, url="redis://127.0.0.1:1/0")
    )
    client = _client(away, Api())
    answer = _get(client, "/queue/status", READER)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.get_json()["type"] == "/docs#problem-no-redis"
    health = client.get("/health")
    assert health.status_code == 503
    parts = health.get_json()["components"]
    assert parts["redis"]["status"] == "down"
    assert {part["status"] for name, part in parts.items() if name != "redis"} == {"unknown"}
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200
    # Wrong tokens are counted all the same.
    assert _get(client, "/accounts", "wrong").status_code == 401


def test_what_is_mounted_beside_is_not_open_by_oversight(
    settings: Settings, queue: Queue
) -> None:
    app = create_app(settings, TOKENS, clock=time.time)
    app.add_url_rule("/extra", "extra", lambda: "figures", methods=["GET", "POST"])
    client = app.test_client()
    assert _get(client, "/extra").status_code == 401
    assert _get(client, "/extra", READER).get_data(as_text=True) == "figures"
    reader = {"Authorization": f"Bearer {READER}"}
    assert client.post("/extra", headers=reader).status_code == 403
    with _get(client, "/static/docs.css") as style:
        assert style.status_code == 200
    assert _get(client, "/nowhere").status_code == 404


def test_the_page_is_whole_without_a_token_and_holds_nothing(
    settings: Settings, queue: Queue
) -> None:
    client = _client(settings, Api())
    page = _get(client, "/")
    html = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert re.findall(r"<script[^>]*>[^<]", html) == []
    assert not re.search(r"<style|style=|\son\w+=", html)
    assert "DU1000001" not in html
    parts = set(re.findall(r'(?:src|href)="([^"]*)"', html))
    assert len(parts) > 15
    for part in parts:
        with _get(client, part) as found:
            assert found.status_code == 200, part
            imported = re.findall(r'from "\./([^"]*)"', found.get_data(as_text=True))
            assert {f"/static/page/{name}" for name in imported} <= parts
