"""Booking fills: cash out, shares in, what it cost and what it earned.

As IBKR counts it, the average cost of a holding includes commissions, and so does the
realized profit of closing it.
"""

from __future__ import annotations

from decimal import Decimal

from rebalancer.sim.venue.book import Ledger, Position, Proceeds
from rebalancer.sim.world import AccountSpec, Listing


def open_ledger(spec: AccountSpec) -> Ledger:
    """An account as the world says it starts."""
    return Ledger(
        cash=dict(spec.cash),
        positions={h.con_id: Position(h.quantity, h.avg_cost) for h in spec.holdings},
    )


def multiplier(listing: Listing) -> Decimal:
    """What one contract is worth in the listing's currency when its price is 1."""
    return Decimal(listing.multiplier or 1) / listing.magnifier


def book_conversion(
    ledger: Ledger,
    listing: Listing,
    units: Decimal,
    price: Decimal,
    fee: tuple[str, Decimal],
    *,
    cash_at: float | None = None,
) -> None:
    """Book a currency pair: ``units`` of its first currency (negative: sold) at ``price``.

    The currency that is bought counts only from ``cash_at`` on, if given. What is left of the
    pair is shown as a position, but is worth nothing beside the cash.
    """
    currency, amount = fee
    for name, change in (
        (listing.symbol, units),
        (listing.currency, -units * price),
        (currency, -amount),
    ):
        late = change > 0 and cash_at is not None
        if late and cash_at is not None:
            ledger.proceeds.append(Proceeds(cash_at, name, change))
        ledger.cash[name] = ledger.cash.get(name, Decimal(0)) + (0 if late else change)
    held = ledger.pairs.setdefault(listing.con_id, Position(Decimal(0), Decimal(0)))
    held.quantity, held.avg_cost = held.quantity + units, price
    if not held.quantity:
        del ledger.pairs[listing.con_id]


def book_fill(
    ledger: Ledger,
    listing: Listing,
    shares: Decimal,
    price: Decimal,
    commission: Decimal,
    *,
    cash_at: float | None = None,
) -> Decimal | None:
    """Book ``shares`` (negative: sold) at ``price``; money is in the listing's currency.

    Proceeds of a sale count only from ``cash_at`` on, if given. Returns the realized profit,
    or ``None`` when the fill only opened or enlarged a position.
    """
    unit = price * multiplier(listing)
    amount = -shares * unit
    currency = listing.currency
    if amount > 0 and cash_at is not None:
        ledger.proceeds.append(Proceeds(cash_at, currency, amount))
        amount = Decimal(0)
    ledger.cash[currency] = ledger.cash.get(currency, Decimal(0)) + amount - commission

    held = ledger.positions.setdefault(listing.con_id, Position(Decimal(0), Decimal(0)))
    against = held.quantity * shares < 0
    closing = min(abs(shares), abs(held.quantity)) if against else Decimal(0)
    opening = abs(shares) - closing
    side = Decimal(1).copy_sign(shares)
    realized = None
    if closing:
        gain = (held.avg_cost - unit) * closing * side
        realized = gain - commission * closing / abs(shares)
        before = ledger.realized.get(listing.con_id, Decimal(0))
        ledger.realized[listing.con_id] = before + realized
        held.quantity += closing * side
    if opening:
        fee = commission * opening / abs(shares)
        cost = held.avg_cost * held.quantity + (unit * opening * side) + fee
        held.quantity += opening * side
        held.avg_cost = cost / held.quantity
    if not held.quantity:
        del ledger.positions[listing.con_id]
    return realized


def correct_fill(ledger: Ledger, listing: Listing, shares: Decimal, change: Decimal) -> None:
    """Book that ``shares`` (negative: sold) had been filled at a price ``change`` higher."""
    difference = shares * change * multiplier(listing)
    ledger.cash[listing.currency] = ledger.cash.get(listing.currency, Decimal(0)) - difference
    held = ledger.positions.get(listing.con_id)
    if held is not None and held.quantity * shares > 0:
        held.avg_cost += difference / held.quantity


def release_proceeds(ledger: Ledger, now: float) -> bool:
    """Count the proceeds that have become due; says whether there were any."""
    due = [p for p in ledger.proceeds if p.at <= now]
    for proceeds in due:
        cash = ledger.cash.get(proceeds.currency, Decimal(0))
        ledger.cash[proceeds.currency] = cash + proceeds.amount
        ledger.proceeds.remove(proceeds)
    return bool(due)
