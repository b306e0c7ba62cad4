"""What still stands of a plan that a person agreed to."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.core.account import Account
from rebalancer.core.approval import affordable, propose, remainder, why_not
from rebalancer.core.plan import Plan, plan
from rebalancer.core.policy import Policy
from tests.core.accounts import account, target

GOAL = target(A="0.5", B="0.5")
POLICY = Policy(unlisted="liquidate")
PRICES: dict[str, str | Decimal] = {"A": "10", "B": "20", "X": "5"}
BEFORE = account("1000", PRICES, {"A": "50", "X": "100"})
SHOWN = plan(BEFORE, GOAL, POLICY)
PROPOSAL = propose(SHOWN, "e", now=0.0, expires_at=100.0)


def trades(found: Plan) -> dict[str, int]:
    return {line.symbol: line.trade for line in found.lines if line.trade}


def objection(there: Account = BEFORE, *, now: float = 1.0, event: str = "e") -> str:
    fresh = plan(there, GOAL, POLICY)
    return why_not(PROPOSAL, fresh, event, now=now, tolerance=Decimal("0.01"))


def at(cash: str, held: dict[str, str | Decimal], **prices: str) -> Account:
    return account(cash, {**PRICES, **prices}, held)


def test_it_stands_while_nothing_has_moved() -> None:
    assert objection() == ""
    assert trades(remainder(PROPOSAL, SHOWN)) == trades(SHOWN)
    assert remainder(PROPOSAL, SHOWN).cash_worst == SHOWN.cash_worst


def test_its_prices_are_kept() -> None:
    moved = plan(at("1000", {"A": "50", "X": "100"}, A="10.05", B="19.9"), GOAL, POLICY)
    kept = remainder(PROPOSAL, moved)
    limits = {line.symbol: line.limit_price for line in kept.lines if line.trade}
    assert limits == {line.symbol: line.limit_price for line in SHOWN.lines if line.trade}


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (at("1000", {"A": "50", "X": "100"}, B="21"), "B has moved by 5.00%"),
        (at("1000", {"A": "49", "X": "100"}), "A was 50 shares and is 49"),
        (at("1000", {"A": "50", "X": "101"}), "X was 100 shares and is 101"),
        (at("1100", {"A": "50", "X": "100"}), "cash was 1000.00 and is 1100.00"),
        (at("1000", {"A": "50", "X": "100", "Y": "1"}, Y="5"), "Y came into the account"),
    ],
)
def test_what_has_moved_is_named(there: Account, why: str) -> None:
    assert objection(there) == why


def test_it_ends_with_its_time_its_signal_and_its_target() -> None:
    assert objection(now=100.0) == "it has expired"
    assert objection(event="other") == "it was made for another signal"
    other = plan(BEFORE, target(A="1"), POLICY)
    assert "target" in why_not(PROPOSAL, other, "e", now=1.0, tolerance=Decimal("0.01"))


def test_half_way_there_it_still_stands_and_the_rest_is_left() -> None:
    """X is sold out and gone from the plan, B is bought in part, cash has changed a lot."""
    wanted = trades(SHOWN)
    assert wanted["X"] == -100
    some = wanted["B"] // 2
    cash = Decimal(1500) - some * 20
    half = at(str(cash), {"A": "50", "B": str(some)})
    assert objection(half) == ""
    left = trades(remainder(PROPOSAL, plan(half, GOAL, POLICY)))
    assert left == {"A": wanted["A"], "B": wanted["B"] - some}


def test_what_cannot_be_paid_for_is_not_bought() -> None:
    """The sells brought nothing: no more than a plan of the present would buy."""
    poor = replace(
        at("1000", {"A": "50", "X": "100"}), total_cash=Decimal(200), cash={"USD": Decimal(200)}
    )
    poor = replace(poor, net_liquidation=poor.net_liquidation - 800)
    fresh = plan(poor, GOAL, POLICY.buying_only(poor.instruments), spent=Decimal(0))
    bought = affordable(PROPOSAL, fresh)
    assert all(0 < n <= trades(SHOWN)[symbol] for symbol, n in trades(bought).items())
    assert bought.cash_worst >= bought.reserve
