"""What a scenario's faults do to one order."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from rebalancer.sim.armed import Armed
from rebalancer.sim.venue.book import Quirks
from rebalancer.sim.vocabulary import OrderSpec

_CAPPED = "The price of your order is capped at {price} to keep it near the market."


def about_order(symbol: str, order: OrderSpec) -> dict[str, str]:
    """What a fault may filter an order by."""
    return {
        "symbol": symbol,
        "account": order.account,
        "action": order.action,
        "order_ref": order.order_ref,
    }


def order_quirks(armed: Armed, about: Mapping[str, str]) -> Quirks:
    """Let the faults that concern it at a new order."""
    quirks = Quirks()
    if (args := armed.strike("partial", "placeOrder", **about)) is not None:
        quirks.cap = Decimal(args["shares"])
        quirks.cancel_rest = args.get("then", "rest") == "cancel"
    if (args := armed.strike("late_fill", "placeOrder", **about)) is not None:
        quirks.fill_after = float(args["seconds"])
    if (args := armed.strike("late_commission", "placeOrder", **about)) is not None:
        quirks.commission_after = float(args["seconds"])
    if (args := armed.strike("correct_fill", "placeOrder", **about)) is not None:
        quirks.correct_to = Decimal(args["price"])
        quirks.correct_after = float(args["seconds"])
    if (args := armed.strike("price_cap", "placeOrder", **about)) is not None:
        quirks.cap_price = Decimal(args["price"])
        quirks.cap_text = args.get("text", _CAPPED.format(price=args["price"]))
    quirks.filled_first = armed.strike("filled_first", "placeOrder", **about) is not None
    quirks.double_report = armed.strike("double_report", "placeOrder", **about) is not None
    return quirks
