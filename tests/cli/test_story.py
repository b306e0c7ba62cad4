from __future__ import annotations

from typing import Any

import pytest

from rebalancer.cli.run_story import planned
from rebalancer.cli.story import tell

ORDER = {"action": "BUY", "quantity": 5, "symbol": "SPY"}


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("leased", {"token": 7}, ""),
        (
            "queued",
            {"exec_command": "rebalance", "priority": "high", "source": "cli"},
            "rebalance, high priority, from cli",
        ),
        (
            "queued",
            {
                "exec_command": "rebalance",
                "priority": "normal",
                "source": "schedule",
                "data": {"mode": "buy-only", "when": {"drift_exceeds_percent": "5"}},
            },
            "rebalance buy-only if drift exceeds percent 5, from schedule",
        ),
        (
            "rerun",
            {
                "exec_command": "rebalance",
                "priority": "normal",
                "source": "api",
                "data": {"asks": {"full": {}, "raise_cash": {"raise_cash": 5000}}},
            },
            "rebalance full and raise_cash 5000, from api",
        ),
        ("intents", {"intents": [{"order": ORDER}, {"order": ORDER}]}, "BUY 5 SPY, BUY 5 SPY"),
        (
            "settled",
            {
                "intent": {"order": ORDER},
                "status": "cancelled",
                "filled": "2",
                "avg_price": "500",
                "reason": "too late",
            },
            "BUY 5 SPY cancelled, 2 filled at 500.0000 (too late)",
        ),
        (
            "dead",
            {"reason": "attempts exhausted", "error": "no price"},
            "attempts exhausted: no price",
        ),
        (
            "refused",
            {"orders": {"rb:1:1:SPY": ["turnover", "900"]}},
            "rb:1:1:SPY: turnover 900",
        ),
        (
            "planned",
            {
                "lines": [{"trade": 1}],
                "drift_before": "0.5",
                "drift_after": "0.1",
                "checks": [
                    {"name": "orders", "passed": False},
                    {"name": "equity", "passed": True},
                ],
            },
            "1 orders, drift 50.00% -> 10.00%; refused by orders",
        ),
        (
            "rejected",
            {"source": "spool", "reason": "no U9", "signal": "a.json: {}"},
            "from spool: no U9",
        ),
        (
            "missed",
            {"schedule": "DU1 rebalance 15:30 UTC mon", "last": 0.0},
            "DU1 rebalance 15:30 UTC mon, due 1970-01-01 00:00:00Z",
        ),
        ("reloaded", {"program": "broker", "needs_restart": []}, "broker"),
        ("halt", {"scope": "symbol:SPY", "halt": {"reason": "split"}}, "symbol:SPY: split"),
        ("resume", {"scope": "all"}, "all"),
        ("removed", {"state": "delayed"}, "it was delayed"),
        ("requeued", {}, ""),
        ("repaired", {"what": "a lease", "why": "no event"}, "a lease: no event"),
        (
            "partially_done",
            {
                "orders": [
                    {"order_ref": "rb:1:SPY", "status": "cancelled", "remaining": "3"},
                    {"order_ref": "rb:1:BND", "status": "filled", "remaining": "0"},
                ]
            },
            "rb:1:SPY cancelled, 3 left",
        ),
        (
            "reloaded",
            {"program": "processor", "needs_restart": ["redis.url", "trading_mode"]},
            "processor; waiting for a restart: redis.url, trading_mode",
        ),
        (
            "not_reloaded",
            {
                "program": "broker",
                "problems": [
                    {"file": "a.yaml", "line": 3, "key": "k", "found": "'x'", "expected": "y"}
                ],
            },
            "broker: a.yaml:3: k: found 'x'",
        ),
        ("halted", {"orders": {"rb:1:1:SPY": "vacation"}}, "rb:1:1:SPY: vacation"),
        (
            "completed",
            {"command": "rebalance", "nothing_due": "below threshold: SPY is off most"},
            "below threshold: SPY is off most",
        ),
    ],
)
def test_each_kind_has_its_words(kind: str, data: dict[str, Any], words: str) -> None:
    assert tell(kind, data) == words


def test_an_unknown_kind_is_shown_as_it_is() -> None:
    assert tell("tea", {"cups": 2}) == '{"cups": 2}'


def test_data_of_another_shape_are_shown_as_they_are() -> None:
    assert tell("settled", {"raw": "x"}) == '{"raw": "x"}'


def test_it_stays_one_line() -> None:
    assert tell("dead", {"reason": "a\nb", "error": "c"}) == "a b: c"


@pytest.mark.parametrize(("sold", "words"), [(0, "conversions"), (-3, "sells")])
def test_a_plan_is_made_again_after_what_was_done(sold: int, words: str) -> None:
    bought = {"trade": 2, "symbol": "SPY"}
    plan = {"lines": [bought, {"trade": sold, "symbol": "BND"}], "hash": "1", "currency": "EUR"}
    plan |= {"reserve": "1", "drift_before": "0.5", "drift_after": "0"}
    said = planned({"plan": plan, "replan": {"lines": [bought]}})
    assert said[-1] == f"After the {words} it was planned again: +2 SPY."
