"""What an account begins a rehearsal with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from rebalancer.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Known:
    """What a snapshot tells of an instrument; prices in its currency."""

    price: Decimal
    con_id: int = 0
    local_symbol: str = ""
    currency: str = ""
    primary_exchange: str = ""
    min_tick: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A stock that is held."""

    symbol: str
    quantity: Decimal
    avg_cost: Decimal


@dataclass(frozen=True, slots=True)
class Start:
    """One account before the rehearsal, and what is known of the market from there."""

    account_id: str
    kind: Literal["snapshot", "record", "cash"]
    #: Unix seconds of the snapshot; ``None`` for cash.
    at: float | None
    currency: str
    cash: Mapping[str, Decimal]
    held: tuple[Held, ...] = ()
    #: By the operator's spelling.
    known: Mapping[str, Known] = field(default_factory=dict)
    #: Units of ``currency`` for one of another.
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    #: What the account has and the rehearsal cannot show, for people.
    left_out: tuple[str, ...] = ()


def from_cash(account_id: str, amount: Decimal, currency: str = "USD") -> Start:
    """Begin with nothing but cash."""
    return Start(account_id, "cash", None, currency, {currency: amount})


def from_seen(
    account_id: str, seen: Mapping[str, Any], kind: Literal["snapshot", "record"]
) -> Start:
    """Begin with what a processor saw: a stored snapshot, or the one in a record.

    Raises:
        PermanentError: it lacks what every version has written.
    """
    try:
        return _read(account_id, seen, kind)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise PermanentError(
            f"the {kind} of {account_id} is unreadable ({error!r}); take a new one with "
            f"`rebalancer preview {account_id}`, or rehearse with --from-cash"
        ) from error


def _read(
    account_id: str, seen: Mapping[str, Any], kind: Literal["snapshot", "record"]
) -> Start:
    known = _planned(seen) | _positions(seen) | _instruments(seen)
    held: list[Held] = []
    left_out: list[str] = []
    for position in seen["positions"]:
        symbol, quantity = position["symbol"], Decimal(position["quantity"])
        if position["sec_type"] != "STK":
            left_out.append(f"{quantity} {symbol} ({position['sec_type']})")
        elif symbol not in known:
            left_out.append(f"{quantity} {symbol} (without a price)")
        else:
            held.append(Held(symbol, quantity, Decimal(position["avg_cost"])))
    if seen.get("working"):
        left_out.append(f"working orders for {', '.join(seen['working'])}")
    rates = {c: Decimal(rate) for c, rate in seen.get("rates", {}).items()}
    # A currency the account has had shows its rate even when nothing of it is left.
    cash = dict.fromkeys(rates, Decimal(0)) | {
        c: Decimal(amount) for c, amount in seen["cash"].items()
    }
    return Start(
        account_id=account_id,
        kind=kind,
        at=float(seen["taken_at"]),
        currency=seen["currency"],
        cash=cash,
        held=tuple(held),
        known=known,
        rates=rates,
        left_out=tuple(left_out),
    )


def _instruments(seen: Mapping[str, Any]) -> dict[str, Known]:
    return {
        symbol: Known(
            price=Decimal(found["price"]),
            con_id=int(found["con_id"]),
            local_symbol=found["local_symbol"],
            currency=found["currency"],
            primary_exchange=found["primary_exchange"],
            min_tick=Decimal(found["min_tick"]),
            bid=_decimal(found["bid"]),
            ask=_decimal(found["ask"]),
        )
        for symbol, found in seen.get("instruments", {}).items()
    }


def _positions(seen: Mapping[str, Any]) -> dict[str, Known]:
    return {
        position["symbol"]: Known(
            Decimal(position["price"]),
            con_id=int(position["con_id"]),
            currency=position["currency"],
        )
        for position in seen["positions"]
        if position.get("price") is not None and position["sec_type"] == "STK"
    }


def _planned(seen: Mapping[str, Any]) -> dict[str, Known]:
    """What the plan in a snapshot says; its lines have no currency."""
    lines = seen.get("plan", {}).get("lines", ())
    return {line["symbol"]: Known(Decimal(line["price"])) for line in lines}


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
