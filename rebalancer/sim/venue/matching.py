"""At what price an order may trade now: pure arithmetic on one order and one quote."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from rebalancer.sim.venue.book import LiveOrder
from rebalancer.sim.vocabulary import OrderSpec

#: Order types that carry a limit; the others take any price.
LIMITED = frozenset({"LMT", "LOC", "STP LMT"})
STOPS = frozenset({"STP", "STP LMT", "TRAIL"})
AT_CLOSE = frozenset({"MOC", "LOC"})


def trade_price(order: LiveOrder, bid: Decimal, ask: Decimal, tick: Decimal) -> Decimal | None:
    """The price of a fill in continuous trading; ``None`` if there is no counterpart.

    An arriving order takes the other side's price, which may be better than its limit. One
    that has been resting is met at its limit.
    """
    touch = ask if order.buys else bid
    limit = order.spec.limit_price if order.spec.order_type in LIMITED else None
    if order.spec.algo_strategy == "Adaptive":
        touch = _inside(order, bid, ask, tick)
    if limit is None:
        return touch
    if (touch > limit) if order.buys else (touch < limit):
        return None
    return limit if order.resting else touch


def auction_price(order: LiveOrder, price: Decimal) -> Decimal | None:
    """The price of a fill in an auction at ``price``; ``None`` outside the limit."""
    limit = order.spec.limit_price
    if order.spec.order_type not in LIMITED or limit is None:
        return price
    met = price <= limit if order.buys else price >= limit
    return price if met else None


def too_aggressive(order: OrderSpec, bid: Decimal, ask: Decimal, band: Decimal) -> bool:
    """The limit lies further through the market than the price band lets an order go."""
    limit = order.limit_price
    if order.order_type != "LMT" or limit is None:
        return False
    if order.action == "BUY":
        return limit > ask * (1 + band)
    return limit < bid * (1 - band)


def trail_distance(order: OrderSpec, price: Decimal) -> Decimal:
    """How far a TRAIL order's stop stays behind ``price``; ``fields`` hold its percentage.

    Zero if neither percentage nor amount is a sensible number.
    """
    percent = dict(order.fields).get("trailingPercent", "")
    try:
        distance = price * Decimal(percent) / 100 if percent else order.aux_price
    except ArithmeticError:
        return Decimal(0)
    if distance is None or not distance.is_finite() or not 0 < distance <= price:
        return Decimal(0)
    return distance


def first_stop(order: OrderSpec, last: Decimal) -> Decimal | None:
    """Where a stop order triggers when it arrives; ``None`` for other orders."""
    if order.order_type not in STOPS:
        return None
    if order.order_type == "TRAIL":
        distance = trail_distance(order, last)
        return last + distance if order.action == "BUY" else last - distance
    return order.aux_price


def trailed_stop(order: OrderSpec, stop: Decimal, last: Decimal) -> Decimal:
    """The stop after the price moved: a TRAIL order's follows, never backwards."""
    if order.order_type != "TRAIL":
        return stop
    distance = trail_distance(order, last)
    if order.action == "BUY":
        return min(stop, last + distance)
    return max(stop, last - distance)


def triggers(order: OrderSpec, stop: Decimal, last: Decimal) -> bool:
    """The last price has reached the stop."""
    return last >= stop if order.action == "BUY" else last <= stop


def _inside(order: LiveOrder, bid: Decimal, ask: Decimal, tick: Decimal) -> Decimal:
    """Where an Adaptive order trades: half the spread better, rounded against it."""
    rounding = ROUND_CEILING if order.buys else ROUND_FLOOR
    return ((bid + ask) / 2 / tick).to_integral_value(rounding) * tick
