"""What is remembered of settled orders, because the taxes of later ones hang on it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rebalancer.core.order import Action, Intent, OrderReport
from rebalancer.core.pairs import is_pair

_DAY = 86_400.0
#: 30 days after the day of the sale, whatever its hour: the 31st is free.
WASH_SECONDS = 31 * _DAY
#: More than a year, a leap one included, and the day of the purchase does not count.
SHORT_TERM_SECONDS = 367 * _DAY
#: Nobody asks about what is older.
MEMORY_SECONDS = 400 * _DAY

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Trade:
    """A settled order of ours that later plans have to know of: a buy, or a sale at a loss."""

    order_ref: str
    account_id: str
    symbol: str
    con_id: int
    action: Action
    #: When the last of it was filled; Unix seconds.
    at: float
    quantity: Decimal
    #: Of a sale: what was lost against the average cost, in the instrument's currency;
    #: ``None`` when the cost is not known, which counts as a loss.
    lost: Decimal | None = None


def trade_of(intent: Intent, report: OrderReport, now: float) -> Trade | None:
    """What to remember of an order whose fate is known; ``None`` if it bars nothing later."""
    order = intent.order
    if report.filled <= 0 or is_pair(order.symbol):
        return None
    lost: Decimal | None = None
    if order.action == "SELL" and intent.avg_cost:
        lost = _lost(intent.avg_cost, report)
        if not lost:
            return None
    return Trade(
        order_ref=order.order_ref,
        account_id=order.account_id,
        symbol=order.symbol,
        con_id=order.con_id,
        action=order.action,
        at=max((fill.at for fill in report.fills), default=now),
        quantity=report.filled,
        lost=lost,
    )


def _lost(cost: Decimal, report: OrderReport) -> Decimal:
    """What the fills below cost lost; a gain on others makes nothing good."""
    if not report.fills:
        return max(cost - report.avg_price, _ZERO) * report.filled
    losses = (
        (cost - fill.price) * fill.quantity + (fill.commission or _ZERO)
        for fill in report.fills
    )
    return sum((max(loss, _ZERO) for loss in losses), _ZERO)
