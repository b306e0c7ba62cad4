"""Plans that sell nothing, that sell just enough, and that leave an amount in cash."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.core.account import Account
from rebalancer.core.commission import Schedule
from rebalancer.core.plan import Plan, plan
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.request import Aim
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError
from tests.core.accounts import account, target
from tests.core.test_plan_properties import CASES, after, cases, trades

BUYING = Aim("buy-only")
PRICES = {"A": "100", "B": "50", "C": "20"}
GOAL = target(A="0.5", B="0.3", C="0.2")
FREE = Policy(cash_reserve=Decimal(0), slippage=Decimal(0))

Case = tuple[Account, Target, Policy]


def raising(amount: str | int | Decimal) -> Aim:
    return Aim("raise-cash", Decimal(amount))


def bought(found: Plan) -> Decimal:
    none = Decimal(0)
    return sum((line.trade * line.price for line in found.lines if line.trade > 0), none)


# Buy only ---------------------------------------------------------------------------------


def test_a_deposit_goes_to_what_is_short_and_nothing_is_sold() -> None:
    there = account("10000", PRICES, {"A": "700", "B": "300", "C": "750"})
    found = trades(plan(there, GOAL, Policy(), aim=BUYING))
    # 110,000 in all, 1% of it in reserve: B lacks 17,670 and gets nearly all there is.
    assert found.keys() <= {"B", "C"}
    assert 140 <= found["B"] <= 178


def test_a_small_deposit_is_invested_though_a_full_plan_would_not_begin_for_it() -> None:
    there = account("1700", PRICES, {"A": "500", "B": "600", "C": "1000"})
    assert trades(plan(there, GOAL, Policy())) == {}
    assert bought(plan(there, GOAL, Policy(), aim=BUYING)) > 500


@CASES
@given(cases())
def test_buy_only_sells_nothing_and_leaves_the_reserve_alone(case: Case) -> None:
    there, goal, policy = case
    found = plan(there, goal, policy, aim=BUYING)
    assert found.sells == ()
    if found.buys:
        assert found.cash_worst >= found.reserve - Decimal("0.0001")
    assert found.drift_after <= found.drift_before


@CASES
@given(cases())
def test_once_more_only_what_the_limits_spared_is_invested(case: Case) -> None:
    there, goal, policy = case
    first = plan(there, goal, policy, aim=BUYING)
    spared = policy.slippage * bought(first) + first.est_commission
    again = plan(after(there, first), goal, policy, aim=BUYING)
    # Besides, single shares for which the first plan had found no use.
    most = max((line.price for line in again.lines), default=Decimal(0))
    assert bought(again) <= spared + 2 * most


# Raising cash -------------------------------------------------------------------------------


def test_what_is_most_above_its_target_goes_first_and_just_enough_of_it() -> None:
    there = account("0", PRICES, {"A": "700", "B": "500", "C": "250"})
    # 100,000; of what is left of it A is to be half, and is far more.
    found = plan(there, GOAL, FREE, aim=raising(5000))
    assert trades(found) == {"A": -51}  # a share for the commission
    assert 5000 <= found.cash_worst < 5100


def test_what_the_target_does_not_want_goes_before_that() -> None:
    there = account("0", {**PRICES, "X": "10", "Y": "10"}, {"A": "700", "X": "600", "Y": "400"})
    policy = replace(FREE, unlisted="liquidate")
    assert trades(plan(there, GOAL, policy, aim=raising(5000))) == {"X": -501}
    assert trades(plan(there, GOAL, policy, aim=raising(7000))) == {"X": -600, "Y": -101}


def test_on_target_it_is_taken_of_all_alike() -> None:
    there = account("0", PRICES, {"A": "500", "B": "600", "C": "1000"})
    found = trades(plan(there, GOAL, FREE, aim=raising(20000)))
    assert found == pytest.approx({"A": -100, "B": -120, "C": -200}, abs=2)


def test_cash_that_is_there_already_counts() -> None:
    there = account("9000", PRICES, {"A": "500", "B": "600", "C": "1000"})
    assert trades(plan(there, GOAL, FREE, aim=raising(9000))) == {}
    assert trades(plan(there, GOAL, FREE, aim=raising(8000))) == {}
    sold = plan(there, GOAL, FREE, aim=raising(10000))
    assert 1000 <= sold.cash_worst - 9000 < 1100


def test_the_reserve_is_left_beside_it() -> None:
    there = account("0", PRICES, {"A": "500", "B": "600", "C": "1000"})
    found = plan(there, GOAL, Policy(), aim=raising(5000))
    assert found.reserve == 5000 + there.net_liquidation / 100
    assert found.cash_worst >= found.reserve
    assert found.aside == 5000


def test_what_must_not_be_sold_is_not_and_the_rest_is_refused_with_figures() -> None:
    there = account("0", PRICES, {"A": "700", "B": "300"})
    policy = replace(FREE, bounds={"A": Bounds(no_sell=True)})
    assert trades(plan(there, GOAL, policy, aim=raising(5000))).keys() == {"B"}
    short = plan(there, GOAL, policy, aim=raising(20000))
    assert short.lacking == pytest.approx(Decimal(5002), abs=5)
    with pytest.raises(PermanentError, match="90000.00 USD cannot be raised.*85000.00"):
        plan(there, GOAL, policy, aim=raising(90000))


def test_inside_its_band_a_symbol_rests_unless_the_cash_cannot_do_without() -> None:
    there = account("0", PRICES, {"A": "550", "B": "600", "C": "750"})
    policy = replace(FREE, bounds={"A": Bounds(drift_band=Decimal("0.2"))})
    assert "A" not in trades(plan(there, GOAL, policy, aim=raising(5000)))
    # Of 100,000 it needs 60,000, and B and C are 45,000 together.
    assert "A" in trades(plan(there, GOAL, policy, aim=raising(60000)))


def test_orders_too_small_are_not_made_or_made_large_enough() -> None:
    there = account("0", PRICES, {"A": "500", "B": "600", "C": "1000"})
    policy = replace(FREE, min_order_value=Decimal(600))
    found = plan(there, GOAL, policy, aim=raising(1500))
    assert all(-line.trade * line.price >= 600 for line in found.sells)
    assert found.cash_worst >= 1500
    alone = plan(account("0", PRICES, {"A": "500"}), GOAL, policy, aim=raising(50))
    assert trades(alone) == {"A": -6}


def test_an_order_that_costs_more_than_it_serves_is_left_out() -> None:
    there = account("0", PRICES, {"A": "500", "B": "600", "C": "1000"})
    dear = Schedule(least=Decimal(1000))
    found = plan(there, GOAL, FREE, aim=raising(2000), commissions=lambda _currency: dear)
    assert len(trades(found)) == 1
    assert found.cash_worst >= 2000
    assert len(trades(plan(there, GOAL, FREE, aim=raising(2000)))) == 3


def test_more_than_the_turnover_cap_is_lacking() -> None:
    there = account("0", PRICES, {"A": "1000"})
    policy = replace(FREE, max_turnover=Decimal("0.1"))
    found = plan(there, GOAL, policy, aim=raising(15000))
    assert sum(-line.trade * line.price for line in found.sells) <= 10000
    assert found.lacking > 5000


@CASES
@given(cases(), st.integers(1, 99))
def test_raising_buys_nothing_and_gets_what_was_asked(case: Case, percent: int) -> None:
    there, goal, policy = case
    amount = (there.net_liquidation * percent / 100).quantize(Decimal("0.01"))
    try:
        found = plan(there, goal, policy, aim=raising(amount))
    except PermanentError:
        # Unlisted stocks are kept, and count for nothing.
        assert policy.unlisted == "keep"
        return
    assert found.buys == ()
    for line in found.lines:
        assert line.held + line.trade >= 0
    able = {p.symbol for p in there.positions if p.symbol in goal.weights}
    unlisted = {p.symbol for p in there.positions} - able
    if not found.lacking:
        assert found.cash_worst >= found.reserve
        if found.sells:
            # Just enough: not one share could be kept.
            cheapest = min(line.price for line in found.sells)
            # Limits are rounded to price steps, in our favour.
            rounded = sum(-line.trade * line.tick for line in found.sells)
            assert found.cash_worst - found.reserve - rounded <= cheapest
        again = plan(after(there, found), goal, policy, aim=raising(amount))
        assert trades(again) == {}
    else:
        left = {line.symbol for line in found.lines if line.held + line.trade >= 1}
        assert left <= (unlisted if policy.unlisted == "keep" else set())


@CASES
@given(cases(), st.integers(1, 50))
def test_raising_never_takes_from_what_is_lowest_while_more_is_above(
    case: Case, percent: int
) -> None:
    there, goal, policy = case
    amount = there.net_liquidation * percent / 100
    try:
        found = plan(there, goal, policy, aim=raising(amount))
    except PermanentError:
        return
    # No sale would have raised the same and ended nearer to the target, but for whole shares
    # and commissions.
    most = max((line.price for line in found.lines), default=Decimal(0))
    allowed = (len(found.lines) * most + 2 * found.est_commission + 2) / found.base
    assert found.gap <= allowed


# Leaving an amount in cash ------------------------------------------------------------------


@CASES
@given(cases(), st.integers(1, 60), st.sampled_from(["full", "buy-only"]))
def test_an_amount_to_be_set_aside_is_set_aside_whatever_else_is_done(
    case: Case, percent: int, mode: Any
) -> None:
    there, goal, policy = case
    amount = there.net_liquidation * percent / 100
    try:
        found = plan(there, goal, policy, aim=Aim(mode, amount))
    except PermanentError:
        return
    assert found.lacking or found.cash_worst >= found.reserve - Decimal("0.01")
    if mode == "buy-only":
        assert not (found.buys and found.sells)
