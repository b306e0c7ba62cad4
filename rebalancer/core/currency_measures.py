"""What the safety rails measure of currencies; like ``measures.py``, whose part this is."""

from __future__ import annotations

from decimal import Decimal

from rebalancer.core import forex
from rebalancer.core.account import Account
from rebalancer.core.measures import Facts, Measure, Then, lines_of, money
from rebalancer.core.plan import Plan
from rebalancer.core.policy import Policy

_ZERO = Decimal(0)


def currency(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """What is bought is paid in its currency, unless the account may borrow or convert."""
    if policy.fx != "refuse":
        return []
    found = []
    for name, amount in forex.short(plan, account).items():
        said = (
            f"at worst the buys of {plan.account_id} take {money(amount)} {name} more than "
            f"there is, and fx is refuse"
        )
        # Sells that brought less than they were to bring may bring more at another try.
        then: Then = "retry" if facts.orders else "bury"
        found.append(Measure(amount, _ZERO, False, said, name, then))
    return found or [Measure(_ZERO, _ZERO, True, "")]


def conversion(plan: Plan, account: Account, policy: Policy, facts: Facts) -> list[Measure]:
    """No more is converted than is missing."""
    del account, policy
    found = []
    for line in lines_of(plan):
        (name, amount), most = forex.brings(line), forex.enough(line, facts.missing)
        said = (
            f"the conversion {line.symbol} brings {money(amount)} {name} and {money(most)} are "
            f"enough for {plan.account_id}"
        )
        found.append(Measure(amount, most, amount <= most, said, line.symbol))
    return found
