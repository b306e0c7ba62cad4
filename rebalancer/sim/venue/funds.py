"""Whether an account can bear an order, and what the order would do to its margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from rebalancer.sim.venue.admission import (
    Refusal,
    cash_refusal,
    margin_refusal,
    minimum_refusal,
    short_refusal,
)
from rebalancer.sim.venue.book import Book, LiveOrder
from rebalancer.sim.venue.commissions import order_commission
from rebalancer.sim.venue.ledger import multiplier
from rebalancer.sim.venue.market import Market
from rebalancer.sim.venue.matching import LIMITED
from rebalancer.sim.venue.standing import Accountant
from rebalancer.sim.vocabulary import Margin, OrderSpec, WhatIf
from rebalancer.sim.world import AccountSpec

_ZERO = Decimal(0)


class Funds:
    """Checks orders against the accounts of ``specs``, their other working orders counted."""

    def __init__(
        self, specs: Sequence[AccountSpec], book: Book, market: Market, accountant: Accountant
    ) -> None:
        self._specs = {spec.account_id: spec for spec in specs}
        self._book = book
        self._market = market
        self._accountant = accountant

    def refusal(self, order: LiveOrder) -> Refusal | None:
        """Why the order is rejected (201), if it is."""
        spec = self._specs[order.spec.account]
        if self._market.listing(order.con_id).sec_type == "CASH":
            return self._conversion_refusal(spec, order)
        if self.shorted(order) > 0 and (refusal := short_refusal(spec)) is not None:
            return refusal
        ledger, base = self._book.ledgers[spec.account_id], spec.currency
        orders = [order, *self._others(order)]
        needed = sum((self._cost(o, base) for o in orders if o.buys), _ZERO)
        cash = self._accountant.total(ledger.cash, base)
        if spec.kind == "cash":
            return self._unpaid(spec, orders) if order.buys else None
        trades: dict[int, Decimal] = {}
        for each in orders:
            trades[each.con_id] = trades.get(each.con_id, _ZERO) + _signed(each)
        before = self._accountant.standing(spec, ledger)
        after = self._accountant.standing(spec, ledger, trades)
        if after.margin <= before.margin:
            return None
        refusal = margin_refusal(before.loan_value, after.margin, base)
        equity_usd = before.equity * self._accountant.rate(base, "USD")
        return refusal or minimum_refusal(equity_usd, cash - needed if order.buys else cash)

    def _unpaid(self, spec: AccountSpec, orders: Sequence[LiveOrder]) -> Refusal | None:
        """A cash account pays each currency out of what it has of it."""
        ledger, bought = self._book.ledgers[spec.account_id], [o for o in orders if o.buys]
        currency = self._market.listing(orders[0].con_id).currency
        same = [o for o in bought if self._market.listing(o.con_id).currency == currency]
        needed = sum((self._cost(o, currency) for o in same), _ZERO)
        return cash_refusal(ledger.cash.get(currency, _ZERO), needed)

    def _conversion_refusal(self, spec: AccountSpec, order: LiveOrder) -> Refusal | None:
        """A margin account may owe the currency it sells, a cash account may not."""
        listing = self._market.listing(order.con_id)
        ledger = self._book.ledgers[spec.account_id]
        given = listing.currency if order.buys else listing.symbol
        needed = order.remaining
        if order.buys:
            needed *= self._price(order.spec, order.con_id)
        owed = ledger.cash.get(given, _ZERO) - needed
        if spec.kind == "cash":
            return cash_refusal(ledger.cash.get(given, _ZERO), needed)
        before = self._accountant.standing(spec, ledger)
        equity_usd = before.equity * self._accountant.rate(spec.currency, "USD")
        return minimum_refusal(equity_usd, owed)

    def shorted(self, order: LiveOrder) -> Decimal:
        """Shares the order would sell short, the account's other sells counted."""
        if order.buys or self._market.listing(order.con_id).sec_type == "CASH":
            return _ZERO
        position = self._book.ledgers[order.spec.account].positions.get(order.con_id)
        held = max(position.quantity, _ZERO) if position is not None else _ZERO
        selling = sum(
            (
                other.remaining
                for other in self._others(order)
                if other.con_id == order.con_id and not other.buys
            ),
            _ZERO,
        )
        return max(order.remaining + selling - held, _ZERO)

    def preview(self, order: LiveOrder) -> WhatIf:
        """The answer to a whatIf order: margin before and after, at last prices."""
        spec = self._specs[order.spec.account]
        ledger, listing = (
            self._book.ledgers[spec.account_id],
            self._market.listing(order.con_id),
        )
        before = after = self._accountant.standing(spec, ledger)
        if listing.sec_type != "CASH":
            after = self._accountant.standing(spec, ledger, {order.con_id: _signed(order)})
        commission = order_commission(listing.currency, order.remaining, self._value(order))
        refusal = self.refusal(order)
        warning = refusal[1].removeprefix("Order rejected - reason:") if refusal else ""
        margin = Margin(
            initial_before=before.margin,
            initial_after=after.margin,
            maintenance_before=before.margin,
            maintenance_after=after.margin,
            equity_before=before.loan_value,
            equity_after=after.loan_value,
            commission=commission,
            currency=listing.currency,
            warning=warning,
        )
        return WhatIf(replace(order.view(), warning=warning), margin)

    def _others(self, order: LiveOrder) -> list[LiveOrder]:
        return [
            other
            for other in self._book.working()
            if other.spec.account == order.spec.account
            and other is not order
            and self._market.listing(other.con_id).sec_type != "CASH"
        ]

    def _value(self, order: LiveOrder) -> Decimal:
        """What the rest of the order trades for, at the worst price known, in its currency."""
        return (
            order.remaining
            * self._price(order.spec, order.con_id)
            * multiplier(self._market.listing(order.con_id))
        )

    def _price(self, order: OrderSpec, con_id: int) -> Decimal:
        if order.order_type in LIMITED and order.limit_price is not None:
            return order.limit_price
        bid, ask = self._market.touch(con_id)
        return ask if order.action == "BUY" else bid

    def _cost(self, order: LiveOrder, base: str) -> Decimal:
        """What the rest of a buy costs, commission included, in ``base``."""
        currency, value = self._market.listing(order.con_id).currency, self._value(order)
        commission = order_commission(currency, order.remaining, value)
        return (value + commission) * self._accountant.rate(currency, base)


def _signed(order: LiveOrder) -> Decimal:
    return order.remaining if order.buys else -order.remaining
