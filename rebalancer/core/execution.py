"""How orders are worked: which styles there are, and what limit an order has when.

=========  =========================  ==================================================
style      at the exchange            unfilled at the deadline
=========  =========================  ==================================================
LMT        limit, marketable          moved towards the edge of the collar, then cancelled
MKT        market                     cancelled
ADAPTIVE   limit with IBKR's          cancelled; the algorithm works the price itself,
           Adaptive algorithm         up to the limit at the edge of the collar
MOC        market at the close        sent shortly before the close, ends with it
LOC        limit at the close         the same; the limit is the edge of the collar
=========  =========================  ==================================================

The collar is the allowance around the reference price that buys are sized for. No order is
ever priced beyond it, so that however it is worked, the reserve holds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from rebalancer.core.account import Quote
from rebalancer.core.policy import OrderType

#: Styles with a limit, those that trade in the closing auction, and those that are moved.
LIMITED: frozenset[OrderType] = frozenset({"LMT", "ADAPTIVE", "LOC"})
AT_CLOSE: frozenset[OrderType] = frozenset({"MOC", "LOC"})
REPRICED: frozenset[OrderType] = frozenset({"LMT"})


class Priced(Protocol):
    """What is asked of a plan's line."""

    @property
    def trade(self) -> int:
        """Signed shares."""

    @property
    def price(self) -> Decimal:
        """The reference price."""

    @property
    def tick(self) -> Decimal:
        """The price step."""

    @property
    def order_type(self) -> OrderType:
        """The style."""

    @property
    def limit_price(self) -> Decimal | None:
        """The edge of the collar."""


def limit_at(line: Priced, quote: Quote | None, step: int, steps: int) -> Decimal | None:
    """Return the limit of a line's order at ``step`` of 0 to ``steps``; ``None`` has none.

    The collar is walked in equal parts, and the last ends at its edge. What would not reach
    the other side's price begins there, if the collar allows it: the order is marketable.
    """
    edge = line.limit_price
    if edge is None or line.order_type not in REPRICED or step >= steps:
        return edge
    part = line.price + (edge - line.price) * (step + 1) / (steps + 1)
    if line.trade > 0:
        if quote is not None and quote.ask is not None:
            part = max(part, quote.ask)
        return min(edge, -(-part // line.tick) * line.tick)
    if quote is not None and quote.bid is not None:
        part = min(part, quote.bid)
    return max(edge, part // line.tick * line.tick)
