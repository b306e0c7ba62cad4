"""What a rebalance's data may say, and what is refused with the remedy."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core import due
from rebalancer.core.due import exceeded, state
from rebalancer.core.plan import plan
from rebalancer.core.policy import Policy
from rebalancer.core.request import Aim, Request, When, aim_from, data_of, parse
from rebalancer.errors import PermanentError
from rebalancer.ingest import accept
from tests.core.accounts import account, target

ALWAYS = When()


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({}, Request(full=ALWAYS)),
        ({"note": {"any": "thing"}}, Request(full=ALWAYS)),
        ({"mode": "full"}, Request(full=ALWAYS)),
        ({"mode": "buy-only"}, Request(buy_only=ALWAYS)),
        ({"raise_cash": 5000}, Request(raise_cash=Decimal(5000))),
        ({"raise_cash": "5000.50"}, Request(raise_cash=Decimal("5000.5"))),
        ({"raise_cash": 0.1}, Request(raise_cash=Decimal("0.1"))),
        ({"when": {"drift_exceeds_percent": 5}}, Request(full=When(Decimal(5)))),
        (
            {"mode": "buy-only", "when": {"uninvested_cash_exceeds_percent": "2.5"}},
            Request(buy_only=When(None, None, Decimal("2.5"))),
        ),
        ({"asks": {}}, Request()),
        (
            {"asks": {"full": {}, "raise_cash": {"raise_cash": "7"}}},
            Request(full=ALWAYS, raise_cash=Decimal(7)),
        ),
    ],
    ids=str,
)
def test_what_is_understood(data: dict[str, Any], wanted: Request) -> None:
    assert parse(data) == wanted
    assert accept("U123", "rebalance", now=1.0, source="test", data=data).data == data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"raisecash": 5000}, "unknown in data: 'raisecash'"),
        ({"mode": "buy_only"}, "full or buy-only"),
        ({"mode": True}, "full or buy-only"),
        ({"raise_cash": 0}, "an amount above 0"),
        ({"raise_cash": -5}, "an amount above 0"),
        ({"raise_cash": True}, "an amount above 0"),
        ({"raise_cash": "NaN"}, "an amount above 0"),
        ({"raise_cash": float("inf")}, "an amount above 0"),
        ({"raise_cash": "5,000"}, "an amount above 0"),
        ({"raise_cash": "5_000"}, "an amount above 0"),
        ({"raise_cash": " 5"}, "an amount above 0"),
        ({"raise_cash": "5e3"}, "an amount above 0"),
        ({"raise_cash": None}, "an amount above 0"),
        ({"raise_cash": "1e16"}, "an amount above 0"),
        ({"raise_cash": 5, "mode": "full"}, "goes without mode"),
        ({"raise_cash": 5, "when": {}}, "goes without when"),
        ({"when": {}}, "when is empty"),
        ({"when": 5}, "it is an object"),
        ({"when": None}, "it is an object"),
        ({"when": {"drift": 5}}, "drift_exceeds_percent"),
        ({"when": {"drift_exceeds_percent": 101}}, "from 0 to 100"),
        ({"when": {"drift_exceeds_percent": -1}}, "from 0 to 100"),
        ({"when": {"drift_exceeds_percent": "5%"}}, "a percentage"),
        ({"asks": []}, "it is an object"),
        ({"asks": {"sell": {}}}, "unknown in asks"),
        ({"asks": {"full": 5}}, "it is an object"),
        ({"asks": {"full": {"mode": "buy-only"}}}, "full or buy-only"),
        ({"asks": {}, "mode": "full"}, "unknown in data"),
        ({"asks": {"raise_cash": {}}}, "an amount above 0"),
    ],
    ids=str,
)
def test_what_is_refused_at_the_door(data: dict[str, Any], said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        accept("U123", "rebalance", now=1.0, source="test", data=data)


def test_other_commands_take_data_but_none_of_these() -> None:
    given = {"page": 2}
    assert accept("U123", "print-orders", now=1.0, source="t", data=given).data == given
    with pytest.raises(PermanentError, match="print-orders takes no raise_cash"):
        accept("U123", "print-orders", now=1.0, source="t", data={"raise_cash": 5})


@pytest.mark.parametrize(
    "aim",
    [Aim(), Aim("buy-only"), Aim("raise-cash", Decimal("5000.5")), Aim("full", Decimal(100))],
    ids=str,
)
def test_an_aim_survives_being_written_down(aim: Aim) -> None:
    assert aim_from(str(aim)) == aim
    assert due.aim(parse(data_of(aim))) == aim


@pytest.mark.parametrize("text", ["", "full", "full:", "full:NaN", "full:-1", "sell:5"])
def test_what_is_no_aim_is_none(text: str) -> None:
    assert aim_from(text) is None


# Conditions ---------------------------------------------------------------------------------

#: Of 100,000: A 55%, B 33%, C 7%, 5% in cash; the reserve is 1%.
THERE = account(
    "5000", {"A": "100", "B": "100", "C": "100"}, {"A": "550", "B": "330", "C": "70"}
)
GOAL = target(A="0.5", B="0.39", C="0.1")


def figures() -> due.State:
    return state(plan(THERE, GOAL, Policy()))


def test_drifts_are_of_the_whole_and_of_the_target() -> None:
    found = {d.symbol: (d.absolute, d.relative) for d in figures().drifts}
    assert found == {
        "A": (Decimal("0.05"), Decimal("0.1")),
        "B": (Decimal("-0.06"), pytest.approx(Decimal("-0.1538"), abs=Decimal("0.0001"))),
        "C": (Decimal("-0.03"), Decimal("-0.3")),
    }
    # Of 5% in cash 1% are the reserve.
    assert figures().uninvested == Decimal("0.04")


@pytest.mark.parametrize(
    ("when", "symbols"),
    [
        (When(Decimal(5)), ["B"]),  # exactly 5% does not exceed 5%
        (When(Decimal("4.9")), ["A", "B"]),
        (When(Decimal(6)), []),
        (When(None, Decimal(25)), ["C"]),
        (When(None, Decimal(30)), []),
        (When(Decimal(5), Decimal(25)), ["B", "C"]),
        (When(None, None, Decimal(3)), ["4.00%"]),
        (When(None, None, Decimal(4)), []),
    ],
    ids=str,
)
def test_any_threshold_that_is_exceeded_is_enough(when: When, symbols: list[str]) -> None:
    assert [why.split(" ")[0] for why in exceeded(figures(), when)] == symbols
    assert (due.aim(Request(full=when), figures()) is not None) == bool(symbols)


def test_below_the_threshold_the_figures_are_told() -> None:
    said = due.below(figures(), When(Decimal(7), Decimal(40), Decimal(5)))
    assert said == (
        "B is off most, by -6.00% of 7%, C is off most for its target, by -30.00% of 40%, "
        "uninvested cash is 4.00% of 5%"
    )


def test_what_the_target_does_not_want_has_an_absolute_drift_only() -> None:
    there = account("1000", {"A": "100", "X": "100"}, {"A": "80", "X": "10.5"})
    found = state(plan(there, target(A="0.9"), Policy(unlisted="liquidate")))
    drift = {d.symbol: d for d in found.drifts}["X"]
    assert drift.relative is None
    assert drift.absolute == Decimal("0.1")  # of a fraction of a share nobody can get rid
    assert state(plan(account("0", {"A": "1"}), target(A="1"), Policy())) == due.State(
        (), Decimal(0)
    )


def test_cash_that_the_model_keeps_is_not_uninvested() -> None:
    there = account("5000", {"A": "100"}, {"A": "950"})
    assert state(plan(there, target(A="0.95"), Policy())).uninvested == 0


def test_each_of_what_is_asked_is_decided_by_itself() -> None:
    far, near = When(Decimal(50)), When(None, None, Decimal(3))
    assert due.aim(Request(far, near), figures()) == Aim("buy-only")
    assert due.aim(Request(far, near, Decimal(9)), figures()) == Aim("buy-only", Decimal(9))
    assert due.aim(Request(far, None, Decimal(9)), figures()) == Aim("raise-cash", Decimal(9))
    assert due.aim(Request(far, None), figures()) is None
    assert due.aim(Request(far, near), figures(), Aim()) == Aim()
    assert due.aim(Request(), None) is None
