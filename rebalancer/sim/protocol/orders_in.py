"""placeOrder: over a hundred fields, of which an order of shares uses two dozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from rebalancer.sim.protocol.fields import Fields, UnsupportedError, decimal, integer, strike
from rebalancer.sim.protocol.layouts import (
    ECHOED_INTEGERS,
    ECHOED_PRICES,
    ECHOED_WORDS,
    PLACE_ORDER,
)
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec

_Seen = dict[str, str]


def _skip_delta_neutral_order(fields: Fields, seen: _Seen) -> None:
    if seen["deltaNeutralOrderType"]:
        fields.skip(8)


def _skip_scale(fields: Fields, seen: _Seen) -> None:
    if (decimal(seen["scalePriceIncrement"]) or 0) > 0:
        fields.skip(7)


def _skip_hedge(fields: Fields, seen: _Seen) -> None:
    if seen["hedgeType"]:
        fields.skip(1)


def _skip_delta_neutral_contract(fields: Fields, seen: _Seen) -> None:
    if integer(seen["deltaNeutral"]):
        fields.skip(3)


#: Where further fields may follow, and how to pass over them.
FOLLOWED: dict[str, Callable[[Fields, _Seen], None]] = {
    "deltaNeutralAuxPrice": _skip_delta_neutral_order,
    "scalePriceIncrement": _skip_scale,
    "hedgeType": _skip_hedge,
    "deltaNeutral": _skip_delta_neutral_contract,
}


def place_order(raw: list[str]) -> tuple[int, ContractSpec, OrderSpec]:
    """A placeOrder as order id, contract and order.

    Raises BadFieldError, and UnsupportedError for combinations, conditions and pegs, whose
    further fields are not simulated.
    """
    fields = Fields(raw, skip=1)
    seen: _Seen = {}
    algo: tuple[tuple[str, str], ...] = ()
    for name in PLACE_ORDER:
        value = seen[name] = fields.text()
        if name == "secType" and value == "BAG":
            raise UnsupportedError("combination orders")
        if name == "orderType" and value.replace(" ", "").startswith("PEG"):
            raise UnsupportedError(f"{value} orders")
        if name == "algoStrategy" and value:
            count = fields.integer()
            algo = tuple((fields.text(), fields.text()) for _ in range(count))
        if name in FOLLOWED:
            FOLLOWED[name](fields, seen)
    if integer(seen["nConditions"]):
        raise UnsupportedError("order conditions")
    return integer(seen["orderId"]), _order_contract(seen), _order(seen, algo)


def _order_contract(seen: _Seen) -> ContractSpec:
    return ContractSpec(
        con_id=integer(seen["conId"]),
        symbol=seen["symbol"],
        sec_type=seen["secType"],
        exchange=seen["exchange"],
        primary_exchange=seen["primaryExchange"],
        currency=seen["currency"],
        local_symbol=seen["localSymbol"],
        trading_class=seen["tradingClass"],
        expiry=seen["expiry"],
        strike=strike(seen["strike"]),
        right=seen["right"].replace("?", ""),
        multiplier=seen["multiplier"],
    )


def _order(seen: _Seen, algo: tuple[tuple[str, str], ...]) -> OrderSpec:
    return OrderSpec(
        action=seen["action"],
        quantity=decimal(seen["totalQuantity"]) or Decimal(0),
        order_type=seen["orderType"],
        limit_price=decimal(seen["lmtPrice"]),
        aux_price=decimal(seen["auxPrice"]),
        tif=seen["tif"],
        account=seen["account"],
        order_ref=seen["orderRef"],
        transmit=integer(seen["transmit"]) != 0,
        outside_rth=integer(seen["outsideRth"]) != 0,
        what_if=integer(seen["whatIf"]) != 0,
        algo_strategy=seen["algoStrategy"],
        algo_params=algo,
        parent_id=integer(seen["parentId"]),
        oca_group=seen["ocaGroup"],
        good_after=seen["goodAfterTime"],
        good_till=seen["goodTillDate"],
        all_or_none=integer(seen["allOrNone"]) != 0,
        fields=tuple(_echoed(seen)),
    )


def _echoed(seen: _Seen) -> Iterator[tuple[str, str]]:
    for name in ECHOED_WORDS:
        if seen[name]:
            yield name, seen[name]
    for name in ECHOED_PRICES:
        if price := decimal(seen[name]):
            yield name, format(price, "f")
    for name in ECHOED_INTEGERS:
        if number := integer(seen[name]):
            yield name, str(number)
