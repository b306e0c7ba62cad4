"""The world a simulated gateway is started in: plain values, no behaviour.

``scenario.py`` reads these from YAML; ``exchange.py`` lives in them. Money is ``Decimal``,
times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from rebalancer.sim.venue.market_hours import Calendar
from rebalancer.sim.vocabulary import Fault

#: What a client without a market data subscription gets.
DataService = Literal["live", "delayed", "none"]


@dataclass(frozen=True, slots=True)
class PricePoint:
    """From ``after`` seconds past the world's start on, the instrument costs ``price``."""

    after: float
    price: Decimal


@dataclass(frozen=True, slots=True)
class Listing:
    """One tradable instrument. Prices are in ``currency``, ``spread`` in ticks."""

    con_id: int
    symbol: str
    price: Decimal
    primary_exchange: str = "ARCA"
    sec_type: str = "STK"
    currency: str = "USD"
    local_symbol: str = ""
    trading_class: str = ""
    market_name: str = ""
    long_name: str = ""
    stock_type: str = "ETF"
    isin: str = ""
    #: The price step; where ``steps`` are given, that of the lowest prices.
    tick: Decimal = Decimal("0.01")
    #: (from this price on, step), ascending: the step grows with the price, as in Europe.
    steps: tuple[tuple[Decimal, Decimal], ...] = ()
    #: Prices are in this fraction of the currency: 100 for pence.
    magnifier: int = 1
    #: Ticks between bid and ask.
    spread: int = 1
    #: Yesterday's close; ``None`` means ``price``.
    close: Decimal | None = None
    path: tuple[PricePoint, ...] = ()
    #: Prices breathe this many basis points around their path, anew every ``wiggle_every``.
    wiggle: Decimal = Decimal(0)
    wiggle_every: float = 5.0
    #: Shares at the touch, on each side, until they come back; ``None`` is without limit.
    liquidity: Decimal | None = None
    #: Seconds until taken liquidity is back.
    refill: float = 1.0
    #: Share of the price by which a limit may lie through the market before it is refused.
    price_band: Decimal = Decimal("0.15")
    #: A key of ``market_hours.CALENDARS`` or of the world's own calendars.
    calendar: str = "XNYS"
    data: DataService = "live"
    #: Whether shares can be borrowed for a short sale; if not, the order is held (404).
    shortable: bool = True
    #: Derivatives only.
    expiry: str = ""
    strike: str = "0.0"
    right: str = ""
    multiplier: str = ""
    #: What contract details name as its time zone, which may be ''; its calendar's if ``None``.
    time_zone: str | None = None
    #: How they spell its hours: both ends with their date, or ends that share the day's.
    hours: Literal["dated", "short"] = "dated"
    #: Positions still show it, but nobody finds it or trades it any more.
    delisted: bool = False

    @property
    def ticker(self) -> str:
        """What scenarios and faults call it: its symbol, ``EUR.USD`` for a currency pair."""
        return self.local_symbol if self.sec_type == "CASH" else self.symbol

    def step_at(self, price: Decimal) -> Decimal:
        """The price step that holds at a price."""
        held = [step for low, step in self.steps if low <= price]
        return held[-1] if held else self.tick


@dataclass(frozen=True, slots=True)
class Holding:
    """A position at the start; ``avg_cost`` as IBKR counts it (times the multiplier)."""

    con_id: int
    quantity: Decimal
    avg_cost: Decimal


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """An account at the start."""

    account_id: str
    currency: str = "USD"
    cash: Mapping[str, Decimal] = field(default_factory=dict)
    holdings: tuple[Holding, ...] = ()
    kind: Literal["margin", "cash"] = "margin"
    #: The API is in read-only mode for it: every order is refused (321).
    read_only: bool = False
    #: Whether stock that is not held may be sold; never in a cash account.
    short_selling: bool = True


@dataclass(frozen=True, slots=True)
class Standing:
    """A limit order that somebody, not the client under test, had placed before the start."""

    account: str
    con_id: int
    action: Literal["BUY", "SELL"]
    quantity: Decimal
    limit_price: Decimal
    client_id: int = 0
    #: The next one of its client if 0.
    order_id: int = 0
    order_ref: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """The simulated time: ``start`` (``None``: now), ``rate`` simulated per real second."""

    start: float | None = None
    rate: float = 1.0
    #: Every session is open, around the clock and the year.
    always_open: bool = False


@dataclass(frozen=True, slots=True)
class Habits:
    """Where recorded gateways differ from each other, which of them to follow."""

    #: A buy is shown ``PreSubmitted`` first, then ``Submitted``; else ``Submitted`` at once.
    two_step_ack: bool = True
    #: A cancelled order passes ``PendingCancel``; else straight to ``Cancelled``.
    pending_cancel: bool = True
    #: ``openOrder`` precedes each status that a fill causes.
    open_order_on_fill: bool = True
    #: Those two are sent once more, before the commission report.
    repeat_on_commission: bool = False
    #: An order without a tif gets notice 10349: a preset made it DAY.
    tif_preset_notice: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is given when the simulator starts."""

    listings: tuple[Listing, ...]
    accounts: tuple[AccountSpec, ...]
    calendars: tuple[Calendar, ...] = ()
    #: US dollars per unit of a currency; the dollar itself need not be named.
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    clock: Clock = Clock()
    habits: Habits = Habits()
    #: Seconds from an order's acknowledgement to its first fill.
    fill_after: float = 0.0
    #: Seconds before the gateway's answer, by the name of the client's message; ``*`` for all.
    latencies: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    #: Orders that work at the start.
    orders: tuple[Standing, ...] = ()
