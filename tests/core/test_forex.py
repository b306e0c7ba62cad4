"""Currencies: an account plans abroad as at home, and converts what it lacks, no more."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.core import forex, rails
from rebalancer.core.account import Account, Quote
from rebalancer.core.forex import Conversion
from rebalancer.core.measures import Facts
from rebalancer.core.order import Intent, Order, OrderReport
from rebalancer.core.pairs import currencies, is_pair, pair
from rebalancer.core.plan import Plan, plan
from rebalancer.core.planned import PlanLine
from rebalancer.core.policy import Policy
from rebalancer.core.target import Target
from rebalancer.core.trades import trade_of
from tests.core.accounts import NOW, account, instrument, quote, target
from tests.core.test_plan_properties import CASES, cases, free, trades

RATES = {"EUR": Decimal(1), "USD": Decimal("0.9"), "GBP": Decimal("1.2")}


def abroad(there: Account, rate: Decimal, share: Decimal = Decimal(0)) -> Account:
    """A euro account: the same as the dollar account ``there``, worth ``rate`` times as much.

    A ``share`` of its cash is in euros.
    """
    cash = there.total_cash
    return replace(
        there,
        currency="EUR",
        net_liquidation=there.net_liquidation * rate,
        total_cash=cash * rate,
        cash={"USD": cash * (1 - share), "EUR": cash * rate * share},
        rates={"EUR": Decimal(1), "USD": rate},
    )


def at_home(there: Account, rate: Decimal) -> Account:
    """A euro account whose instruments are all in euros, at prices converted by ``rate``."""
    converted = {s: replace(q, price=q.price * rate) for s, q in there.quotes.items()}
    return replace(
        abroad(there, rate),
        cash={"EUR": there.total_cash * rate},
        rates={"EUR": Decimal(1)},
        quotes=converted,
        instruments={s: replace(i, currency="EUR") for s, i in there.instruments.items()},
        positions=tuple(replace(p, currency="EUR") for p in there.positions),
    )


@CASES
@given(cases(), st.sampled_from([Decimal("0.909091"), Decimal("1.25"), Decimal("0.0067")]))
def test_an_account_plans_abroad_as_at_home(
    case: tuple[Account, Target, Policy], rate: Decimal
) -> None:
    """Where neither a commission nor a price step has a size in one of the currencies."""
    there, goal, policy = case
    policy = replace(policy, order_type="MKT")
    one = plan(abroad(there, rate, Decimal("0.5")), goal, policy, commissions=free)
    other = plan(at_home(there, rate), goal, policy, commissions=free)
    assert trades(one) == trades(other)
    assert abs(one.cash_worst - other.cash_worst) < Decimal("1e-6")
    assert abs(one.drift_after - other.drift_after) < Decimal("1e-8")


@CASES
@given(cases(), st.integers(0, 100))
def test_after_its_conversions_a_plan_owes_nothing_in_what_it_buys(
    case: tuple[Account, Target, Policy], percent: int
) -> None:
    there, goal, policy = case
    rate = Decimal("0.9")
    here = abroad(there, rate, Decimal(percent) / 100)
    found = plan(here, goal, policy)
    cash = dict(forex.balances(found, here))
    for wanted in forex.conversions(found, here):
        line = made(wanted, here)
        got, amount = forex.brings(line)
        assert got == wanted.got
        assert amount <= forex.enough(line, {got: wanted.missing})
        cash[got] += amount
        first, second = currencies(line.symbol)
        given_up = -line.trade * (line.price if wanted.given == second else Decimal(1))
        assert (given_up < 0) == (wanted.given == second)
        cash[first if wanted.given == first else second] -= abs(given_up)
    # All but a share, at most: where no reserve is kept, all there is may not be enough.
    left = replace(here, cash=plus(cash, forex.balances(found, replace(here, cash={}))))
    paid = forex.within(found, left)
    assert paid is not None
    assert forex.short(paid, left) == {}
    fewer = {x.symbol: x.trade - y.trade for x, y in zip(found.lines, paid.lines, strict=True)}
    assert sum(n > 0 for n in fewer.values()) <= 1
    assert all(n >= 0 for n in fewer.values())


def plus(left: dict[str, Decimal], costs: dict[str, Decimal]) -> dict[str, Decimal]:
    """The cash of which so much is left after such costs (negative)."""
    return {c: left.get(c, Decimal(0)) - costs.get(c, Decimal(0)) for c in left | costs}


def made(wanted: Conversion, here: Account) -> PlanLine:
    first, second = currencies(wanted.symbol)
    price = here.rates[first] / here.rates[second]
    found = replace(instrument(wanted.symbol, second, "0.00005"), sec_type="CASH")
    return forex.converted(wanted, found, quote(price), here, Policy())


# What is missing, and where it comes from ----------------------------------------------------


def mixed(cash: dict[str, str], **buys: int) -> tuple[Plan, Account]:
    """A plan that buys so many shares at 100 of what costs euros (E), dollars or pounds."""
    kinds = {"E": "EUR", "D": "USD", "P": "GBP"}
    there = replace(
        account("0", dict.fromkeys(kinds, "100")),
        currency="EUR",
        cash={c: Decimal(a) for c, a in cash.items()},
        rates=RATES,
        instruments={s: instrument(s, c) for s, c in kinds.items()},
    )
    total = sum((a * RATES[c] for c, a in there.cash.items()), Decimal(0))
    there = replace(there, total_cash=total, net_liquidation=total)
    policy = Policy(slippage=Decimal(0), order_type="MKT", cash_reserve=Decimal(0))
    drawn = plan(there, target(E="0.1", D="0.1", P="0.1"), policy, commissions=free)
    lines = tuple(
        line._replace(trade=buys.get(line.symbol, 0), commission_parts=0)
        for line in drawn.lines
    )
    return replace(drawn, lines=lines), there


@pytest.mark.parametrize(
    ("cash", "buys", "wanted"),
    [
        ({"EUR": "9000"}, {"E": 10}, []),
        ({"EUR": "9000", "USD": "2000"}, {"D": 20}, []),
        ({"EUR": "9000", "USD": "500"}, {"D": 20}, [("EUR", "USD", "1500")]),
        ({"EUR": "9000", "USD": "-500"}, {"D": 20}, [("EUR", "USD", "2500")]),
        # A loan in what is not bought is left alone.
        ({"EUR": "9000", "USD": "-500"}, {"P": 5}, [("EUR", "GBP", "500")]),
        # What a conversion costs is paid in the own currency, and converted with it.
        # The own currency, from where most is to spare; and on to a third one.
        ({"EUR": "100", "USD": "5000"}, {"E": 11}, [("USD", "EUR", "1002.25")]),
        (
            {"EUR": "100", "USD": "5000", "GBP": "100"},
            {"P": 6},
            [("USD", "EUR", "505.7"), ("EUR", "GBP", "500")],
        ),
        (
            {"EUR": "0", "USD": "1000", "GBP": "1000"},
            {"E": 15},
            [("GBP", "EUR", "1200"), ("USD", "EUR", "304.5")],
        ),
    ],
)
def test_what_is_converted(
    cash: dict[str, str], buys: dict[str, int], wanted: list[tuple[str, str, str]]
) -> None:
    found = [(c.given, c.got, c.missing) for c in forex.conversions(*mixed(cash, **buys))]
    assert found == [(given, got, Decimal(missing)) for given, got, missing in wanted]


def test_what_is_missing_after_all_is_not_bought() -> None:
    planned, there = mixed({"EUR": "9000", "USD": "1950", "GBP": "-1"}, D=20, E=3)
    fewer = forex.within(planned, there)
    assert fewer is not None
    assert {x.symbol: x.trade for x in fewer.buys} == {"D": 19, "E": 3}
    # More than a share is no loss on the way, and is not covered up.
    assert forex.within(*mixed({"EUR": "9000", "USD": "1800"}, D=20)) is None
    assert forex.within(*mixed({"EUR": "9000", "USD": "-50"}, D=1)) is None


def test_a_little_that_is_missing_is_rounded_up_to_what_is_worth_an_order() -> None:
    planned, there = mixed({"EUR": "9000", "USD": "1999", "GBP": "1999"}, D=20, P=20)
    found = forex.conversions(planned, there)
    assert [(c.got, c.missing) for c in found] == [("GBP", 1), ("USD", 1)]
    assert [made(wanted, there).trade for wanted in found] == [-25, -25]
    # Where there is less than that, nothing is sent at all.
    planned, there = mixed({"EUR": "5", "USD": "1999"}, D=20)
    (wanted,) = forex.conversions(planned, there)
    assert made(wanted, there).trade == 0


def test_working_buys_are_paid_first() -> None:
    planned, there = mixed({"EUR": "9000", "USD": "2000"}, D=15)
    there = replace(there, working={"D": Decimal(10), "E": Decimal(-50)})
    assert forex.short(planned, there) == {"USD": Decimal(500)}


def test_sells_pay_for_buys_in_their_currency_only() -> None:
    planned, there = mixed({"EUR": "9000", "USD": "0"}, D=15, E=-10)
    assert forex.short(planned, there) == {"USD": Decimal(1500)}


@pytest.mark.parametrize(
    ("wanted", "price", "trade"),
    [
        (Conversion("EUR", "USD", Decimal(1100), Decimal(5000)), "1.1", -1002),
        (Conversion("USD", "EUR", Decimal(1000), Decimal(5000)), "1.1", 1002),
        (Conversion("EUR", "GBP", Decimal(1), Decimal(5000)), "0.85", -25),  # worth an order
        (Conversion("USD", "EUR", Decimal(1000), Decimal(552)), "1.1", 500),  # all there is
    ],
)
def test_the_size_of_a_conversion(wanted: Conversion, price: str, trade: int) -> None:
    _, there = mixed({"EUR": "5000", "USD": "5000"})
    found = replace(instrument(wanted.symbol, wanted.symbol[-3:]), sec_type="CASH")
    line = forex.converted(wanted, found, quote(price), there, Policy())
    assert line.trade == trade
    assert line.order_type == "LMT"


@pytest.mark.parametrize(
    ("one", "other", "name"),
    [
        ("USD", "EUR", "fx:EUR.USD"),
        ("JPY", "USD", "fx:USD.JPY"),
        ("EUR", "GBP", "fx:EUR.GBP"),
        ("SEK", "NOK", "fx:NOK.SEK"),
    ],
)
def test_pairs_are_named_as_the_broker_does(one: str, other: str, name: str) -> None:
    assert pair(one, other) == pair(other, one) == name
    assert is_pair(name)
    assert not is_pair("EUR.USD")


# Rails ---------------------------------------------------------------------------------------


def checked(planned: Plan, there: Account, policy: Policy, **facts: Any) -> dict[str, Any]:
    told = Facts(**{"now": NOW + 1, "quotes": there.quotes, **facts})
    stage = facts and "missing" in facts
    found = rails.check(planned, there, policy, told, "conversion" if stage else "plan")
    return {check.name: check for check in found}


def test_by_default_a_currency_that_is_short_is_refused() -> None:
    planned, there = mixed({"EUR": "9000", "USD": "500"}, D=20)
    found = checked(planned, there, Policy())["currency"]
    assert not found.passed
    assert (found.symbol, found.then, found.key) == ("USD", "bury", "fx")
    assert "the buys of DU1 take 1,500 USD more than there is" in found.text
    # When sells have brought less than they were to, another try may find more.
    assert checked(planned, there, Policy(), orders=1)["currency"].then == "retry"
    for other in ("margin", "auto-convert"):
        assert "currency" not in checked(planned, there, Policy(fx=other))


def conversion_of(units: int) -> tuple[Plan, Account]:
    planned, there = mixed({"EUR": "9000", "USD": "500"}, D=20)
    wanted = Conversion("EUR", "USD", Decimal(1500), Decimal(9000))
    line = made(wanted, there)._replace(trade=-units)
    price: Quote = replace(quote(line.price), close=line.price)
    there = replace(there, quotes={**there.quotes, line.symbol: price})
    return replace(planned, lines=(line,)), there


def test_a_conversion_brings_what_is_missing_and_no_more() -> None:
    missing = {"USD": Decimal(1500)}
    assert checked(*conversion_of(1353), Policy(), missing=missing)["conversion"].passed
    too_much = checked(*conversion_of(2000), Policy(), missing=missing)["conversion"]
    assert not too_much.passed
    assert too_much.then == "retry"
    assert "USD and 1,504.11 are enough for DU1" in too_much.text


def test_a_conversion_is_held_against_prices_and_counts_but_is_no_turnover() -> None:
    found = checked(*conversion_of(1353), Policy(), missing={"USD": Decimal(1500)})
    assert set(found) == {
        "agreement",
        "orders",
        "price_known",
        "price_kind",
        "price_age",
        "price_deviation",
        "close_deviation",
        "conversion",
    }


def test_a_conversion_is_no_trade_that_taxes_remember() -> None:
    order = Order("rb:1:1:fx:EUR.USD", "DU1", "fx:EUR.USD", 1, "BUY", 100, "LMT", Decimal(1))
    report = OrderReport(order.order_ref, "filled", Decimal(100), Decimal(0), Decimal(1))
    assert trade_of(Intent(order, "e", 1, NOW), report, NOW) is None
