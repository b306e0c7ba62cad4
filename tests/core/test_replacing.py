"""Held sources of a replacement set: counted, never bought, sold only when it is too much."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.core.account import Account
from rebalancer.core.plan import Plan, plan
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.replacing import counted
from rebalancer.core.target import Substitute, Target
from rebalancer.errors import StaleDataError
from tests.core.accounts import account
from tests.core.test_plan_properties import CASES, after, free, trades

EXACT = Policy(cash_reserve=Decimal(0), slippage=Decimal(0))
ITOT = {"VTI": Substitute("ITOT")}


def planned(
    there: Account,
    target: Target,
    policy: Policy,
    sources: dict[str, Substitute],
) -> Plan:
    aimed, bound = counted(there, target, policy, sources)
    return plan(there, aimed, bound, commissions=free)


def weights(**shares: str) -> Target:
    return Target({s: Decimal(w) for s, w in shares.items()}, "test")


PRICES: dict[str, str | Decimal] = {"VTI": "100", "SCHB": "50", "ITOT": "100", "BND": "50"}


def test_what_is_held_of_the_source_is_not_sold_to_buy_the_target() -> None:
    there = account("0", PRICES, {"VTI": "60", "BND": "80"})
    found = planned(there, weights(ITOT="0.6", BND="0.4"), EXACT, ITOT)
    assert trades(found) == {}
    assert found.drift_before == 0


def test_only_what_is_missing_is_bought() -> None:
    there = account("4000", PRICES, {"VTI": "20", "BND": "80"})
    found = planned(there, weights(ITOT="0.6", BND="0.4"), EXACT, ITOT)
    assert trades(found) == {"ITOT": 40}
    lines = {line.symbol: line for line in found.lines}
    assert lines["VTI"].target_weight == Decimal("0.2")
    assert lines["ITOT"].target_weight == Decimal("0.4")


def test_without_a_set_it_would_be_bought_beside_it() -> None:
    there = account("6000", PRICES, {"VTI": "20"})
    assert trades(plan(there, weights(ITOT="1"), EXACT, commissions=free)) == {"ITOT": 60}
    assert trades(planned(there, weights(ITOT="1"), EXACT, ITOT)) == {"ITOT": 60}
    half = weights(ITOT="0.5")
    assert trades(planned(there, half, EXACT, ITOT)) == {"ITOT": 20}


def test_what_is_too_much_is_sold_from_the_source_first() -> None:
    there = account("0", PRICES, {"VTI": "40", "ITOT": "40", "BND": "40"})
    found = planned(there, weights(ITOT="0.6", BND="0.4"), EXACT, ITOT)
    assert trades(found) == {"VTI": -20, "BND": 40}


def test_a_source_that_must_not_be_sold_stays_and_the_target_gives_way() -> None:
    there = account("0", PRICES, {"VTI": "40", "ITOT": "40", "BND": "40"})
    bound = replace(EXACT, bounds={"VTI": Bounds(no_sell=True)})
    found = planned(there, weights(ITOT="0.6", BND="0.4"), bound, ITOT)
    assert trades(found) == {"ITOT": -20, "BND": 40}


def test_more_than_the_target_altogether_is_sold_to_the_last_share() -> None:
    there = account("0", PRICES, {"VTI": "40", "ITOT": "60"})
    found = planned(there, weights(ITOT="0.6"), EXACT, ITOT)
    assert trades(found) == {"VTI": -40}


def test_several_sources_of_one_target_add_up() -> None:
    sources = {**ITOT, "SCHB": Substitute("ITOT")}
    there = account("3000", PRICES, {"VTI": "20", "SCHB": "20", "BND": "80"})
    found = planned(there, weights(ITOT="0.6", BND="0.4"), EXACT, sources)
    assert trades(found) == {"ITOT": 30}


def test_a_scale_counts_on_what_is_held_as_on_what_is_bought() -> None:
    """A threefold fund stands for one and a half of a twofold one."""
    there = account("8000", {"TQQQ": "100", "QLD": "100"}, {"TQQQ": "20"})
    found = planned(
        there, weights(QLD="0.6"), EXACT, {"TQQQ": Substitute("QLD", Decimal("1.5"))}
    )
    assert trades(found) == {"QLD": 30}


def test_a_source_that_takes_more_money_than_its_target_leaves_room_for_itself() -> None:
    there = account("2000", {"QLD": "100", "TQQQ": "100"}, {"QLD": "80"})
    found = planned(
        there, weights(TQQQ="1"), EXACT, {"QLD": Substitute("TQQQ", Decimal("0.5"))}
    )
    assert trades(found) == {"TQQQ": 20}


def test_the_reserve_sells_no_source_bit_by_bit() -> None:
    """Scaled for the reserve its weight would be a little less than what is held of it."""
    there = account("7000", PRICES, {"VTI": "30"})
    policy = replace(EXACT, cash_reserve=Decimal("0.05"))
    found = planned(there, weights(ITOT="1"), policy, ITOT)
    assert trades(found) == {"ITOT": 65}


def test_a_fraction_of_a_source_counts() -> None:
    there = account("4950", PRICES, {"VTI": "50.5"})
    found = planned(there, weights(ITOT="1"), EXACT, ITOT)
    assert trades(found) == {"ITOT": 49}


def test_the_hash_is_that_of_the_weights_whatever_is_held() -> None:
    target = weights(ITOT="1")
    held = account("4000", PRICES, {"VTI": "50"})
    more = account("1000", PRICES, {"VTI": "70"})
    hashes = {counted(there, target, EXACT, ITOT)[0].hash for there in (held, more)}
    assert hashes == {target.hash}


def test_a_source_that_is_targeted_itself_is_none() -> None:
    there = account("5000", PRICES, {"VTI": "50"})
    found = planned(there, weights(ITOT="0.5", VTI="0.5"), EXACT, ITOT)
    assert trades(found) == {"ITOT": 50}


def test_a_short_source_is_left_alone() -> None:
    there = account("20000", PRICES, {"VTI": "-50"})
    target = weights(ITOT="1")
    assert counted(there, target, EXACT, ITOT) == (target, EXACT)


def test_a_source_without_a_price_stops_the_plan() -> None:
    """Taken for nothing, all of the target would be bought beside it."""
    there = account("5000", PRICES, {"VTI": "50"})
    quotes = {s: q for s, q in there.quotes.items() if s != "VTI"}
    with pytest.raises(StaleDataError, match="no price for VTI"):
        counted(replace(there, quotes=quotes), weights(ITOT="1"), EXACT, ITOT)


@st.composite
def replaced_cases(
    draw: st.DrawFn,
) -> tuple[Account, Target, Policy, dict[str, Substitute]]:
    cents = st.integers(500, 40_000)
    targets = [f"T{n}" for n in range(draw(st.integers(1, 4)))]
    olds = [f"S{n}" for n in range(draw(st.integers(1, 4)))]
    scales = st.sampled_from(["1", "1", "1", "0.5", "2", "1.5"])
    sources = {
        s: Substitute(draw(st.sampled_from(targets)), Decimal(draw(scales))) for s in olds
    }
    prices: dict[str, str | Decimal] = {
        s: Decimal(draw(cents)) / 100 for s in [*targets, *olds]
    }
    held: dict[str, str | Decimal] = {
        s: Decimal(draw(st.integers(1, 300))) for s in [*targets, *olds] if draw(st.booleans())
    }
    parts = [draw(st.integers(1, 100)) for _ in targets]
    whole = sum(parts) + draw(st.integers(0, 50))
    target = Target(
        {s: Decimal(p) / whole for s, p in zip(targets, parts, strict=True)}, "random"
    )
    policy = replace(EXACT, cash_reserve=Decimal(draw(st.integers(0, 5))) / 100)
    cash = Decimal(draw(st.integers(2_000, 100_000)))
    return account(cash, prices, held), target, policy, sources


@CASES
@given(replaced_cases())
def test_no_source_is_ever_bought(
    case: tuple[Account, Target, Policy, dict[str, Substitute]],
) -> None:
    bought = {s for s, trade in trades(planned(*case)).items() if trade > 0}
    assert not bought & set(case[3])


@CASES
@given(replaced_cases())
def test_what_was_planned_needs_at_most_a_few_shares_more_and_then_nothing(
    case: tuple[Account, Target, Policy, dict[str, Substitute]],
) -> None:
    """Where sources were sold, whole shares of the target may come nearer than theirs did."""
    there, target, policy, sources = case
    there = after(there, planned(*case))
    share = sum((q.price * 2 for q in there.quotes.values()), Decimal(0))
    for _ in range(4):
        more = planned(there, target, policy, sources)
        if not trades(more):
            return
        assert sum((abs(x.trade) * x.price for x in more.lines), Decimal(0)) <= share
        there = after(there, more)
    raise AssertionError("it does not settle")


@CASES
@given(replaced_cases())
def test_target_and_sources_together_reach_the_weight(
    case: tuple[Account, Target, Policy, dict[str, Substitute]],
) -> None:
    """Within what whole shares can do, for all targets alike."""
    there, target, _, sources = case
    found = planned(*case)
    there = after(there, found)
    worth = {p.symbol: p.quantity * there.quotes[p.symbol].price for p in there.positions}
    share = max(q.price for q in there.quotes.values()) * 2
    reached = []
    for symbol, weight in target.weights.items():
        stands = sum(
            (
                worth.get(s, Decimal(0)) * one.scale
                for s, one in sources.items()
                if one.symbol == symbol
            ),
            Decimal(0),
        )
        reached.append(((worth.get(symbol, Decimal(0)) + stands), weight * found.base))
    # Scales above or below 1 change how much money there is for all weights, not their ratios.
    scale = sum((r for r, _ in reached), Decimal(0)) / sum((w for _, w in reached), Decimal(0))
    for got, wanted in reached:
        assert abs(got - scale * wanted) <= share * (2 + len(reached))
