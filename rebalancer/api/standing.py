"""How an account stands: as configured, and as last seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rebalancer.queue.values import Halt
from rebalancer.settings import AccountSettings, Settings


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as configured, and as last seen."""

    account_id: str
    type: str
    enabled: bool
    traded: bool
    #: Why it is not traded; '' if it is.
    why_not: str
    strategy: str
    #: ``held``, ``halted`` or ''.
    stopped: str
    #: Why its orders are stopped.
    reason: str
    #: Of the latest picture: Unix seconds, and what it showed as text; ``None`` without one.
    seen_at: float | None
    currency: str | None
    net_liquidation: str | None
    drift: str | None


def standing(
    account: AccountSettings,
    settings: Settings,
    halts: Mapping[str, Halt],
    picture: Mapping[str, Any] | None,
) -> Standing:
    """Put together how an account stands; ``picture`` is its latest snapshot."""
    account_id = account.account_id
    why_not = settings.why_not_traded(account_id)
    scopes = (f"hold:{account_id}", f"account:{account_id}", "all")
    stops = {scope: halts[scope] for scope in scopes if scope in halts}
    first = next(iter(stops.values()), None)
    held = f"hold:{account_id}" in stops
    seen: Mapping[str, Any] = picture or {}
    return Standing(
        account_id=account_id,
        type=account.type,
        enabled=account.enabled,
        traded=not why_not,
        why_not=why_not,
        strategy=account.strategy_name,
        stopped="held" if held else "halted" if stops else "",
        reason=first.reason if first else "",
        seen_at=seen.get("saved_at"),
        currency=seen.get("currency"),
        net_liquidation=seen.get("net_liquidation"),
        drift=(seen.get("plan") or {}).get("drift_before"),
    )
