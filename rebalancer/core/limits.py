"""What an account's orders must stay within: the figures that the rails hold them against.

``None`` is no limit. Fractions are of 1; money is account currency. docs/reference/rails.md
says why each default is what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """One account's limits. They refuse; what merely shapes a plan is in ``Policy``."""

    #: Most that one order may be worth: as an amount, and as a share of NetLiquidation.
    max_order_value: Decimal | None = None
    max_order: Decimal | None = Decimal(1)
    #: Most orders of one run.
    max_orders: int | None = 100
    #: Most that may be bought and sold together, of NetLiquidation.
    turnover_limit_per_run: Decimal | None = Decimal(2)
    turnover_limit_per_day: Decimal | None = Decimal(3)
    #: Whose midnight begins a trading day.
    turnover_day_time_zone: str = "America/New_York"
    #: How far a price may lie from the plan's reference price, and from yesterday's close.
    max_price_deviation: Decimal | None = Decimal("0.03")
    max_close_deviation: Decimal | None = Decimal("0.2")
    #: Seconds since the last tick.
    max_price_age_seconds: float | None = 120.0
    #: NetLiquidation below which nothing is traded.
    min_equity: Decimal | None = None
    #: Symbols that may be traded; ``None`` is those of the target and those held.
    allowed_symbols: tuple[str, ...] | None = None
    #: Least (equity with loan value - initial margin) after the orders, of NetLiquidation.
    min_margin_cushion: Decimal | None = Decimal(0)
