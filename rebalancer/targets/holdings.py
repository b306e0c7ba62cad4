"""Which positions a replacement set replaces."""

from __future__ import annotations

from collections.abc import Mapping

from rebalancer.core import replacing
from rebalancer.core.account import Account, Position
from rebalancer.core.policy import Policy
from rebalancer.core.target import Substitute, Target
from rebalancer.settings import symbols


def counted(account: Account, target: Target, policy: Policy) -> tuple[Target, Policy]:
    """Count held sources of the target's replacement set towards what replaces them.

    Raises:
        StaleDataError, UnknownInstrumentError, PermanentError: as ``core.replacing.counted``.
    """
    if not target.replacements:
        return target, policy
    return replacing.counted(account, target, policy, sources(account, target))


def sources(account: Account, target: Target) -> Mapping[str, Substitute]:
    """Held stocks that the set replaces, by the target's symbol they count towards."""
    found: dict[str, Substitute] = {}
    for position in account.positions:
        one = next((r for s, r in target.replacements.items() if _named(s, position)), None)
        if one is None or position.sec_type != "STK":
            continue
        held = next((s for s in target.weights if symbols.same(s, one.symbol)), None)
        if held is not None:
            found[position.symbol] = Substitute(held, one.scale)
    return found


def _named(source: str, position: Position) -> bool:
    return source == f"conid:{position.con_id}" or symbols.same(source, position.symbol)
