"""The command line and the server, over one Redis, say the same."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from rebalancer.cli.main import main
from rebalancer.queue import moves
from rebalancer.sweeper import sweeps
from tests.api.server import Api

pytestmark = pytest.mark.redis_server

Typed = Callable[..., Any]


@pytest.fixture
def typed(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Typed:
    """Type a command with --json on the server's machine; its answer."""
    for name, value in api.server.environment().items():
        if name.startswith("REBALANCER_"):
            monkeypatch.setenv(name, value)

    def answer(*words: str) -> Any:
        capsys.readouterr()
        main([*words, "--json"])
        return json.loads(capsys.readouterr().out)

    return answer


@pytest.mark.parametrize("silent", [0.0, 200.0])
def test_the_verdict_is_the_same(api: Api, typed: Typed, silent: float) -> None:
    at = time.time()
    for name, age in (("broker", 0.0), ("processor", silent)):
        info = {"gateway_ready": True, "gateway_state": "connected"}
        api.run(moves.heartbeat_daemon(name, info, now=at - age))
    sweeps.run(api.queue, ["all"], at)
    served, said = api.nobody.get("/health").json(), typed("health")
    assert (served["status"] == "down") is bool(silent)
    for told in (served, said):
        del told["at"]
        for part in told["components"].values():
            part["age_seconds"] = part["age_seconds"] is not None
            part["detail"] = part["detail"].partition(" for ")[0]
    assert said == served


def test_the_server_answers_and_is_ready(api: Api, typed: Typed) -> None:
    assert typed("health", "--live") == {"status": "ok"}
    assert typed("health", "--ready") == {"status": "ok"}


def test_accounts_and_halts_and_settings_are_the_same(api: Api, typed: Typed) -> None:
    at = time.time()
    info = {"next": {"DU1000001": {"at": at + 60, "exec_command": "rebalance"}}}
    api.run(moves.heartbeat_daemon("broker", info, now=at))
    api.run(moves.halt("account:DU1000001", reason="audit", now=at))
    served = api.reader.get("/accounts").json()["items"]
    assert typed("accounts", "list") == served
    assert served[0]["next_run_at"] == at + 60
    assert typed("accounts", "show", "DU1000001")["account"] == served[0]
    assert typed("halts") == api.reader.get("/halts").json()["items"]
    assert typed("config", "show") == api.reader.get("/config").json()["settings"]


def test_the_description_is_the_same(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["api", "openapi"]) == 0
    assert json.loads(capsys.readouterr().out) == api.nobody.get("/openapi.json").json()
