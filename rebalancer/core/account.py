"""An account at one moment: what it holds, what that is worth, what it may spend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

PriceKind = Literal["live", "frozen", "delayed", "delayed-frozen"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One contract, resolved. ``symbol`` is the operator's spelling and the key everywhere."""

    symbol: str
    con_id: int
    #: IBKR's own symbol, e.g. ``VWCE`` for the operator's ``VWCE@IBIS2/EUR``.
    local_symbol: str
    sec_type: str
    currency: str
    exchange: str
    primary_exchange: str
    #: Smallest price step.
    min_tick: Decimal
    #: IANA name as IBKR gave it; may be '' or a legacy name.
    time_zone: str
    #: Raw ``tradingHours`` and ``liquidHours`` strings; ``core/hours.py`` reads them.
    trading_hours: str
    liquid_hours: str
    #: Its prices are told and taken in this fraction of the currency, 100 for pence. Only the
    #: gateway's side of the house knows of it: everything here is in the currency.
    magnifier: int = 1


@dataclass(frozen=True, slots=True)
class Quote:
    """A usable price: positive, finite, in the instrument's currency."""

    price: Decimal
    bid: Decimal | None
    ask: Decimal | None
    close: Decimal | None
    kind: PriceKind
    #: Unix seconds when the last tick that made it arrived.
    at: float


@dataclass(frozen=True, slots=True)
class Position:
    """A holding. ``symbol`` is the target's spelling if the target names this contract."""

    symbol: str
    con_id: int
    sec_type: str
    currency: str
    quantity: Decimal
    avg_cost: Decimal


@dataclass(frozen=True, slots=True)
class Account:
    """A snapshot. ``currency`` is the base currency; every total is in it."""

    account_id: str
    currency: str
    net_liquidation: Decimal
    #: All cash, converted to the base currency.
    total_cash: Decimal
    #: Cash by currency, unconverted.
    cash: Mapping[str, Decimal]
    #: Base currency per unit of a currency; the base itself is 1.
    rates: Mapping[str, Decimal]
    positions: tuple[Position, ...]
    #: Prices of every stock held or targeted that may be traded, by symbol.
    quotes: Mapping[str, Quote]
    instruments: Mapping[str, Instrument]
    #: Unix seconds.
    taken_at: float
    #: Signed shares already on their way in working orders that are respected, by symbol.
    working: Mapping[str, Decimal] = field(default_factory=dict)
