"""Accounts, halts, holds and targets: looked at, and acted on."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from rebalancer.core.reconcile import Difference, Shown
from rebalancer.queue import moves
from tests.api.server import Api, problem

pytestmark = pytest.mark.redis_server

ACCOUNT = "DU1000001"


def test_accounts_are_listed_as_configured_and_seen(api: Api) -> None:
    first, second = api.reader.get("/accounts").json()["items"]
    assert (first["account_id"], first["traded"], first["seen_at"]) == (ACCOUNT, True, None)
    assert (second["traded"], "enabled: false" in second["why_not"]) == (False, True)
    picture = {"currency": "USD", "net_liquidation": "1", "plan": {"drift_before": "0.1"}}
    api.run(moves.save_snapshot(ACCOUNT, picture, now=time.time()))
    due = {"next": {ACCOUNT: {"at": 5.0, "exec_command": "rebalance"}, "other": None}}
    api.run(moves.heartbeat_daemon("broker", due, now=time.time()))
    first, second = api.reader.get("/accounts").json()["items"]
    assert (first["net_liquidation"], first["drift"]) == ("1", "0.1")
    assert (first["next_run_at"], second["next_run_at"]) == (5.0, None)


def test_one_account_is_shown_whole(api: Api) -> None:
    shown = api.reader.get(f"/accounts/{ACCOUNT}").json()
    assert shown["target"]["weights"] == {"SPY": "0.6", "BND": "0.4"}
    assert (shown["hold"], shown["proposal"], shown["snapshot"]) == (None, None, None)
    assert len(shown["schedule"]) == 1
    lacking = api.reader.get("/accounts/DU1000002/target").json()
    assert lacking["weights"] is None
    assert "accounts.yaml" in lacking["lacks"]
    for path in ("", "/target"):
        assert problem(api.reader.get(f"/accounts/U9999999{path}")) == (404, "not-found")


def test_a_halt_stands_until_it_is_resumed(api: Api) -> None:
    made = api.operator.post("/halts", json={"reason": "fat finger", "scope": "symbol:BRK B"})
    assert (made.status_code, made.json()["scope"]) == (201, "symbol:BRK B")
    api.operator.post(f"/accounts/{ACCOUNT}/halt", json={"reason": "r", "cancel_open": True})
    everything = api.operator.post("/halts", json={"reason": "all of it"}).json()
    assert everything["scope"] == "all"
    listed = {halt["scope"]: halt for halt in api.reader.get("/halts").json()["items"]}
    assert set(listed) == {"all", f"account:{ACCOUNT}", "symbol:BRK B"}
    assert listed[f"account:{ACCOUNT}"]["cancel_open"] is True
    assert listed[f"account:{ACCOUNT}"]["request"]
    assert api.reader.get("/queue/status").json()["halted"] == sorted(listed)
    assert api.reader.get("/accounts").json()["items"][0]["stopped"] == "halted"
    resumed = api.operator.delete("/halts/symbol:BRK B").json()
    assert (resumed["resumed"], len(resumed["still"])) == (True, 2)
    assert api.operator.post(f"/accounts/{ACCOUNT}/resume").json()["resumed"] is True
    assert api.operator.delete("/halts/all").json() == {
        "scope": "all",
        "resumed": True,
        "still": [],
    }
    assert api.operator.delete("/halts/all").json()["resumed"] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": "   "},
        {"reason": "r", "scope": "everything"},
        {"reason": "r", "scope": "hold:DU1000001"},
        {"reason": "r", "cancel_open": "yes"},
    ],
)
def test_a_halt_that_is_none_is_refused(api: Api, body: dict[str, object]) -> None:
    assert problem(api.operator.post("/halts", json=body)) == (422, "invalid")
    assert api.reader.get("/halts").json()["items"] == []


def test_a_hold_is_accepted_and_not_resumed(api: Api) -> None:
    shown = Shown(7, "rb:x:1:A", ACCOUNT, 1, "A", 1, "BUY", None, Decimal(1), working=False)
    found = Difference("unknown", shown.order_ref, None, (shown,))
    api.run(moves.hold(ACCOUNT, [found], reason="unexplained", now=time.time()))
    assert problem(api.operator.delete(f"/halts/hold:{ACCOUNT}")) == (422, "invalid")
    assert api.operator.post(f"/accounts/{ACCOUNT}/resume").json()["resumed"] is False
    held = api.reader.get(f"/accounts/{ACCOUNT}").json()
    assert held["standing"]["stopped"] == "held"
    assert held["hold"]["differences"][0]["kind"] == "unknown"
    released = api.operator.post(f"/accounts/{ACCOUNT}/accept", json={"reason": "mine"}).json()
    assert (released["accepted"], released["hold"]["reason"]) == (True, "unexplained")
    again = api.operator.post(f"/accounts/{ACCOUNT}/accept").json()
    assert (again["accepted"], again["hold"]) == (False, None)


def test_plans_that_do_not_wait_are_neither_approved_nor_rejected(api: Api) -> None:
    for what in ("approve", "reject"):
        answer = api.operator.post(
            f"/accounts/{ACCOUNT}/{what}", json={"plan_hash": "0123456789ab"}
        )
        assert problem(answer) == (404, "not-found")
        answer = api.operator.post(f"/accounts/{ACCOUNT}/{what}", json={"plan_hash": "x"})
        assert problem(answer) == (422, "invalid")


def test_the_settings_are_shown_without_secrets(api: Api) -> None:
    shown = api.reader.get("/config").json()["settings"]
    assert shown["trading_mode"] == "paper"
    assert [account["account_id"] for account in shown["accounts"]] == [ACCOUNT, "DU1000002"]
    assert "password" not in shown["redis"]["url"]


def test_health_is_open_and_tells_nothing_of_accounts(api: Api) -> None:
    answer = api.nobody.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert api.nobody.get("/health/ready").json() == {"status": "ok"}
    at = time.time()
    ready = {"gateway_ready": True, "gateway_state": "connected to x, DU1000001"}
    for name in ("broker", "processor"):
        api.run(moves.heartbeat_daemon(name, ready, now=at))
    answer = api.nobody.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["components"]["sweeps"]["status"] == "degraded"
    for move in (moves.reclaim, moves.promote_retries, moves.promote_delayed):
        api.run(move(now=at))
    answer = api.nobody.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert ACCOUNT not in answer.text
