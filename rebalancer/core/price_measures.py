"""What the safety rails measure of prices; like ``measures.py``, of which this is a part."""

from __future__ import annotations

from decimal import Decimal

from rebalancer.core.account import Account, Quote
from rebalancer.core.measures import Facts, Measure, lines_of, plainly
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.core.policy import Policy


def price_known(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """There still is a price."""
    del account, policy
    found = []
    for line in lines_of(plan):
        why = facts.unpriced.get(line.symbol, "")
        if not why and line.symbol not in facts.quotes:
            why = "none was seen"
        said = f"there is no price of {line.symbol} any more: {why}"
        found.append(Measure(why or "known", "known", not why, said, line.symbol))
    return found


def price_kind(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """It is live, or delayed where the account allows that."""
    del account
    kinds = {"live", "delayed", "delayed-frozen"} if policy.allow_delayed_prices else {"live"}
    limit = "live or delayed" if policy.allow_delayed_prices else "live"
    found = []
    for line, quote in _quoted(plan, facts):
        said = f"the price of {line.symbol} is {quote.kind}, {plan.account_id} wants it {limit}"
        found.append(Measure(quote.kind, limit, quote.kind in kinds, said, line.symbol))
    return found


def price_age(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """It has moved, or been confirmed, lately."""
    del account
    most = policy.limits.max_price_age_seconds
    if most is None:
        return []
    found = []
    for line, quote in _quoted(plan, facts):
        # A clock that was set back makes the age as uncertain as a long silence.
        age = abs(facts.now - quote.at)
        ok = age <= most
        said = ""
        if not ok:
            said = (
                f"the price of {line.symbol} is {age:.1f} s old, above max_price_age_seconds "
                f"{most:g} of {plan.account_id}"
            )
        found.append(Measure(Decimal(age), Decimal(most), ok, said, line.symbol))
    return found


def price_deviation(
    plan: Plan, account: Account, policy: Policy, facts: Facts
) -> list[Measure]:
    """Market and limit are where the plan believed the price to be."""
    del account
    most = policy.limits.max_price_deviation
    if most is None:
        return []
    found = []
    for line, quote in _quoted(plan, facts):
        for what, price in (("price", quote.price), ("limit", line.limit_price)):
            if price is None:
                continue
            off = abs(price / line.price - 1)
            said = ""
            if off > most:
                said = (
                    f"the {what} of {line.symbol}, {price:f}, is {off * 100:.2f}% off the "
                    f"plan's {line.price:f}, above max_price_deviation_percent "
                    f"{plainly(most * 100)} of {plan.account_id}"
                )
            found.append(Measure(off * 100, most * 100, off <= most, said, line.symbol))
    return found


def close_deviation(
    plan: Plan, account: Account, policy: Policy, facts: Facts
) -> list[Measure]:
    """No price has moved so far since yesterday that it may be a bad tick or a split."""
    most = policy.limits.max_close_deviation
    if most is None:
        return []
    found = []
    for line, quote in _quoted(plan, facts):
        planned = account.quotes.get(line.symbol)
        close = quote.close or (planned.close if planned else None)
        if close is None:
            said = f"yesterday's close of {line.symbol} is not known"
            found.append(Measure("unknown", most * 100, False, said, line.symbol))
            continue
        off = abs(quote.price / close - 1)
        said = ""
        if off > most:
            said = (
                f"the price of {line.symbol}, {quote.price:f}, is {off * 100:.2f}% off "
                f"yesterday's close {close:f}, above max_close_deviation_percent "
                f"{plainly(most * 100)} of {plan.account_id}"
            )
        found.append(Measure(off * 100, most * 100, off <= most, said, line.symbol))
    return found


def _quoted(plan: Plan, facts: Facts) -> list[tuple[PlanLine, Quote]]:
    """Lines with their latest quotes; what has none is for ``price_known`` to refuse."""
    quotes = facts.quotes
    return [(line, quotes[line.symbol]) for line in lines_of(plan) if line.symbol in quotes]
