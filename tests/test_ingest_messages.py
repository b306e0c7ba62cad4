"""Messages from outside: what becomes of them, and everything that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rebalancer.core.event import Event
from rebalancer.errors import PermanentError
from rebalancer.ingest import Audience, read

TRADED = {"U1000001": "core", "U1000002": "core", "U1000003": "growth", "U1000004": ""}


def why_not(account_id: str) -> str:
    return "" if account_id in TRADED else f"account {account_id} is not in accounts.yaml"


def events(message: object, event_id: str = "m1") -> tuple[Event, ...]:
    audience = Audience(TRADED, why_not)
    return read(message, audience, now=5.0, source="spool", event_id=event_id)


def test_one_account() -> None:
    [event] = events({"account_id": "U1000001", "exec_command": "rebalance"})
    assert (event.event_id, event.key) == ("m1", "U1000001:rebalance")
    assert (event.source, event.received_at) == ("spool", 5.0)


def test_everything_that_may_be_said() -> None:
    [event] = events(
        {
            "account_id": "U1000001",
            "exec_command": "print-rebalance",
            "event_id": "mine",
            "priority": "high",
            "data": {"note": "x"},
        }
    )
    assert (event.event_id, event.priority, event.data) == ("mine", "high", {"note": "x"})


def test_the_short_word_for_a_command() -> None:
    [event] = events({"account_id": "U1000001", "exec": "print-equity"})
    assert event.exec_command == "print-equity"


def test_a_strategy_reaches_every_account_that_follows_it() -> None:
    found = events({"strategy": "core", "exec_command": "rebalance"})
    assert [one.event_id for one in found] == ["m1.U1000001", "m1.U1000002"]
    assert found == events({"strategy": "core", "exec_command": "rebalance"})


def test_a_list_is_read_one_by_one() -> None:
    found = events(
        [
            {"strategy": "core", "exec_command": "rebalance"},
            {"account_id": "U1000003", "exec_command": "rebalance", "event_id": "mine"},
            {"account_id": "U1000004", "exec_command": "print-orders"},
        ]
    )
    names = ["m1.0.U1000001", "m1.0.U1000002", "mine", "m1.2"]
    assert [one.event_id for one in found] == names


REBALANCE: dict[Any, Any] = {"account_id": "U1000001", "exec_command": "rebalance"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("rebalance", "a signal is an object, not str"),
        (None, "a signal is an object, not NoneType"),
        ([], "an empty list"),
        ([{**REBALANCE, "event_id": "x"}] * 2, "two signals have one event_id"),
        ([[REBALANCE]], "signal 1: a signal is an object, not list"),
        (
            [REBALANCE, {"exec_command": "x"}],
            "signal 2: a signal names either an account_id or",
        ),
        ({}, "a signal has one exec_command, of: rebalance, "),
        ({"exec_command": "rebalance"}, "either an account_id or a strategy"),
        ({**REBALANCE, "strategy": "core"}, "either an account_id or a strategy"),
        ({**REBALANCE, "exec": "rebalance"}, "a signal has one exec_command, of: rebalance"),
        ({**REBALANCE, "command": "rebalance"}, "unknown key 'command'; known are: account_id"),
        ({**REBALANCE, 7: "x"}, "unknown key 7"),
        ({**REBALANCE, "account_id": 1000001}, "account_id must be a text, not int"),
        ({**REBALANCE, "account_id": "U1 000"}, "is not an IBKR account id"),
        ({**REBALANCE, "account_id": "U9"}, "account U9 is not in accounts.yaml"),
        ({**REBALANCE, "exec_command": "sell"}, "unknown exec_command 'sell'"),
        ({**REBALANCE, "priority": True}, "priority must be a text, not bool"),
        ({**REBALANCE, "priority": "urgent"}, "priority 'urgent' is neither normal nor high"),
        ({**REBALANCE, "data": "{}"}, "data must be an object, not str"),
        ({**REBALANCE, "event_id": "a b"}, "event_id 'a b' must be"),
        (
            {"strategy": "cor", "exec_command": "rebalance"},
            "no traded account follows strategy 'cor'; known: core, growth",
        ),
        ({"strategy": "", "exec_command": "rebalance"}, "follows strategy ''"),
    ],
)
def test_what_can_never_run_is_refused(message: Any, said: str) -> None:
    with pytest.raises(PermanentError) as refused:
        events(message)
    assert said in str(refused.value)
