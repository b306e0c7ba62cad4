"""The rails, one by one: what passes, what does not, and what is said then."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core import rails
from rebalancer.core.account import Account
from rebalancer.core.limits import Limits
from rebalancer.core.measures import Facts, Margin
from rebalancer.core.plan import Plan, plan
from rebalancer.core.policy import Policy
from rebalancer.core.rails import RAILS, Check, Stage
from tests.core.accounts import NOW, account, quote, target

HERE: Account = replace(
    account("100000", {"A": "100", "B": "50"}, {"B": "100"}),
    quotes={s: replace(quote(p), close=Decimal(p)) for s, p in (("A", "100"), ("B", "50"))},
)
#: Buys 942 shares of A for about 94,700, sells the 100 of B for 5,000.
GOAL = target(A="0.9", B="0")


def policy(*, what_if: bool = False, delayed: bool = False, **limits: Any) -> Policy:
    return Policy(
        limits=replace(Limits(), **limits),
        what_if=what_if,
        allow_delayed_prices=delayed,
    )


def checks(
    wanted: Policy, *, stage: Stage = "plan", there: Account = HERE, **facts: Any
) -> dict[str, Check]:
    planned = plan(HERE, GOAL, Policy())
    told = Facts(**{"now": NOW + 1, "quotes": there.quotes, **facts})
    found = rails.check(planned, there, wanted, told, stage)
    assert len({(check.name, check.symbol) for check in found}) == len(found)
    return {check.name: check for check in found if not check.passed} or {
        check.name: check for check in found
    }


def priced(symbol: str, **changes: Any) -> dict[str, Any]:
    return {**HERE.quotes, symbol: replace(HERE.quotes[symbol], **changes)}


def test_a_normal_plan_passes_every_rail_at_its_default() -> None:
    found = checks(policy())
    assert all(check.passed and not check.text for check in found.values())
    unset = {"equity", "order_value", "what_if", "margin_cushion", "wash_sale"}
    assert set(found) == set(RAILS) - unset - {"conversion"}
    assert (found["order_share"].figure, found["order_share"].limit) == ("90.45", "100")
    assert (found["orders"].figure, found["orders"].limit) == ("2", "100")
    assert found["price_age"].figure == "1"


def test_a_plan_without_orders_has_nothing_to_check() -> None:
    nothing = plan(HERE, target(B="0.047619"), Policy())
    assert not any(line.trade for line in nothing.lines)
    facts = Facts(NOW, HERE.quotes, disagreement="wrong port")
    assert rails.check(nothing, HERE, policy(min_equity=Decimal(10**9)), facts, "plan") == ()


BROKEN: list[tuple[str, Policy, dict[str, Any], str]] = [
    (
        "agreement",
        policy(),
        {"disagreement": "U1 is a live account by its name"},
        "U1 is a live account by its name; mend `type`",
    ),
    (
        "allowed_symbols",
        policy(allowed_symbols=("B",)),
        {},
        "A is not in the allowed_symbols (1 symbols) of DU1; add it to `allowed_symbols`",
    ),
    (
        "equity",
        policy(min_equity=Decimal(200_000)),
        {},
        "NetLiquidation 105,000 USD is below min_equity 200,000 of DU1; lower `min_equity`",
    ),
    (
        "order_value",
        policy(max_order_value=Decimal(50_000)),
        {},
        (
            "order of 94,972.50 USD for A is above max_order_value 50,000 of DU1; raise "
            "`max_order_value` in accounts.yaml"
        ),
    ),
    (
        "order_share",
        policy(max_order=Decimal("0.5")),
        {},
        "for A is above max_order_percent 50 of DU1 (52,500 USD); raise `max_order_percent`",
    ),
    ("orders", policy(max_orders=1), {}, "a run of 2 orders is above max_orders 1 of DU1"),
    (
        "orders",
        policy(),
        {"orders": 99},
        "a run of 101 orders is above max_orders 100 of DU1; raise `max_orders`",
    ),
    (
        "run_turnover",
        policy(turnover_limit_per_run=Decimal("0.9")),
        {},
        (
            "bought and sold in this run is above turnover_limit_per_run_percent 90 of DU1 "
            "(94,500 USD)"
        ),
    ),
    (
        "run_turnover",
        policy(),
        {"turnover": Decimal(120_000)},
        "in this run is above turnover_limit_per_run_percent 200 of DU1 (210,000 USD)",
    ),
    (
        "day_turnover",
        policy(),
        {"day_turnover": Decimal(220_000)},
        (
            "in this trading day is above turnover_limit_per_day_percent 300 of DU1 "
            "(315,000 USD); raise `turnover_limit_per_day_percent` in accounts.yaml, or wait"
        ),
    ),
    (
        "day_counter",
        policy(),
        {"day_unreadable": "lots"},
        (
            "the counter of the trading day's turnover of DU1 reads 'lots'; see `redis-cli "
            "HGETALL rebalance_turnover:DU1`"
        ),
    ),
    (
        "price_known",
        policy(),
        {"unpriced": {"A": "nobody bids or asks"}},
        "there is no price of A any more: nobody bids or asks; it is planned anew",
    ),
    ("price_known", policy(), {"quotes": {"B": HERE.quotes["B"]}}, "none was seen"),
    (
        "price_kind",
        policy(),
        {"quotes": priced("A", kind="delayed")},
        (
            "the price of A is delayed, DU1 wants it live; subscribe to live data, or set "
            "`allow_delayed_prices`"
        ),
    ),
    (
        "price_kind",
        policy(delayed=True),
        {"quotes": priced("A", kind="frozen")},
        "the price of A is frozen, DU1 wants it live or delayed",
    ),
    (
        "price_age",
        policy(),
        {"quotes": priced("A", at=NOW - 130)},
        "the price of A is 131.0 s old, above max_price_age_seconds 120 of DU1",
    ),
    ("price_age", policy(), {"quotes": priced("A", at=NOW + 130)}, "129.0 s old"),
    (
        "price_deviation",
        policy(),
        {"quotes": priced("A", price=Decimal(104))},
        (
            "the price of A, 104, is 4.00% off the plan's 100, above "
            "max_price_deviation_percent 3 of DU1; it is planned anew"
        ),
    ),
    (
        "price_deviation",
        policy(max_price_deviation=Decimal("0.001")),
        {},
        "the limit of B, 49.750, is 0.50% off the plan's 50",
    ),
    (
        "close_deviation",
        policy(),
        {"quotes": priced("A", close=Decimal(200))},
        (
            "the price of A, 100, is 50.00% off yesterday's close 200, above "
            "max_close_deviation_percent 20 of DU1"
        ),
    ),
    (
        "what_if",
        policy(what_if=True),
        {"refused": {"A": "201: no margin"}},
        "would do, the gateway refuses: 201: no margin; it is asked again",
    ),
    (
        "margin_cushion",
        policy(min_margin_cushion=Decimal("0.3")),
        {"margin": Margin(Decimal(100_000), Decimal(80_000))},
        (
            "the orders leave a margin cushion of 19.05% (20,000 USD), below "
            "min_margin_cushion_percent 30 of DU1; lower `min_margin_cushion_percent`"
        ),
    ),
    (
        "margin_cushion",
        policy(),
        {"margin": Margin(Decimal(80_000), Decimal(100_000))},
        "margin cushion of -19.05%",
    ),
    (
        "reserve",
        policy(),
        {"extra_cost": Decimal(50_000)},
        "USD in cash, below the reserve 1,050 of DU1; it is planned anew",
    ),
]


@pytest.mark.parametrize(
    ("name", "wanted", "facts", "said"), BROKEN, ids=[f"{b[0]} {b[3][:30]}" for b in BROKEN]
)
def test_a_broken_rail_names_itself_the_figure_and_the_key(
    name: str, wanted: Policy, facts: dict[str, Any], said: str
) -> None:
    found = checks(wanted, **facts)
    assert set(found) == {name}
    assert said in found[name].text
    assert found[name].then == RAILS[name].then
    assert found[name].key == RAILS[name].key


def test_every_rail_has_a_case_here() -> None:
    # Others are about currencies, or found by the queue: they have tests of their own.
    elsewhere = {"wash_sale", "currency", "conversion"}
    assert {case[0] for case in BROKEN} == set(RAILS) - elsewhere


def test_a_close_that_is_not_known_is_no_close() -> None:
    unknown = {s: replace(q, close=None) for s, q in HERE.quotes.items()}
    there = replace(HERE, quotes=unknown)
    assert "yesterday's close of" in checks(policy(), there=there)["close_deviation"].text
    # The plan's own stands in for a line that was opened anew and has not told it yet.
    assert checks(policy(), quotes=unknown)["close_deviation"].passed


@pytest.mark.parametrize("name", ["order_share", "run_turnover", "margin_cushion"])
def test_nothing_is_a_share_of_nothing(name: str) -> None:
    planned = replace(plan(HERE, GOAL, Policy()), net_liquidation=Decimal(0))
    facts = Facts(NOW, HERE.quotes, margin=Margin(Decimal(1), Decimal(0)))
    found = {c.name: c for c in rails.check(planned, HERE, policy(), facts, "plan")}
    assert not found[name].passed


def test_what_is_too_much_for_any_day_does_not_wait_for_the_next() -> None:
    found = checks(policy(turnover_limit_per_day=Decimal("0.5")))
    assert found["day_turnover"].then == "bury"


def test_off_takes_a_rail_away() -> None:
    gone: dict[str, Any] = dict.fromkeys(
        (
            "max_order",
            "max_orders",
            "turnover_limit_per_run",
            "turnover_limit_per_day",
            "max_price_deviation",
            "max_close_deviation",
            "max_price_age_seconds",
            "min_margin_cushion",
        ),
    )
    found = checks(policy(**gone), margin=Margin(Decimal(0), Decimal(1)))
    assert set(found) == {
        "agreement",
        "allowed_symbols",
        "price_known",
        "price_kind",
        "reserve",
        "currency",
    }


def test_right_before_an_order_a_market_buy_is_held_against_the_price_of_now() -> None:
    market = replace(Policy(order_type="MKT"), limits=Limits(max_price_deviation=None))
    planned = plan(HERE, GOAL, market)
    (line,) = (one for one in planned.lines if one.symbol == "A")
    slack = planned.cash_worst - planned.reserve

    def reserve(price: str) -> Check:
        facts = Facts(NOW, priced("A", price=Decimal(price)))
        part: Plan = replace(planned, lines=(line,))
        found = rails.check(part, HERE, market, facts, "order")
        return next(check for check in found if check.name == "reserve")

    assert 0 <= slack < line.trade * Decimal(110)
    assert reserve("100").passed
    assert not reserve("120").passed


def test_money_is_counted_in_hundredths_rounded_up() -> None:
    assert rails.hundredths(Decimal("12.341")) == 1235
    assert rails.hundredths(Decimal(0)) == 0
