"""Whether an order is let in: IBKR's checks, their codes and their texts.

Codes and texts are those of the public message code list
(https://interactivebrokers.github.io/tws-api/message_codes.html) and of gateway logs that
users published; where only a code is public the text is worded like its neighbours.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from rebalancer.sim.venue.matching import AT_CLOSE, LIMITED, STOPS, trail_distance
from rebalancer.sim.venue.tif import TIFS, parse_time
from rebalancer.sim.vocabulary import OrderSpec
from rebalancer.sim.world import AccountSpec, Listing

Refusal = tuple[int, str]

ORDER_TYPES = frozenset({"MKT", "LMT", "MOC", "LOC", *STOPS})
#: Types IBKR knows and this exchange does not offer.
OTHER_TYPES = frozenset(
    {
        "LIT", "MIT", "MTL", "BOX TOP", "MIDPRICE", "MKT PRT", "PASSV REL", "PEG BENCH",
        "PEG BEST", "PEG MID", "PEG MKT", "PEG PRIM", "PEG STK", "QUOTE", "REL", "REL + LMT",
        "REL + MKT", "SNAP MID", "SNAP MKT", "SNAP PRIM", "STP PRT", "TRAIL LIMIT",
        "TRAIL LIT", "TRAIL MIT", "VOL", "VWAP",
    }
)  # fmt: skip
ALGOS = frozenset({"", "Adaptive"})
READ_ONLY = "The API interface is currently in Read-Only mode."
_FRACTIONAL = (
    "Fractional-sized order cannot be placed via API. Please use desktop version to place this "
    "order."
)
_OFF_TICK = "The price does not conform to the minimum price variation for this contract."
#: More shares, or a higher price, is no order but a mistake; sums stay exact below it.
LARGEST = Decimal(10) ** 9
#: IBKR lends to accounts of at least this equity, in US dollars.
MARGIN_MINIMUM = Decimal(2000)


def invalid(cause: str) -> Refusal:
    """Error 321 as the gateway words it."""
    return 321, f"Error validating request.-'bF' : cause - {cause}"


def unresolved(found: int, symbol: str) -> Refusal | None:
    """Error 200 unless exactly one contract was ``found``."""
    if found == 1:
        return None
    if not found:
        return 200, "No security definition has been found for the request"
    return 200, f"The contract description specified for {symbol} is ambiguous."


def account_refusal(name: str, accounts: Collection[str]) -> Refusal | None:
    """Error 321 for an account that is missing or not the user's."""
    if not name and len(accounts) > 1:
        return invalid("You must specify an account.")
    if name not in accounts:
        return invalid(f"Invalid account code '{name}'.")
    return None


def request_refusal(order: OrderSpec, listing: Listing, zone: str) -> Refusal | None:
    """What is wrong with the order as such, before money is looked at."""
    return (
        _type_refusal(order)
        or _time_refusal(order, zone)
        or _size_refusal(order)
        or _price_refusal(order, listing)
    )


def _type_refusal(order: OrderSpec) -> Refusal | None:
    if order.action not in {"BUY", "SELL"}:
        return invalid(f"Invalid order action '{order.action}'")
    if order.order_type in OTHER_TYPES:
        return 387, "Unsupported order type for this exchange and security type."
    if order.order_type not in ORDER_TYPES:
        return invalid("Invalid order type was entered")
    if order.algo_strategy not in ALGOS:
        return 439, "Order processing failed. Algorithm definition not found"
    if order.algo_strategy and order.order_type not in {"MKT", "LMT"}:
        return 387, "Unsupported order type for this exchange and security type."
    return None


def _time_refusal(order: OrderSpec, zone: str) -> Refusal | None:
    if order.tif not in TIFS:
        return 10052, f"Invalid time in force:{order.tif or 'Empty'}"
    if order.order_type in AT_CLOSE and order.tif != "DAY":
        return 113, "The Tif option should be set to DAY for MOC and LOC orders."
    if order.tif == "OPG" and (order.order_type in STOPS or order.algo_strategy):
        return 111, "The TIF (Tif type) and the order type are incompatible."
    if order.tif == "GTD" and not order.good_till:
        return invalid("Missing good till date")
    try:
        parse_time(order.good_after, zone)
        parse_time(order.good_till, zone)
    except ValueError as error:
        return invalid(f"Invalid date: {error}")
    return None


def _size_refusal(order: OrderSpec) -> Refusal | None:
    if not order.quantity.is_finite() or not 0 <= order.quantity <= LARGEST:
        return invalid("Order size is not a positive number of sensible size")
    if not order.quantity:
        return 434, "The order size cannot be zero."
    if order.quantity != order.quantity.to_integral_value():
        return 10243, _FRACTIONAL
    return None


def _price_refusal(order: OrderSpec, listing: Listing) -> Refusal | None:
    prices = []
    if order.order_type in LIMITED:
        prices.append(order.limit_price)
    if order.order_type in {"STP", "STP LMT"}:
        prices.append(order.aux_price)
    if order.order_type == "TRAIL" and not trail_distance(order, listing.price):
        return invalid("Trailing amount or percentage is missing")
    for price in prices:
        if not is_price(price):
            return invalid("Order price is missing or not a positive number of sensible size")
        if price is not None and price % listing.step_at(price):
            return 110, _OFF_TICK
    return None


def is_price(price: Decimal | None) -> bool:
    """A positive number that arithmetic can bear."""
    return price is not None and price.is_finite() and 0 < price <= LARGEST


def short_refusal(account: AccountSpec) -> Refusal | None:
    """Why an order that sells what is not held is rejected, if it is."""
    if account.kind == "cash":
        return rejected("SHORT STOCK POSITIONS CAN ONLY BE HELD IN A MARGIN ACCOUNT.")
    if not account.short_selling:
        return rejected("The account is not permitted to sell short.")
    return None


def cash_refusal(available: Decimal, needed: Decimal) -> Refusal | None:
    """A cash account pays for everything itself; money is base currency."""
    if needed <= available:
        return None
    return rejected(
        f"CASH AVAILABLE: {available:.2f}; CASH NEEDED FOR THIS ORDER AND OTHER PENDING "
        f"ORDERS: {needed:.2f}"
    )


def margin_refusal(equity: Decimal, margin: Decimal, currency: str) -> Refusal | None:
    """Equity with loan value must cover the initial margin after the order."""
    if margin <= equity:
        return None
    return rejected(
        "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH "
        f"LOAN VALUE [{equity:.2f} {currency}] MUST EXCEED THE INITIAL MARGIN "
        f"[{margin:.2f} {currency}]"
    )


def minimum_refusal(equity_usd: Decimal, cash_after: Decimal) -> Refusal | None:
    """Small accounts may not borrow."""
    if equity_usd >= MARGIN_MINIMUM or cash_after >= 0:
        return None
    return rejected(
        "YOUR ORDER IS NOT ACCEPTED. MINIMUM OF 2000 USD (OR EQUIVALENT IN OTHER CURRENCIES) "
        "REQUIRED IN ORDER TO PURCHASE ON MARGIN, SELL SHORT, TRADE CURRENCY OR FUTURE"
    )


def rejected(reason: str) -> Refusal:
    """Error 201 as the gateway words it."""
    return 201, f"Order rejected - reason:{reason}"
