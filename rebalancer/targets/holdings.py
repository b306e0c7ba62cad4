"""Which positions a replacement set replaces."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from rebalancer.core import replacing
from rebalancer.core.account import Account
from rebalancer.core.policy import Policy
from rebalancer.core.target import Substitute, Target
from rebalancer.settings import symbols


def counted(
    account: Account, target: Target, policy: Policy, aside: Decimal = Decimal(0)
) -> tuple[Target, Policy]:
    """Count held sources of the target's replacement set towards what replaces them.

    ``aside`` is cash that no target applies to.

    Raises:
        StaleDataError, UnknownInstrumentError, PermanentError: as ``core.replacing.counted``.
    """
    if not target.replacements:
        return target, policy
    return replacing.counted(account, target, policy, sources(account, target), aside)


def sources(account: Account, target: Target) -> Mapping[str, Substitute]:
    """Held stocks that the set replaces, by the target's symbol they count towards."""
    found: dict[str, Substitute] = {}
    named, targeted = symbols.Names(target.replacements), symbols.Names(target.weights)
    for position in account.positions:
        source = named.find(f"conid:{position.con_id}") or named.find(position.symbol)
        if source is None or position.sec_type != "STK":
            continue
        one = target.replacements[source]
        held = targeted.find(one.symbol)
        if held is not None:
            found[position.symbol] = Substitute(held, one.scale)
    return found
