from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rebalancer.core.account import Account
from rebalancer.core.commission import Schedule
from rebalancer.core.plan import Plan, plan
from rebalancer.core.policy import Policy
from rebalancer.core.target import Target
from tests.core.accounts import account

FREE = Schedule()


def free(_currency: str) -> Schedule:
    return FREE


def trades(found: Plan) -> dict[str, int]:
    return {line.symbol: line.trade for line in found.lines if line.trade}


CASES = settings(max_examples=100, deadline=None, derandomize=True)


@st.composite
def cases(draw: Any) -> tuple[Account, Target, Policy]:
    symbols = [f"S{n}" for n in range(draw(st.integers(1, 12)))]
    cents = st.integers(500, 80_000)
    prices = {s: Decimal(draw(cents)) / 100 for s in symbols}
    held = {s: Decimal(draw(st.integers(0, 400))) for s in symbols if draw(st.booleans())}
    parts = [draw(st.integers(0, 100)) for _ in symbols]
    whole = max(sum(parts), 1) + draw(st.integers(0, 50))
    weights = {s: Decimal(p) / whole for s, p in zip(symbols, parts, strict=True)}
    cash = Decimal(draw(st.integers(2_000, 200_000)))
    policy = Policy(
        cash_reserve=Decimal(draw(st.integers(0, 5))) / 100,
        slippage=Decimal(draw(st.sampled_from(["0", "0.001", "0.005"]))),
        unlisted=draw(st.sampled_from(["keep", "liquidate"])),
    )
    return account(cash, prices, held), Target(weights, "random"), policy


def after(there: Account, found: Plan) -> Account:
    """The account once every order has filled at its reference price."""
    held = {p.symbol: p.quantity for p in there.positions}
    for line in found.lines:
        held[line.symbol] = held.get(line.symbol, Decimal(0)) + line.trade
    prices: dict[str, str | Decimal] = {s: q.price for s, q in there.quotes.items()}
    left: dict[str, str | Decimal] = {s: q for s, q in held.items() if q}
    return account(found.cash_after, prices, left)


@CASES
@given(cases())
def test_it_never_overspends_never_shorts_never_oversells(
    case: tuple[Account, Target, Policy],
) -> None:
    there, goal, policy = case
    found = plan(there, goal, policy)
    if found.buys:
        assert found.cash_worst >= found.reserve - Decimal("0.0001")
    for line in found.lines:
        assert line.held + line.trade >= 0


@CASES
@given(cases())
def test_after_perfect_fills_there_is_nothing_to_do(
    case: tuple[Account, Target, Policy],
) -> None:
    there, goal, policy = case
    again = plan(after(there, plan(there, goal, policy)), goal, policy)
    assert [line.trade for line in again.lines if line.trade] == []


@CASES
@given(cases(), st.sampled_from([Decimal("0.01"), Decimal("0.125"), Decimal(3), Decimal(100)]))
def test_scaling_prices_and_cash_changes_nothing(
    case: tuple[Account, Target, Policy], factor: Decimal
) -> None:
    """Where money has no size of its own: without commissions and without a price step."""
    there, goal, policy = case
    policy = replace(policy, order_type="MKT")
    scaled = replace(
        there,
        net_liquidation=there.net_liquidation * factor,
        total_cash=there.total_cash * factor,
        cash={currency: amount * factor for currency, amount in there.cash.items()},
        quotes={
            symbol: replace(quote, price=quote.price * factor)
            for symbol, quote in there.quotes.items()
        },
    )
    first = plan(there, goal, policy, commissions=free)
    again = plan(scaled, goal, policy, commissions=free)
    assert trades(again) == trades(first)
    assert abs(again.drift_after - first.drift_after) < Decimal("1e-8")


@CASES
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_symbols_changes_nothing(
    case: tuple[Account, Target, Policy], random: Any
) -> None:
    there, goal, policy = case
    names = list(goal.weights)
    random.shuffle(names)
    mixed = replace(goal, weights={s: goal.weights[s] for s in names})
    positions = list(there.positions)
    random.shuffle(positions)
    other = plan(replace(there, positions=tuple(positions)), mixed, policy)
    assert other == plan(there, goal, policy)


@CASES
@given(cases())
def test_drift_does_not_rise_unless_the_reserve_asks_for_it(
    case: tuple[Account, Target, Policy],
) -> None:
    there, goal, policy = case
    found = plan(there, goal, policy)
    if found.cash_before >= found.reserve:
        assert found.drift_after <= found.drift_before
    assert found.gap >= 0


@CASES
@given(cases())
def test_what_is_not_to_be_spent_is_no_reason_to_sell(
    case: tuple[Account, Target, Policy],
) -> None:
    there, goal, policy = case
    spent = Decimal(10**12)
    planned = plan(there, goal, replace(policy, slippage=Decimal("0.001")), spent=spent)
    if there.total_cash >= planned.reserve:
        # Sells serve the target; none is there to bring cash.
        assert planned.drift_after <= planned.drift_before
