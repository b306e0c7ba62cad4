"""What an account is worth and what it may spend: holdings, cash and margin in one currency.

The margin model is the plain part of IBKR's rules for stocks: a margin account needs 25 % of
long and 30 % of short stock value, and its buying power is four times its available funds
(https://www.interactivebrokers.com/en/trading/margin-stocks.php); a cash account pays in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from rebalancer.sim.venue.book import Ledger, Position
from rebalancer.sim.venue.ledger import multiplier
from rebalancer.sim.venue.market import Market
from rebalancer.sim.world import AccountSpec, Listing

_LONG = Decimal("0.25")
_SHORT = Decimal("0.30")
_FUTURE = Decimal("0.10")
_LEVERAGE = 4
_NOTHING = Position(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Standing:
    """Money in the account's base currency."""

    cash: Decimal
    #: Proceeds that do not count as cash yet, but as equity.
    pending: Decimal
    stock: Decimal
    options: Decimal
    futures_pnl: Decimal
    #: Sum of the holdings' absolute values.
    gross: Decimal
    margin: Decimal

    @property
    def equity(self) -> Decimal:
        """NetLiquidation."""
        return self.cash + self.pending + self.stock + self.options + self.futures_pnl

    @property
    def loan_value(self) -> Decimal:
        """EquityWithLoanValue: options do not count."""
        return self.equity - self.options

    @property
    def available(self) -> Decimal:
        """AvailableFunds."""
        return self.loan_value - self.pending - self.margin


class Accountant:
    """Values accounts at the prices of ``market``; ``rates`` are US dollars per unit."""

    def __init__(self, market: Market, rates: Mapping[str, Decimal]) -> None:
        self._market = market
        self._rates = rates

    def rate(self, currency: str, base: str) -> Decimal:
        """``base`` per unit of ``currency``. Raises KeyError without a rate for either."""
        if currency == base:
            return Decimal(1)
        return self._usd(currency) / self._usd(base)

    def _usd(self, currency: str) -> Decimal:
        return Decimal(1) if currency == "USD" else self._rates[currency]

    def value(self, con_id: int, position: Position) -> Decimal:
        """Market value in the listing's currency, negative when short."""
        listing = self._market.listing(con_id)
        return position.quantity * self._market.last(con_id) * multiplier(listing)

    def standing(
        self, spec: AccountSpec, ledger: Ledger, trades: Mapping[int, Decimal] | None = None
    ) -> Standing:
        """The account now, or after ``trades`` (signed shares by con id) at last prices.

        Commissions are left out.
        """
        positions = dict(ledger.positions)
        cash = self.total(ledger.cash, spec.currency)
        for con_id, shares in (trades or {}).items():
            held, listing = positions.get(con_id, _NOTHING), self._market.listing(con_id)
            # A position taken on at the last price has no profit of its own yet.
            unit = self._market.last(con_id) * multiplier(listing)
            quantity = held.quantity + shares
            cost = (
                (held.avg_cost * held.quantity + unit * shares) / quantity if quantity else unit
            )
            positions[con_id] = Position(quantity, cost)
            if listing.sec_type != "FUT":
                cash -= unit * shares * self.rate(listing.currency, spec.currency)
        stock = options = futures = gross = margin = Decimal(0)
        for con_id, position in positions.items():
            listing = self._market.listing(con_id)
            rate = self.rate(listing.currency, spec.currency)
            value = self.value(con_id, position) * rate
            gross += abs(value)
            margin += _margin(spec, listing, value)
            if listing.sec_type == "FUT":
                futures += value - position.avg_cost * position.quantity * rate
            elif listing.sec_type in {"OPT", "FOP"}:
                options += value
            else:
                stock += value
        pending = sum(
            (p.amount * self.rate(p.currency, spec.currency) for p in ledger.proceeds),
            Decimal(0),
        )
        return Standing(cash, pending, stock, options, futures, gross, margin)

    def total(self, amounts: Mapping[str, Decimal], base: str) -> Decimal:
        """Amounts by currency, summed up in ``base``."""
        return sum((a * self.rate(c, base) for c, a in amounts.items()), Decimal(0))


def buying_power(spec: AccountSpec, standing: Standing) -> Decimal:
    """What stock could be bought for."""
    if spec.kind == "cash":
        return max(standing.available, Decimal(0))
    return max(standing.available, Decimal(0)) * _LEVERAGE


def _margin(spec: AccountSpec, listing: Listing, value: Decimal) -> Decimal:
    if listing.sec_type == "FUT":
        return abs(value) * _FUTURE
    if listing.sec_type in {"OPT", "FOP"}:
        return max(-value, Decimal(0))
    if value < 0:
        return -value * (1 + _SHORT) if spec.kind == "cash" else -value * _SHORT
    return value if spec.kind == "cash" else value * _LONG
