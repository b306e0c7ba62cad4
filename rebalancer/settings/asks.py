"""What a schedule's signals ask a rebalance to do, and under which conditions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from rebalancer.settings.kinds import key, percent


@dataclass(frozen=True, slots=True)
class WhenKeys:
    """Thresholds; any that is exceeded makes the rebalance due."""

    drift_exceeds_percent: Decimal | None = key(
        percent(), default=None, about="A symbol's weight is further than this from its target."
    )
    drift_exceeds_relative_percent: Decimal | None = key(
        percent("1000"), default=None, about="The same as a share of its target weight."
    )
    uninvested_cash_exceeds_percent: Decimal | None = key(
        percent(),
        default=None,
        about="More cash than this is beyond what reserve and targets leave in cash.",
    )


def data_of(
    mode: str | None, raise_cash: Decimal | None, when: WhenKeys | None
) -> dict[str, Any]:
    """The data of a signal; amounts and percentages are text."""
    data: dict[str, Any] = {}
    if mode is not None:
        data["mode"] = mode
    if raise_cash is not None:
        data["raise_cash"] = f"{raise_cash:f}"
    if when is not None:
        limits = {f.name: getattr(when, f.name) for f in fields(WhenKeys)}
        data["when"] = {n: f"{limit:f}" for n, limit in limits.items() if limit is not None}
    return data
