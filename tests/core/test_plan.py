from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.core.plan import Plan, plan
from rebalancer.core.policy import Bounds, Policy
from rebalancer.errors import StaleDataError
from tests.core.accounts import account, instrument, position, quote, target

FREE = Policy(cash_reserve=Decimal(0), slippage=Decimal(0))


def trades(found: Plan) -> dict[str, int]:
    return {line.symbol: line.trade for line in found.lines if line.trade}


def test_cash_is_invested_by_weight_in_whole_shares() -> None:
    found = plan(account("10000", {"A": "100", "B": "50"}), target(A="0.6", B="0.4"), Policy())
    assert 57 <= trades(found)["A"] <= 60
    assert 76 <= trades(found)["B"] <= 80
    assert found.cash_worst >= found.reserve == Decimal(100)


def test_what_the_target_does_not_name_is_kept_unless_it_is_to_go() -> None:
    there = account("1000", {"A": "10", "X": "10"}, {"X": "50"})
    assert "X" not in trades(plan(there, target(A="1"), Policy()))
    selling = plan(there, target(A="1"), Policy(unlisted="liquidate"))
    assert trades(selling)["X"] == -50


def test_weights_apply_to_what_may_be_moved() -> None:
    there = account("1000", {"A": "10", "X": "10"}, {"X": "900"})
    found = plan(there, target(A="0.5"), FREE)
    assert found.base == 1000
    assert 45 <= trades(found)["A"] <= 50


def test_more_cash_than_the_reserve_is_what_the_model_says() -> None:
    found = plan(account("100000", {"A": "10"}), target(A="0.95"), Policy())
    # 5% cash in the model and a 1% reserve leave 5%, not 6%.
    assert found.cash_after == pytest.approx(Decimal(5000), abs=60)


def test_options_futures_and_shorts_are_left_alone() -> None:
    others = (position("OPT", "-3", "OPT"), position("A", "-20"))
    there = account("10000", {"A": "10", "B": "10"}, others=others)
    found = plan(there, target(A="0.5", B="0.5"), Policy(unlisted="liquidate"))
    assert set(trades(found)) == {"B"}


def test_a_fraction_of_a_share_stays() -> None:
    there = account("0", {"A": "10"}, {"A": "7.5"})
    found = plan(there, target(A="0"), replace(FREE, unlisted="liquidate"))
    assert trades(found) == {"A": -7}


def test_bounds_bind() -> None:
    there = account("1000", {"A": "10", "B": "10"}, {"A": "100"})
    goal = target(A="0.2", B="0.8")
    held_back = replace(FREE, bounds={"A": Bounds(no_sell=True)})
    assert trades(plan(there, goal, held_back)).keys() == {"B"}
    assert trades(plan(there, goal, held_back))["B"] <= 100
    not_bought = replace(FREE, bounds={"B": Bounds(no_buy=True)})
    assert trades(plan(there, goal, not_bought)) == {}


def test_inside_its_band_a_symbol_is_left_alone() -> None:
    there = account("0", {"A": "10", "B": "10"}, {"A": "520", "B": "480"})
    goal = target(A="0.5", B="0.5")
    assert trades(plan(there, goal, replace(FREE, drift_band=Decimal("0.03")))) == {}
    assert trades(plan(there, goal, replace(FREE, drift_band=Decimal("0.01")))) != {}


def test_a_band_of_its_own_goes_before_the_accounts() -> None:
    there = account("0", {"A": "10", "B": "10"}, {"A": "520", "B": "480"})
    policy = replace(
        FREE, drift_band=Decimal("0.01"), bounds={"A": Bounds(drift_band=Decimal("0.05"))}
    )
    found = plan(there, target(A="0.5", B="0.5"), policy)
    assert "A" not in trades(found)


def test_orders_too_small_are_not_made() -> None:
    there = account("300", {"A": "10", "B": "10"})
    policy = replace(FREE, min_order_value=Decimal(200))
    found = plan(there, target(A="0.8", B="0.2"), policy)
    assert "B" not in trades(found)


def test_turnover_is_capped() -> None:
    there = account("0", {"A": "10", "B": "10"}, {"A": "1000"})
    policy = replace(FREE, max_turnover=Decimal("0.1"))
    found = plan(there, target(B="1", A="0"), policy)
    turned = sum(abs(line.trade) * line.price for line in found.lines)
    assert 0 < turned <= 1000


def test_shares_on_their_way_count_as_held() -> None:
    there = replace(account("10000", {"A": "10"}), working={"A": Decimal(900)})
    assert trades(plan(there, target(A="1"), Policy())).get("A", 0) <= 90


def test_limits_stay_within_the_allowance_and_on_the_tick() -> None:
    there = account("10000", {"A": "33.333"}, {"B": "10"})
    there = replace(
        account("10000", {"A": "33.333", "B": "20.005"}, {"B": "100"}),
        instruments={"A": instrument("A", tick="0.05"), "B": instrument("B", tick="0.05")},
    )
    found = plan(there, target(A="0.9"), Policy(unlisted="liquidate"))
    lines = {line.symbol: line for line in found.lines}
    assert lines["A"].limit_price == Decimal("33.45")  # 33.333 * 1.005 = 33.4997, rounded down
    assert lines["B"].limit_price == Decimal("19.95")  # 20.005 * 0.995 = 19.905, rounded up


def test_market_orders_have_no_limit_and_are_sized_for_the_allowance() -> None:
    found = plan(account("10000", {"A": "10"}), target(A="1"), Policy(order_type="MKT"))
    assert found.lines[0].limit_price is None
    assert found.cash_worst >= found.reserve


@pytest.mark.parametrize("price", ["NaN", "0", "-1", "Infinity"])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    there = account("1000", {"A": "10"})
    there = replace(there, quotes={"A": quote(price)})
    with pytest.raises(StaleDataError, match="A"):
        plan(there, target(A="1"), Policy())


def test_every_missing_price_is_named() -> None:
    there = replace(account("1000", {"A": "10", "B": "1", "C": "1"}), quotes={"B": quote("1")})
    with pytest.raises(StaleDataError, match="A, C"):
        plan(there, target(A="0.2", B="0.2", C="0.2"), Policy())


def test_an_unknown_exchange_rate_is_refused() -> None:
    there = account("1000", {"A": "10"})
    there = replace(there, instruments={"A": instrument("A", "JPY")})
    with pytest.raises(StaleDataError):
        plan(there, target(A="1"), Policy())


def test_balances_that_are_no_numbers_are_refused() -> None:
    there = replace(account("1000", {"A": "10"}), net_liquidation=Decimal("NaN"))
    with pytest.raises(StaleDataError, match="NetLiquidation"):
        plan(there, target(A="1"), Policy())


@pytest.mark.parametrize("cash", ["0", "-500"])
def test_an_account_without_money_has_an_empty_plan(cash: str) -> None:
    found = plan(account(cash, {"A": "10"}), target(A="1"), Policy())
    assert trades(found) == {}


def test_negative_cash_is_made_good_by_selling() -> None:
    there = account("-1000", {"A": "10"}, {"A": "1000"})
    found = plan(there, target(A="1"), Policy())
    assert trades(found)["A"] <= -109
    assert found.cash_worst >= found.reserve


def test_values_in_another_currency_are_converted() -> None:
    there = account("11000", {"A": "10"})
    there = replace(
        there,
        instruments={"A": instrument("A", "EUR")},
        rates={"USD": Decimal(1), "EUR": Decimal("1.1")},
    )
    found = plan(there, target(A="1"), FREE)
    assert 950 <= trades(found)["A"] <= 1000


def test_the_hash_names_the_content() -> None:
    there, goal = account("10000", {"A": "100"}), target(A="1")
    first = plan(there, goal, Policy())
    later = plan(replace(there, taken_at=there.taken_at + 60), goal, Policy())
    assert first.hash == later.hash
    assert plan(account("20000", {"A": "100"}), goal, Policy()).hash != first.hash


def test_buying_only_sells_nothing_and_spends_what_is_there() -> None:
    there = account("1000", {"A": "10", "B": "10"}, {"A": "1000"})
    policy = Policy(unlisted="liquidate").buying_only(there.instruments)
    found = plan(there, target(B="1"), policy)
    assert trades(found).keys() <= {"B"}
    assert trades(found).get("B", 0) * 10 <= 1000


@pytest.mark.parametrize("filled", [(), ("A",), ("B",), ("A", "B")])
def test_a_rebalance_in_two_attempts_buys_what_it_would_in_one(filled: tuple[str, ...]) -> None:
    """Its buys fill below their limits; what that spares stays in cash, whenever it crashed."""
    prices = {"A": "500", "B": "75"}
    goal = target(A="0.6", B="0.4")
    whole = plan(account("100000", prices), goal, Policy())
    bought = {line.symbol: line for line in whole.buys if line.symbol in filled}
    none = Decimal(0)
    cost = sum((x.trade * x.price + x.est_commission for x in bought.values()), none)
    held = {symbol: Decimal(line.trade) for symbol, line in bought.items()}
    there = account(Decimal(100000) - cost, prices, held)
    rest = plan(there, goal, Policy(), spent=cost)
    assert trades(rest) == {s: n for s, n in trades(whole).items() if s not in filled}
