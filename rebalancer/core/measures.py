"""What each safety rail measures. ``rails.py`` has the table they stand in.

``(plan, account, policy, facts) -> measures``: one for each order, or one for all of them. What
cannot be measured counts as broken. ``price_measures.py`` has those that are about prices,
``currency_measures.py`` those about currencies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from rebalancer.core.account import Account, Quote
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.core.policy import Policy

#: What becomes of the event: dead letter, the next trading day, or a new plan after a backoff.
Then = Literal["bury", "delay", "retry"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Margin:
    """What all orders of a pass would do together; account currency, from what-if answers."""

    equity_with_loan: Decimal
    initial_margin: Decimal


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true now, beside the plan and the account it was made on."""

    #: Unix seconds, by the clock that stamps quotes.
    now: float
    #: The latest quotes by symbol; the plan's own where nothing newer is known.
    quotes: Mapping[str, Quote]
    #: Why a symbol has no price any more.
    unpriced: Mapping[str, str] = field(default_factory=dict)
    #: Orders of this run sent before, and what they were worth.
    orders: int = 0
    turnover: Decimal = _ZERO
    #: What market orders sent before may cost beyond the plan, as prices have risen since.
    extra_cost: Decimal = _ZERO
    #: What earlier runs have sent this trading day.
    day_turnover: Decimal = _ZERO
    #: What stands in the day's counter if it is no number.
    day_unreadable: str = ""
    #: Why account, port and trading mode do not agree; '' if they do.
    disagreement: str = ""
    #: ``None`` when nobody asked, or not every order was answered.
    margin: Margin | None = None
    #: The gateway's words by symbol where it would refuse what is sent next.
    refused: Mapping[str, str] = field(default_factory=dict)
    #: What a conversion is for: what is missing by currency, unconverted.
    missing: Mapping[str, Decimal] = field(default_factory=dict)


class Measure(NamedTuple):
    """One thing measured. ``said`` tells of it when the rail is broken."""

    figure: Decimal | str
    limit: Decimal | str
    passed: bool
    said: str
    symbol: str = ""
    #: Where this one is worse than its rail.
    then: Then | None = None


def value_of(line: PlanLine, quote: Quote | None = None) -> Decimal:
    """What an order is worth at the dearest of reference, limit and latest price."""
    prices = (line.price, line.limit_price or _ZERO, quote.price if quote else _ZERO)
    return abs(line.trade) * max(prices) * line.rate


def extra_cost_of(line: PlanLine, policy: Policy, quote: Quote | None) -> Decimal:
    """What a market buy may cost beyond the plan now; a limit holds what it costs."""
    if line.trade <= 0 or line.limit_price is not None or quote is None:
        return _ZERO
    risen = max(quote.price - line.price, _ZERO)
    return line.trade * risen * (1 + policy.slippage) * line.rate


# Who and what ------------------------------------------------------------------------------


def agreement(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """Account, port and trading mode belong together."""
    del plan, account, policy
    why = facts.disagreement
    return [Measure(why or "agree", "agree", not why, why)]


def allowed(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """Only symbols that may be traded are."""
    del facts
    listed = policy.limits.allowed_symbols
    known = {*plan.target.weights, *(position.symbol for position in account.positions)}
    symbols = known if listed is None else set(listed)
    limit = "targets and holdings" if listed is None else f"{len(symbols)} symbols"
    found = []
    for line in lines_of(plan):
        ok = line.symbol in symbols
        said = f"{line.symbol} is not in the allowed_symbols ({limit}) of {plan.account_id}"
        found.append(Measure("allowed" if ok else line.symbol, limit, ok, said, line.symbol))
    return found


def equity(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """The account is large enough to be traded at all."""
    del account, facts
    least, net = policy.limits.min_equity, plan.net_liquidation
    if least is None:
        return []
    said = (
        f"NetLiquidation {money(net)} {plan.currency} is below min_equity {money(least)} "
        f"of {plan.account_id}"
    )
    return [Measure(net, least, net >= least, said)]


# How much ----------------------------------------------------------------------------------


def order_value(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """No order is worth more than an amount."""
    del account
    most = policy.limits.max_order_value
    if most is None:
        return []
    found = []
    for line, value in _values(plan, facts):
        ok = value <= most
        said = ""
        if not ok:
            said = (
                f"order of {money(value)} {plan.currency} for {line.symbol} is above "
                f"max_order_value {money(most)} of {plan.account_id}"
            )
        found.append(Measure(value, most, ok, said, line.symbol))
    return found


def order_share(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """No order is worth more than a share of the account."""
    del account
    most, net = policy.limits.max_order, plan.net_liquidation
    if most is None:
        return []
    found = []
    for line, value in _values(plan, facts):
        ok = value <= most * net
        said = ""
        if not ok:
            said = (
                f"order of {money(value)} {plan.currency} for {line.symbol} is above "
                f"max_order_percent {plainly(most * 100)} of {plan.account_id} "
                f"({money(most * net)} {plan.currency})"
            )
        found.append(Measure(_percent(value, net), most * 100, ok, said, line.symbol))
    return found


def orders(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """A run does not send more orders than a person would expect."""
    del account
    most, count = policy.limits.max_orders, facts.orders + len(lines_of(plan))
    if most is None:
        return []
    said = f"a run of {count} orders is above max_orders {most} of {plan.account_id}"
    return [Measure(Decimal(count), Decimal(most), count <= most, said)]


def run_turnover(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """A run does not turn the account over and over."""
    del account
    most = policy.limits.turnover_limit_per_run
    if most is None:
        return []
    key = "turnover_limit_per_run_percent"
    return [_turnover(plan, _sent(plan, facts), most, f"this run is above {key}")]


def day_turnover(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """Nor do the runs of a trading day together."""
    del account
    most, mine = policy.limits.turnover_limit_per_day, _sent(plan, facts)
    if most is None or facts.day_unreadable:
        return []
    key = "turnover_limit_per_day_percent"
    total = facts.day_turnover + mine
    told = _turnover(plan, total, most, f"this trading day is above {key}")
    # What is too much for a whole day is no less so tomorrow.
    hopeless = mine > most * plan.net_liquidation
    return [told._replace(then="bury" if hopeless else None)]


def day_counter(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """What has been traded today is known."""
    del account
    if policy.limits.turnover_limit_per_day is None:
        return []
    found = facts.day_unreadable
    said = f"the counter of the trading day's turnover of {plan.account_id} reads {found!r}"
    return [Measure(found or "readable", "readable", not found, said)]


# What is left ------------------------------------------------------------------------------


def reserve(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """Buys leave the reserve alone at today's prices, too."""
    del account
    buys = [line for line in lines_of(plan) if line.trade > 0]
    if not buys:
        return []
    costs = (extra_cost_of(line, policy, facts.quotes.get(line.symbol)) for line in buys)
    left = plan.cash_worst - facts.extra_cost - sum(costs, _ZERO)
    said = (
        f"at worst the orders leave {money(left)} {plan.currency} in cash, below the reserve "
        f"{money(plan.reserve)} of {plan.account_id}"
    )
    return [Measure(left, plan.reserve, left >= plan.reserve, said)]


def answered(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """The gateway would take the orders, as far as it was asked."""
    del account
    if not policy.what_if:
        return []
    found = []
    for line in lines_of(plan):
        why = facts.refused.get(line.symbol, "")
        said = f"asked what {line.trade:+d} {line.symbol} would do, the gateway refuses: {why}"
        found.append(Measure(why or "taken", "taken", not why, said, line.symbol))
    return found


def cushion(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """Enough equity stays free of margin, by the gateway's own what-if."""
    del account
    least, margin, net = policy.limits.min_margin_cushion, facts.margin, plan.net_liquidation
    if least is None or margin is None:
        return []
    left = margin.equity_with_loan - margin.initial_margin
    share = _percent(left, net)
    said = (
        f"the orders leave a margin cushion of {share:.2f}% ({money(left)} {plan.currency}), "
        f"below min_margin_cushion_percent {plainly(least * 100)} of {plan.account_id}"
    )
    return [Measure(share, least * 100, net > 0 and left >= least * net, said)]


# Details -----------------------------------------------------------------------------------


def money(value: Decimal) -> str:
    """An amount for people: ``61,200`` or ``61,200.50``."""
    return f"{value:,.2f}".removesuffix(".00")


def plainly(value: Decimal | str) -> str:
    """A figure for people and programs: at most two places, no trailing zeros."""
    if isinstance(value, str):
        return value
    return f"{value:.2f}".removesuffix("0").removesuffix(".0")


def lines_of(plan: Plan) -> list[PlanLine]:
    """The plan's orders."""
    return [line for line in plan.lines if line.trade]


def _values(plan: Plan, facts: Facts) -> list[tuple[PlanLine, Decimal]]:
    return [(line, value_of(line, facts.quotes.get(line.symbol))) for line in lines_of(plan)]


def _sent(plan: Plan, facts: Facts) -> Decimal:
    return facts.turnover + sum((value for _, value in _values(plan, facts)), _ZERO)


def _turnover(plan: Plan, total: Decimal, most: Decimal, above: str) -> Measure:
    amount = most * plan.net_liquidation
    said = (
        f"{money(total)} {plan.currency} bought and sold in {above} {plainly(most * 100)} of "
        f"{plan.account_id} ({money(amount)} {plan.currency})"
    )
    return Measure(_percent(total, plan.net_liquidation), most * 100, total <= amount, said)


def _percent(value: Decimal, net: Decimal) -> Decimal:
    return value / net * 100 if net > 0 else Decimal("Infinity")
