"""What sessions ask of the exchange, and what the exchange reports back.

Requests are method arguments of ``exchange.Exchange``; reports are returned by every method
that changes something, in the order a real gateway would send them. A session decides which
reports concern its client and encodes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """A contract as a client names it; empty fields match anything."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    expiry: str = ""
    strike: str = ""
    right: str = ""
    multiplier: str = ""


@dataclass(frozen=True, slots=True)
class OrderSpec:
    """An order as a client sends it. ``fields`` keeps what is only echoed back, by name."""

    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None
    aux_price: Decimal | None
    tif: str
    account: str
    order_ref: str = ""
    transmit: bool = True
    outside_rth: bool = False
    what_if: bool = False
    algo_strategy: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()
    parent_id: int = 0
    oca_group: str = ""
    good_after: str = ""
    good_till: str = ""
    all_or_none: bool = False
    fields: tuple[tuple[str, str], ...] = ()


Status = Literal[
    "PendingSubmit",
    "PreSubmitted",
    "Submitted",
    "PendingCancel",
    "Cancelled",
    "Filled",
    "Inactive",
]


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order at one moment, as open orders and statuses show it."""

    order_id: int
    client_id: int
    perm_id: int
    con_id: int
    order: OrderSpec
    status: Status
    filled: Decimal
    remaining: Decimal
    avg_price: Decimal
    last_price: Decimal
    why_held: str = ""
    warning: str = ""
    #: The price it is capped at; 0 for none.
    cap_price: Decimal = Decimal(0)
    #: Completed orders: when (``YYYYmmdd HH:MM:SS zone``) and the text of the final state.
    completed_time: str = ""
    completed_status: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill. ``order_id`` and ``client_id`` are those of the order's owner."""

    exec_id: str
    order_id: int
    client_id: int
    perm_id: int
    con_id: int
    account: str
    exchange: str
    side: Literal["BOT", "SLD"]
    shares: Decimal
    price: Decimal
    cum_quantity: Decimal
    avg_price: Decimal
    order_ref: str
    #: Unix seconds.
    at: float
    commission: Decimal
    commission_currency: str
    #: ``None`` for an opening trade (the wire then carries the unset double).
    realized_pnl: Decimal | None


@dataclass(frozen=True, slots=True)
class Margin:
    """Whole-account margin before an order, its change, and after (whatIf), base currency."""

    initial_before: Decimal
    initial_after: Decimal
    maintenance_before: Decimal
    maintenance_after: Decimal
    equity_before: Decimal
    equity_after: Decimal
    commission: Decimal
    currency: str
    warning: str = ""


# Reports ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """``openOrder`` is due for this order."""

    view: OrderView


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """``orderStatus`` is due for this order."""

    view: OrderView


@dataclass(frozen=True, slots=True)
class Executed:
    """``execDetails`` is due."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class Commissioned:
    """``commissionReport`` is due."""

    execution: Execution


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The answer to a whatIf order: an ``openOrder`` that carries margin and commission."""

    view: OrderView
    margin: Margin


@dataclass(frozen=True, slots=True)
class Refused:
    """``error`` for one order of one client; ``order_id`` -1 speaks of no order."""

    client_id: int
    order_id: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """The quote of a contract changed."""

    con_id: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Cash or positions of an account changed; ``con_ids`` are the positions that did."""

    account: str
    con_ids: tuple[int, ...] = ()


Report = Opened | StatusChanged | Executed | Commissioned | WhatIf | Refused | Ticked | Moved


# What queries answer ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContractView:
    """A listed contract with its details, as ``contractData`` sends them."""

    con_id: int
    symbol: str
    sec_type: str
    currency: str
    #: ``SMART`` is always valid besides; this is where it is listed.
    primary_exchange: str
    local_symbol: str
    trading_class: str
    market_name: str
    long_name: str
    min_tick: Decimal
    time_zone: str
    trading_hours: str
    liquid_hours: str
    valid_exchanges: str
    order_types: str
    expiry: str = ""
    strike: str = "0.0"
    right: str = ""
    multiplier: str = ""
    stock_type: str = "ETF"
    isin: str = ""
    #: Price steps as (from this price on, step); in the currency, as ``min_tick`` is.
    steps: tuple[tuple[Decimal, Decimal], ...] = ()
    #: Prices are told and taken in this fraction of the currency.
    magnifier: int = 1


@dataclass(frozen=True, slots=True)
class QuoteView:
    """Prices and sizes of one contract; ``None`` is a field never ticked."""

    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    close: Decimal | None
    bid_size: Decimal = Decimal(0)
    ask_size: Decimal = Decimal(0)
    last_size: Decimal = Decimal(0)
    volume: Decimal = Decimal(0)
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None


@dataclass(frozen=True, slots=True)
class MarketDataGrant:
    """What a market data request is granted.

    ``kind`` is 1 live, 2 frozen, 3 delayed, 4 delayed-frozen, 0 nothing; ``code`` and ``text``
    are the error or advisory that goes with it, 0 for none.
    """

    kind: int
    code: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class PositionView:
    """One holding of one account."""

    account: str
    con_id: int
    quantity: Decimal
    avg_cost: Decimal
    market_price: Decimal
    market_value: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal


@dataclass(frozen=True, slots=True)
class AccountValueView:
    """One row of account values: ``currency`` is '' for rows without one."""

    tag: str
    value: str
    currency: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One historical bar; ``time`` is Unix seconds of its start."""

    time: float
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    wap: Decimal
    count: int


@dataclass(frozen=True, slots=True)
class PnlView:
    """Profit and loss of an account in its base currency."""

    daily: Decimal
    unrealized: Decimal
    realized: Decimal


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Empty fields match anything; ``since`` is Unix seconds."""

    client_id: int = 0
    account: str = ""
    since: float = 0.0
    symbol: str = ""
    sec_type: str = ""
    exchange: str = ""
    side: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a scenario; ``kind`` is from the table in ``faults.py``.

    ``when`` names the trigger (a message name such as ``placeOrder``, or a time), ``count``
    how often it strikes, ``args`` what the kind needs.
    """

    kind: str
    when: str
    count: int = 1
    args: tuple[tuple[str, str], ...] = field(default=())
