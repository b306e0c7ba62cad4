"""Accounts for the planner, from few words."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from rebalancer.core.account import Account, Instrument, Position, Quote
from rebalancer.core.target import Target

NOW = 1_764_000_000.0


def instrument(symbol: str, currency: str = "USD", tick: str = "0.01") -> Instrument:
    con_id = 900_000_000 + sum(ord(c) * 131**i for i, c in enumerate(symbol)) % 10**8
    return Instrument(
        symbol=symbol,
        con_id=con_id,
        local_symbol=symbol,
        sec_type="STK",
        currency=currency,
        exchange="SMART",
        primary_exchange="ARCA",
        min_tick=Decimal(tick),
        time_zone="US/Eastern",
        trading_hours="",
        liquid_hours="",
    )


def quote(price: str | Decimal, bid: str | None = None, ask: str | None = None) -> Quote:
    return Quote(
        price=Decimal(price),
        bid=Decimal(bid) if bid else None,
        ask=Decimal(ask) if ask else None,
        close=None,
        kind="live",
        at=NOW,
    )


def position(symbol: str, quantity: str | Decimal, sec_type: str = "STK") -> Position:
    found = instrument(symbol)
    return Position(symbol, found.con_id, sec_type, "USD", Decimal(quantity), Decimal(1))


def account(
    cash: str | Decimal,
    prices: Mapping[str, str | Decimal],
    held: Mapping[str, str | Decimal] | None = None,
    *,
    others: tuple[Position, ...] = (),
    others_value: str = "0",
) -> Account:
    """A dollar account: prices of everything tradable, shares of what is held."""
    held = held or {}
    stocks = sum(
        (Decimal(q) * Decimal(prices[s]) for s, q in held.items() if s in prices), Decimal(0)
    )
    net = Decimal(cash) + stocks + Decimal(others_value)
    return Account(
        account_id="DU1",
        currency="USD",
        net_liquidation=net,
        total_cash=Decimal(cash),
        cash={"USD": Decimal(cash)},
        rates={"USD": Decimal(1)},
        positions=(*(position(s, q) for s, q in held.items()), *others),
        quotes={s: quote(p) for s, p in prices.items()},
        instruments={s: instrument(s) for s in prices},
        taken_at=NOW,
    )


def target(**weights: str) -> Target:
    return Target({s: Decimal(w) for s, w in weights.items()}, "test")
