"""The safety rails: what no plan and no order may break, whoever wanted it.

A rail measures; it never changes a plan. ``RAILS`` is the whole list: what each is called, what
happens to the event when it is broken, the key to change, and when it is looked at: on the
whole plan before anything is sent, and on each order right before it is. A conversion of
currencies is no order of the plan; what it is held against has a stage of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Literal, NamedTuple

from rebalancer.core import currency_measures, measures, price_measures
from rebalancer.core.account import Account
from rebalancer.core.measures import Facts, Measure, Then, plainly
from rebalancer.core.plan import Plan
from rebalancer.core.policy import Policy

Stage = Literal["plan", "order", "conversion"]
Rail = Callable[[Plan, Account, Policy, Facts], list[Measure]]


class Check(NamedTuple):
    """What a rail found: every breach, or, of what passed, whatever came closest."""

    name: str
    #: The symbol it is about; '' for all orders together.
    symbol: str
    figure: str
    limit: str
    passed: bool
    #: The key to change.
    key: str
    #: Of a breach: the rail, the figure and the remedy in one sentence; else ''.
    text: str = ""
    then: Then = "bury"


class Rule(NamedTuple):
    """A rail and what belongs to it."""

    rail: Rail
    then: Then
    key: str
    #: How to get on; ``{key}`` stands for the key, ``{account}`` for the account.
    remedy: str
    stages: tuple[Stage, ...] = ("plan", "order")


_EVERY: tuple[Stage, ...] = ("plan", "order", "conversion")
_LESS = "raise `{key}` in accounts.yaml, or let the target ask for less"
_ANEW = "it is planned anew; if that goes on, look at the market or raise `{key}`"

RAILS: Mapping[str, Rule] = {
    "agreement": Rule(
        measures.agreement,
        "bury",
        "type",
        "mend `{key}` in accounts.yaml or trading_mode",
        _EVERY,
    ),
    "allowed_symbols": Rule(
        measures.allowed, "bury", "allowed_symbols", "add it to `{key}` in accounts.yaml"
    ),
    "equity": Rule(
        measures.equity,
        "bury",
        "min_equity",
        "lower `{key}` in accounts.yaml, or add money",
        _EVERY,
    ),
    "order_value": Rule(measures.order_value, "bury", "max_order_value", _LESS),
    "order_share": Rule(measures.order_share, "bury", "max_order_percent", _LESS),
    "orders": Rule(measures.orders, "bury", "max_orders", _LESS, _EVERY),
    "run_turnover": Rule(
        measures.run_turnover, "bury", "turnover_limit_per_run_percent", _LESS
    ),
    "day_turnover": Rule(
        measures.day_turnover,
        "delay",
        "turnover_limit_per_day_percent",
        "raise `{key}` in accounts.yaml, or wait for the next trading day",
        # Right before an order the counter itself decides: record_intents.lua.
        ("plan",),
    ),
    "day_counter": Rule(
        measures.day_counter,
        "bury",
        "turnover_limit_per_day_percent",
        "see `redis-cli HGETALL rebalance_turnover:{account}`, HDEL that day, and requeue",
        ("plan",),
    ),
    "wash_sale": Rule(
        # A plan is bounded by it; only the queue can find it broken.
        lambda *_: [],
        "retry",
        "wash_sale_guard",
        "it is planned anew around that",
        (),
    ),
    "price_known": Rule(
        price_measures.price_known,
        "retry",
        "max_price_age_seconds",
        "it is planned anew; if that goes on, see `rebalancer doctor`",
        _EVERY,
    ),
    "price_kind": Rule(
        price_measures.price_kind,
        "retry",
        "allow_delayed_prices",
        "subscribe to live data, or set `{key}` in accounts.yaml",
        _EVERY,
    ),
    "price_age": Rule(
        price_measures.price_age, "retry", "max_price_age_seconds", _ANEW, _EVERY
    ),
    "price_deviation": Rule(
        price_measures.price_deviation, "retry", "max_price_deviation_percent", _ANEW, _EVERY
    ),
    "close_deviation": Rule(
        price_measures.close_deviation, "retry", "max_close_deviation_percent", _ANEW, _EVERY
    ),
    "currency": Rule(
        currency_measures.currency,
        "bury",
        "fx",
        "set `{key}: auto-convert` or `{key}: margin` in accounts.yaml, or convert by hand",
        ("plan",),
    ),
    "conversion": Rule(
        currency_measures.conversion,
        "retry",
        "fx",
        "it is planned anew; if that goes on, convert by hand",
        ("conversion",),
    ),
    "reserve": Rule(
        measures.reserve,
        "retry",
        "cash_reserve_percent",
        "it is planned anew; if that goes on, raise slippage_percent",
    ),
    "what_if": Rule(
        measures.answered,
        "retry",
        "what_if",
        "it is asked again; if that goes on, see the account's permissions and margin",
        ("plan",),
    ),
    "margin_cushion": Rule(
        measures.cushion,
        "bury",
        "min_margin_cushion_percent",
        "lower `{key}` in accounts.yaml, or let the target ask for less, or add money",
        ("plan",),
    ),
}


def check(
    plan: Plan,
    account: Account,
    policy: Policy,
    facts: Facts,
    stage: Stage,
) -> tuple[Check, ...]:
    """Hold the plan's orders against every rail of the stage; a plan without any passes.

    At the stage ``order`` the plan holds only the line that is about to be sent.
    """
    if not any(line.trade for line in plan.lines):
        return ()
    found = []
    for name, rule in RAILS.items():
        if stage in rule.stages:
            measured = rule.rail(plan, account, policy, facts)
            failed = [measure for measure in measured if not measure.passed]
            shown = failed or _closest(measured)
            found += [_told(name, measure, plan.account_id) for measure in shown]
    return tuple(found)


def breaches(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Those that did not pass."""
    return tuple(found for found in checks if not found.passed)


def breach(
    name: str, figure: Decimal | str, limit: Decimal | str, said: str, account: str
) -> Check:
    """A breach that the queue found, told like every other."""
    return _told(name, Measure(figure, limit, False, said), account)


def hundredths(value: Decimal) -> int:
    """Money as the trading day's counter keeps it, rounded up."""
    return int((value * 100).to_integral_value(ROUND_CEILING))


def _told(name: str, measure: Measure, account_id: str) -> Check:
    rule = RAILS[name]
    remedy = rule.remedy.format(key=rule.key, account=account_id)
    return Check(
        name=name,
        symbol=measure.symbol,
        figure=plainly(measure.figure),
        limit=plainly(measure.limit),
        passed=measure.passed,
        key=rule.key,
        text="" if measure.passed else f"{measure.said}; {remedy}",
        then=measure.then or rule.then,
    )


def _closest(measured: list[Measure]) -> list[Measure]:
    """Of what passed, whatever came closest to the limit; of words one speaks for all."""
    figures = [m for m in measured if isinstance(m.figure, Decimal)]
    if figures:
        return [max(figures, key=lambda measure: measure.figure)]
    return [measure._replace(symbol="") for measure in measured[:1]]
