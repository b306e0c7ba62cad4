from __future__ import annotations

import time
from decimal import Decimal

import pytest

from rebalancer.cli.output import moment
from rebalancer.core.reconcile import Difference, Shown
from rebalancer.processor.record import Outcome
from rebalancer.processor.report import plan_json
from rebalancer.queue import moves
from rebalancer.queue.store import Queue
from tests.cli.conftest import Rebalancer
from tests.cli.test_history import bought, ended, leased
from tests.cli.test_json import HASH, proposed

pytestmark = pytest.mark.redis_server

ACCOUNTS = """\
strategies: {sixty-forty: {targets: {SPY: 60%, BND: 40%}}}
accounts:
  - {account_id: DU1000001, type: paper, strategy_name: sixty-forty}
  - {account_id: DU1000002, type: paper, targets: {SPY: 100%}}
  - {account_id: U1000003, type: live, targets: {SPY: 100%}}
  - {account_id: DU1000004, type: paper, enabled: false, targets: {SPY: 100%}}
"""
REF = "rb:0123456789ab:1:SPY"


@pytest.fixture
def accounts(rebalancer: Rebalancer, redis: Queue) -> Queue:
    """Four accounts: one seen and held, one halted."""
    rebalancer.configure(accounts=ACCOUNTS)
    at = time.time()
    picture = {
        "currency": "USD",
        "net_liquidation": "102000.00",
        "plan": {"drift_before": "0.0056"},
    }
    redis.run(moves.save_snapshot("DU1000001", picture, now=at - 7200))
    shown = Shown(
        7, REF, "DU1000001", 77, "SPY", 1, "BUY", Decimal(10), Decimal(4), working=False
    )
    found = Difference("unknown", REF, None, (shown,))
    redis.run(moves.hold("DU1000001", [found], reason="an order differs", now=at))
    redis.run(moves.halt("account:DU1000002", reason="audit", now=at))
    return redis


def test_the_list_says_how_each_account_stands(rebalancer: Rebalancer, accounts: Queue) -> None:
    answer = rebalancer("accounts", "list")
    assert answer.code == 0
    shown = answer.out
    for words in ("sixty-forty", "HELD", "HALTED", "2 h", "102,000.00 USD", "0.56%", "never"):
        assert words in shown
    assert "rebalancer accounts show DU1000001" in shown
    assert "DU1000002 is halted: audit" in shown


def test_the_list_in_json(rebalancer: Rebalancer, accounts: Queue) -> None:
    found = {row["account_id"]: row for row in rebalancer("accounts", "list", "--json").json}
    first = found["DU1000001"]
    assert (first["stopped"], first["reason"]) == ("held", "an order differs")
    assert (first["net_liquidation"], first["drift"]) == ("102000.00", "0.0056")
    assert first["strategy"] == "sixty-forty"
    assert {name: row["traded"] for name, row in found.items()} == {
        "DU1000001": True,
        "DU1000002": True,
        "U1000003": False,
        "DU1000004": False,
    }
    assert "trading_mode is paper" in found["U1000003"]["why_not"]
    assert found["DU1000004"]["enabled"] is False
    assert found["DU1000002"]["stopped"] == "halted"
    assert found["DU1000002"]["seen_at"] is None


def test_show_puts_both_sides_beside_each_other(
    rebalancer: Rebalancer, accounts: Queue
) -> None:
    shown = " ".join(rebalancer("accounts", "show", "DU1000001").out.split())
    for words in ("unknown", REF, "nothing", "BUY 10 SPY of DU1000001", "4 filled", "strategy"):
        assert words in shown
    hold = rebalancer("accounts", "show", "DU1000001", "--json").json["hold"]
    assert hold["differences"][0]["theirs"][0]["perm_id"] == 7
    assert rebalancer("accounts", "show", "DU1000002", "--json").json["hold"] is None


def test_show_of_an_unknown_account_is_refused(rebalancer: Rebalancer, accounts: Queue) -> None:
    answer = rebalancer("accounts", "show", "DU1000009")
    assert answer.code == 1
    assert "DU1000009 is not in accounts.yaml" in answer.err


def test_resume_accepts_what_it_shows(rebalancer: Rebalancer, accounts: Queue) -> None:
    answer = rebalancer("accounts", "resume", "DU1000001", "--reason", "my other host")
    assert answer.code == 0
    assert REF in answer.out
    assert "accepted; DU1000001 may trade again" in answer.out
    assert "DU1000001 was not held" in rebalancer("accounts", "resume", "DU1000001").out
    assert accounts.run(moves.held("DU1000001")) is None
    story = rebalancer("journal").out
    assert "my other host" in story
    assert "DU1000001 is held" in story


def test_resume_in_json_and_what_still_halts(rebalancer: Rebalancer, accounts: Queue) -> None:
    accounts.run(moves.halt("all", reason="drill", now=time.time()))
    answer = rebalancer("accounts", "resume", "DU1000001", "--json")
    assert answer.json["resumed"] is True
    assert answer.json["hold"]["account_id"] == "DU1000001"
    assert "still halted: all (drill)" in answer.err
    assert rebalancer("accounts", "resume", "DU1000002", "--json").json["resumed"] is False


def test_the_doctor_and_the_status_name_a_held_account(
    rebalancer: Rebalancer, accounts: Queue
) -> None:
    answer = rebalancer("doctor", "--json")
    assert answer.code == 1
    (finding,) = [f for f in answer.json["findings"] if "held" in f["text"]]
    assert (finding["level"], finding["subject"]) == ("fail", "account DU1000001")
    assert "rebalancer accounts resume DU1000001" in finding["remedy"]
    assert "hold:DU1000001" in rebalancer("queue", "status").out


def test_show_tells_of_the_last_and_the_next_run_and_of_a_plan_that_waits(
    rebalancer: Rebalancer, redis: Queue
) -> None:
    rebalancer.configure(accounts=ACCOUNTS)
    at = time.time()
    run = leased(redis, "done", "DU1000001", at)
    facts = bought(redis, run, at)
    ended(redis, run, facts, Outcome("completed", at + 5))
    assert facts.plan is not None
    picture = {
        "currency": "USD",
        "net_liquidation": "1000",
        "plan": {**plan_json(facts.plan), "drift_before": "0.5"},
    }
    redis.run(moves.save_snapshot("DU1000001", picture, now=at))
    proposed(redis, "DU1000001", at)
    info = {"next": {"DU1000001": {"at": 1_900_000_000, "exec_command": "rebalance"}}}
    redis.run(moves.heartbeat_daemon("broker", info, now=at))
    shown = " ".join(rebalancer("accounts", "show", "DU1000001").out.split())
    for words in (
        "last run " + moment(at + 5) + ": completed, 1 of 1 orders filled, drift",
        "next run 2030-03-17 17:46:40Z",
        f"plan {HASH} waits for a person: rebalancer approve DU1000001",
        "as planned when it was seen",
        "SPY",
    ):
        assert words in shown
    told = rebalancer("accounts", "show", "DU1000001", "--json").json
    assert told["last_run"]["event_id"] == "done"
    assert told["account"]["next_run_at"] == 1_900_000_000
    assert told["proposal"]["proposal"]["plan_hash"] == HASH
    assert "2030-03-17 17:46:40Z" in rebalancer("accounts", "list").out
