"""Orders, the intents written before them, and what became of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rebalancer.core.policy import OrderType, Urgency

Action = Literal["BUY", "SELL"]
#: ``working`` may still fill; every other status is final.
OrderStatus = Literal["working", "filled", "cancelled", "rejected"]

_OURS = "rb:"


def order_ref(event_id: str, pass_number: int, symbol: str) -> str:
    """The name an order keeps through crashes: same event, pass and symbol, same name.

    The event is named by a digest, because its id may be longer than a gateway keeps.
    """
    digest = hashlib.sha256(event_id.encode()).hexdigest()[:12]
    return f"{_OURS}{digest}:{pass_number}:{symbol}"


def is_ours(ref: str) -> bool:
    """Whether an ``orderRef`` has the form of ours, of this installation or of another."""
    return ref.startswith(_OURS)


def symbol_of(order_ref: str) -> str:
    """The operator's spelling of the symbol in one of our names; '' if it is not ours."""
    parts = order_ref.split(":", 3)
    return parts[3] if len(parts) == 4 and parts[0] == "rb" else ""


@dataclass(frozen=True, slots=True)
class Order:
    """A whole-share order, ready to be sent. Prices are in the instrument's currency."""

    order_ref: str
    account_id: str
    symbol: str
    con_id: int
    action: Action
    quantity: int
    order_type: OrderType
    #: Rounded to the contract's tick; ``None`` for MKT and MOC.
    limit_price: Decimal | None
    outside_rth: bool = False
    tif: str = "DAY"
    #: Of an ADAPTIVE order.
    urgency: Urgency = "normal"


@dataclass(frozen=True, slots=True)
class Intent:
    """An order as it was written down before it was sent."""

    order: Order
    event_id: str
    pass_number: int
    recorded_at: float
    #: The instrument's currency; '' in what an older version wrote.
    currency: str = ""
    #: What the account showed before: shares of the symbol, and cash in ``currency``. Of a
    #: pair of currencies the shares are the cash in its first currency.
    held_before: Decimal | None = None
    cash_before: Decimal | None = None
    #: Average cost of a share held, in ``currency``; ``None`` when it is not known.
    avg_cost: Decimal | None = None
    #: A sale that may end below that cost.
    may_lose: bool = False
    #: What it counts as towards the turnover of ``trading_day``: hundredths of the account's
    #: currency.
    turnover: int = 0
    trading_day: str = ""


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution, corrections applied. ``commission`` is ``None`` until reported."""

    exec_id: str
    order_ref: str
    account_id: str
    symbol: str
    con_id: int
    action: Action
    quantity: Decimal
    price: Decimal
    currency: str
    #: Unix seconds.
    at: float
    commission: Decimal | None = None
    #: What the commission is in; '' is ``currency``. Conversions are charged in the account's.
    commission_currency: str = ""


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What the gateway says of one of our orders, matched by ``order_ref``."""

    order_ref: str
    status: OrderStatus
    filled: Decimal
    remaining: Decimal
    avg_price: Decimal
    perm_id: int = 0
    #: The gateway's words for a reject, cancel or warning.
    reason: str = ""
    fills: tuple[Fill, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """A working order of the account, ours or anybody's."""

    account_id: str
    #: The target's spelling when known, else IBKR's symbol.
    symbol: str
    con_id: int
    action: Action
    quantity: Decimal
    remaining: Decimal
    order_type: str
    limit_price: Decimal | None
    perm_id: int
    order_id: int
    client_id: int
    order_ref: str
    status: str
