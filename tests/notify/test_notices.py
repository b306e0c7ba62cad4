"""What is told of each kind of entry, and what is passed over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rebalancer
from rebalancer.notify.notices import TABLE, notice_of
from rebalancer.queue.values import Entry


def _entry(kind: str, data: dict[str, Any], account: str = "U1") -> Entry:
    return Entry("1-0", 1_770_000_000.0, kind, "e1", account, data)


ORDER = {"action": "BUY", "quantity": 10, "symbol": "SPY"}

TOLD: list[tuple[str, dict[str, Any], str, str, str, str]] = [
    (
        "alert",
        {"title": "IB Gateway is gone", "text": "For 121 s", "remedy": "doctor"},
        "critical",
        "IB Gateway is gone",
        "For 121 s",
        "doctor",
    ),
    (
        "alert",
        {"title": "U1 waits for approval", "text": "t", "remedy": "r", "level": "action"},
        "action",
        "U1 waits for approval",
        "t",
        "r",
    ),
    (
        "dead",
        {"reason": "unknown symbol XYZ", "error": "UnknownInstrumentError"},
        "critical",
        "U1: given up, nothing more is tried",
        "unknown symbol XYZ (UnknownInstrumentError)",
        "rebalancer queue requeue e1",
    ),
    (
        "planned",
        {
            "checks": [
                {"name": "orders", "passed": True, "text": ""},
                {"name": "order_value", "passed": False, "text": "BUY SPY is 9 > 5; raise it"},
            ]
        },
        "critical",
        "U1: plan refused by order_value",
        "BUY SPY is 9 > 5; raise it",
        "rebalancer journal --event e1",
    ),
    (
        "refused",
        {"orders": {"rb:1:1:SPY": ["turnover", "500"]}},
        "critical",
        "U1: orders refused right before they were sent",
        "rb:1:1:SPY: turnover 500",
        "rebalancer journal --event e1",
    ),
    (
        "settled",
        {"status": "rejected", "reason": "201 margin", "intent": {"order": ORDER}},
        "critical",
        "U1: BUY 10 SPY was rejected",
        "201 margin",
        "rebalancer journal --event e1",
    ),
    (
        "completed",
        {
            "command": "rebalance",
            "orders": [1, 2],
            "drift_before": "0.05",
            "drift_reached": "0.001",
        },
        "routine",
        "U1: rebalanced",
        "2 orders, drift 5.00% -> 0.10%",
        "",
    ),
    (
        "retrying",
        {"attempt": 3, "due_at": 1, "error": "no\nprices"},
        "routine",
        "U1: failed, is tried again",
        "no prices",
        "rebalancer journal --event e1",
    ),
    (
        "halt",
        {"scope": "all", "halt": {"reason": "crash"}},
        "critical",
        "U1: halted: everything",
        "crash",
        "rebalancer resume",
    ),
    (
        "reclaimed",
        {"token": 1, "worker": "w1"},
        "routine",
        "U1: taken back from a worker that went silent",
        "it was w1",
        "",
    ),
    (
        "halt",
        {"scope": "account:U1", "halt": {"reason": "audit"}},
        "critical",
        "U1: halted: account:U1",
        "audit",
        "rebalancer resume --account U1",
    ),
    (
        "missed",
        {
            "source": "schedule",
            "schedule": "U1 at 15:30",
            "exec_command": "rebalance",
            "data": {"raise_cash": "1000"},
        },
        "critical",
        "U1: a scheduled rebalance was missed",
        "no broker ran when it was due: U1 at 15:30",
        """rebalancer enqueue U1 rebalance --data '{"raise_cash": "1000"}'""",
    ),
    (
        "missed",
        {"source": "schedule", "schedule": "U1 at 15:30", "exec_command": "rebalance"},
        "critical",
        "U1: a scheduled rebalance was missed",
        "no broker ran when it was due: U1 at 15:30",
        "rebalancer enqueue U1 rebalance",
    ),
    (
        "rejected",
        {"source": "spool", "reason": "no account_id", "signal": "{}"},
        "critical",
        "U1: a signal from spool was rejected",
        "no account_id",
        "mend it and send it again",
    ),
    (
        "reloaded",
        {"program": "broker", "accounts": [], "needs_restart": ["redis.url"]},
        "routine",
        "U1: the broker has read its settings again",
        "these wait for a restart: redis.url",
        "",
    ),
    (
        "open_cancelled",
        {"scope": "all", "cancelled": [1], "left": [1, 2]},
        "critical",
        "U1: open orders of the halt: all",
        "1 cancelled, 2 left",
        "cancel what is left in the gateway's window",
    ),
    (
        "partially_done",
        {"orders": [{"order_ref": "r", "status": "cancelled", "remaining": "3"}]},
        "routine",
        "U1: 1 orders did not fill",
        "r cancelled, 3 left",
        "",
    ),
    (
        "settled",
        {"status": "rejected"},
        "critical",
        "U1: Unreadable entry of the journal: settled",
        "",
        "rebalancer journal --event e1",
    ),
]


@pytest.mark.parametrize(("kind", "data", "level", "title", "text", "remedy"), TOLD)
def test_what_is_told(
    kind: str, data: dict[str, Any], level: str, title: str, text: str, remedy: str
) -> None:
    notice = notice_of(_entry(kind, data))
    assert notice is not None
    assert (notice.level, notice.title, notice.text, notice.remedy) == (
        level,
        title,
        text,
        remedy,
    )
    assert (notice.account_id, notice.ids, notice.times) == ("U1", ("1-0",), 1)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("queued", {"exec_command": "rebalance"}),
        ("leased", {}),
        ("held", {"differences": []}),
        ("settled", {"status": "filled", "intent": {"order": ORDER}}),
        ("planned", {"checks": [{"name": "orders", "passed": True, "text": ""}]}),
        ("completed", {"command": "print-positions"}),
        ("completed", {"command": "rebalance", "nothing_due": "drift is 0.1%"}),
        ("", {"raw": {}}),
    ],
)
def test_what_is_passed_over(kind: str, data: dict[str, Any]) -> None:
    assert notice_of(_entry(kind, data)) is None


def test_an_alert_of_an_unknown_level_is_critical() -> None:
    notice = notice_of(_entry("alert", {"title": "t", "text": "x", "level": "loud"}))
    assert notice is not None
    assert notice.level == "critical"
    assert notice.remedy == ""


def test_a_text_is_bounded() -> None:
    notice = notice_of(_entry("retrying", {"error": "x" * 5000}))
    assert notice is not None
    assert len(notice.text) == 1000


def test_every_kind_that_is_put_down_is_decided_about() -> None:
    package = Path(rebalancer.__file__).parent
    source = "".join(file.read_text() for file in package.glob("queue/lua/**/*.lua"))
    kinds = set(re.findall(r"\bnote\('(\w+)'", source))
    for file in package.glob("processor/*.py"):
        text = file.read_text()
        kinds |= set(re.findall(r'\bnote\(\s*"(\w+)"', text))
        kinds |= set(re.findall(r'\bsound\(.*, "(\w+)"\)', text))
    assert len(kinds) > 25
    assert kinds <= TABLE.keys()
