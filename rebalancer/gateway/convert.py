"""ib_async's floats, strings and unset markers become core values here, and nowhere else.

A value that is missing, NaN, infinite or IBKR's "unset" becomes ``None``: never a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from ib_async import Contract, ContractDetails, Execution, PriceIncrement, TagValue
from ib_async import Order as IbOrder

from rebalancer.core.account import Instrument, PriceKind
from rebalancer.core.execution import LIMITED
from rebalancer.core.order import Action, Order

#: IBKR writes the largest double for "no value"; anything near it is no money either.
_ABSURD = Decimal("1e15")

#: (from this price on, step), ascending.
Steps = tuple[tuple[Decimal, Decimal], ...]

#: Market data types as the gateway numbers them.
PRICE_KINDS: dict[int, PriceKind] = {1: "live", 2: "frozen", 3: "delayed", 4: "delayed-frozen"}

_SIDES: dict[str, Action] = {
    "BUY": "BUY",
    "BOT": "BUY",
    "SELL": "SELL",
    "SLD": "SELL",
    "SSHORT": "SELL",
}


def number(value: float | str | Decimal | None) -> Decimal | None:
    """A finite number, or ``None`` for everything the gateway writes instead of one."""
    if value is None:
        return None
    try:
        # str() first: the shortest text that reads back as this float is what was sent.
        result = Decimal(str(value))
    except InvalidOperation:
        return None
    if not result.is_finite() or abs(result) >= _ABSURD:
        return None
    return result


def quantity(value: float | str | Decimal | None) -> Decimal:
    """Shares, without a trailing ``.0``.

    Raises:
        ValueError: the gateway sent no number.
    """
    result = number(value)
    if result is None:
        raise ValueError(f"no quantity: {value!r}")
    whole = result.to_integral_value()
    return whole if whole == result else result.normalize()


def price(value: float | Decimal | None) -> Decimal | None:
    """A positive finite price, or ``None``: NaN, -1 and 0 all say that there is none."""
    result = number(value)
    return result if result is not None and result > 0 else None


def in_currency(value: Decimal, magnifier: int) -> Decimal:
    """A price as the market data tells it, in the currency: 946.25 pence are 9.4625 pounds."""
    return value if magnifier == 1 else value / magnifier


def as_quoted(value: Decimal, magnifier: int) -> Decimal:
    """A price in the currency, as orders carry it: 9.4625 pounds are 946.25 pence."""
    return value if magnifier == 1 else value * magnifier


def paid(value: Decimal, magnifier: int, near: Decimal | None) -> Decimal:
    """The price of a fill, or an average cost, in the currency.

    IBKR documents that these are in the currency where prices are in a fraction of it, but
    users have seen both. ``near`` is a price in the currency that it cannot be far from: of the
    two readings the nearer one is meant. Without it the documentation is believed.
    """
    if magnifier == 1 or near is None or value <= 0 or near <= 0:
        return value
    small = value / magnifier
    # Nearer by ratio: the two readings lie symmetrically around their geometric middle.
    return small if value * small > near * near else value


def instrument(symbol: str, details: ContractDetails) -> Instrument:
    """A contract as the gateway describes it, under the operator's spelling.

    Raises:
        ValueError: the details lack a contract id or a tick.
    """
    contract = details.contract
    tick = price(details.minTick)
    if contract is None or contract.conId <= 0 or tick is None:
        raise ValueError(f"{symbol}: incomplete contract details")
    return Instrument(
        symbol=symbol,
        con_id=contract.conId,
        local_symbol=contract.symbol,
        sec_type=contract.secType,
        currency=contract.currency,
        exchange=contract.exchange,
        primary_exchange=contract.primaryExchange,
        min_tick=tick,
        time_zone=details.timeZoneId,
        trading_hours=details.tradingHours,
        liquid_hours=details.liquidHours,
        magnifier=max(details.priceMagnifier, 1),
    )


def market_rule(details: ContractDetails, exchange: str) -> int | None:
    """The id of the rule that names the price steps on an exchange, if there is one."""
    rules = zip(
        details.validExchanges.split(","), details.marketRuleIds.split(","), strict=False
    )
    rule = dict(rules).get(exchange, "")
    return int(rule) if rule.isdigit() else None


def price_steps(increments: Sequence[PriceIncrement]) -> Steps:
    """Price steps as (from this price on, step), ascending."""
    read = ((number(i.lowEdge), price(i.increment)) for i in increments)
    return tuple(
        sorted((low, step) for low, step in read if low is not None and step is not None)
    )


def ib_contract(instrument: Instrument) -> Contract:
    """The contract to send: the id decides, the rest is what IBKR wants beside it."""
    return Contract(
        conId=instrument.con_id,
        symbol=instrument.local_symbol,
        secType=instrument.sec_type,
        exchange=instrument.exchange,
        currency=instrument.currency,
    )


def ib_order(order: Order, magnifier: int = 1) -> IbOrder:
    """The order to send. Account, tif and orderRef are always set.

    ``magnifier`` is the instrument's.

    Raises:
        ValueError: the order lacks one of them, its size is not positive, or its limit price
            does not fit its type.
    """
    if not (order.account_id and order.tif and order.order_ref) or order.quantity <= 0:
        raise ValueError(f"incomplete order: {order}")
    if (order.order_type in LIMITED) != (order.limit_price is not None):
        raise ValueError(f"limit price does not fit the order type: {order}")
    if order.limit_price is not None and price(order.limit_price) is None:
        raise ValueError(f"limit price is no price: {order}")
    result = IbOrder(
        action=order.action,
        totalQuantity=order.quantity,
        orderType="LMT" if order.order_type == "ADAPTIVE" else order.order_type,
        tif=order.tif,
        account=order.account_id,
        orderRef=order.order_ref,
        outsideRth=order.outside_rth,
        transmit=True,
    )
    if order.order_type == "ADAPTIVE":
        result.algoStrategy = "Adaptive"
        result.algoParams = [TagValue("adaptivePriority", order.urgency.capitalize())]
    if order.limit_price is not None:
        # Plain digits: ib_async sends str(), and 4.5E+2 is no price to the gateway.
        result.lmtPrice = Decimal(format(as_quoted(order.limit_price, magnifier), "f"))
    return result


def action(value: str) -> Action:
    """``BUY`` or ``SELL`` of an order's action or an execution's side.

    Raises:
        ValueError: neither.
    """
    side = _SIDES.get(value)
    if side is None:
        raise ValueError(f"neither buy nor sell: {value!r}")
    return side


def executed_at(execution: Execution) -> float:
    """When it traded, in Unix seconds; the gateway tells whole seconds."""
    return execution.time.timestamp()


def exec_id(value: str) -> tuple[str, int]:
    """An execId as (what is corrected, revision): the highest revision of one is valid."""
    stem, _, revision = value.rpartition(".")
    return (stem, int(revision)) if stem and revision.isdigit() else (value, 0)
