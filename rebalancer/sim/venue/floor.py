"""The trading floor: acknowledges orders, fills them, lets the time pass, ends them.

The order in which reports come is that of recorded gateways; docs/reference/simulator.md says
where recordings differ.
"""

from __future__ import annotations

from decimal import Decimal

from rebalancer.sim.venue.book import Book, LiveOrder
from rebalancer.sim.venue.clearing import Clearing
from rebalancer.sim.venue.market import Market
from rebalancer.sim.venue.market_hours import stamp
from rebalancer.sim.venue.matching import (
    auction_price,
    first_stop,
    too_aggressive,
    trade_price,
    trailed_stop,
    triggers,
)
from rebalancer.sim.vocabulary import (
    Opened,
    Refused,
    Report,
    Status,
    StatusChanged,
    Ticked,
)
from rebalancer.sim.world import Habits

BY_TRADER = "Cancelled by Trader"
BY_SYSTEM = "Cancelled by System:\n"
_ORDER_CANCELED = "Order Canceled - reason:"
_FAR_FROM_MARKET = (
    "We cannot accept an order at the limit price you selected. Please submit your order using "
    "a limit price that is closer to the current market price of {last}.  Alternatively, you "
    "can convert your order to an Algorithmic Order (IBALGO)."
)


class Floor:
    """Works the orders in ``book`` against ``market``."""

    def __init__(self, habits: Habits, book: Book, market: Market, clearing: Clearing) -> None:
        self._habits = habits
        self._book = book
        self._market = market
        self._clearing = clearing

    # Acknowledging -----------------------------------------------------------------------

    def acknowledge(self, order: LiveOrder) -> list[Report]:
        """An order arrives, or arrives anew because it was modified."""
        order.resting = False
        order.stop = first_stop(order.spec, self._market.last(order.con_id))
        order.status = "PreSubmitted"
        if order.stop is not None and not order.why_held:
            order.why_held = "trigger"
        if order.held:
            warning = self._held_warning(order)
            return [*self._shown(order), *warning, *(self._shown(order) if warning else [])]
        if order.why_held:
            return [*self._shown(order), *self._work(order)]
        if order.auction_at is not None:
            return [*self._shown(order), *self._submitted(order)]
        return self._too_far(order) if self._aggressive(order) else self._arrive(order)

    def _arrive(self, order: LiveOrder) -> list[Report]:
        """An order that may trade at once: it fills, rests, or ends (IOC and FOK)."""
        offer = self._offer(order)
        if offer is None and order.spec.tif in {"IOC", "FOK"} and self._open_for(order):
            return [Opened(order.view()), *self._immediate_end(order)]
        first: Status = "Submitted"
        if order.buys and self._habits.two_step_ack:
            first = "PreSubmitted"
        order.status = first
        reports = self._shown(order)
        if offer is not None:
            return [*reports, *self._fill(order, *offer)]
        return reports if first == "Submitted" else [*reports, *self._submitted(order)]

    def _aggressive(self, order: LiveOrder) -> bool:
        bid, ask = self._market.touch(order.con_id)
        band = self._market.listing(order.con_id).price_band
        return too_aggressive(order.spec, bid, ask, band)

    def _shown(self, order: LiveOrder) -> list[Report]:
        return [Opened(order.view()), StatusChanged(order.view())]

    def _submitted(self, order: LiveOrder) -> list[Report]:
        order.status = "Submitted"
        return self._shown(order)

    def _held_warning(self, order: LiveOrder) -> list[Report]:
        market, con_id = self._market, order.con_id
        if market.trades(con_id, self._book.now, outside_rth=order.spec.outside_rth):
            return []
        listing = market.listing(con_id)
        venue = listing.primary_exchange
        if venue == "NASDAQ" and listing.trading_class:
            venue += f".{listing.trading_class}"
        until = stamp(order.active_at, market.calendar(con_id).zone, dashed=True)
        what = f"{order.spec.action} {order.spec.quantity} {listing.symbol} {venue}"
        text = (
            f"Order Message:\n{what}\n"
            f"Warning: Your order will not be placed at the exchange until {until}."
        )
        return [Refused(order.client_id, order.order_id, 399, text)]

    def _too_far(self, order: LiveOrder) -> list[Report]:
        if order.spec.tif in {"IOC", "FOK"}:
            return [Opened(order.view()), *self._immediate_end(order)]
        reports = self._shown(order)
        text = _FAR_FROM_MARKET.format(last=self._market.last(order.con_id))
        return [*reports, *self.end(order, BY_SYSTEM + text, reason=text, pending=False)]

    def _immediate_end(self, order: LiveOrder) -> list[Report]:
        if order.spec.tif == "FOK":
            self._book.end(order, "Inactive", BY_SYSTEM)
            return [StatusChanged(order.view()), *self._consequences(order)]
        order.status = "PendingCancel"
        pending = StatusChanged(order.view())
        self._book.end(order, "Cancelled", BY_SYSTEM)
        return [pending, StatusChanged(order.view()), *self._consequences(order)]

    # Filling -----------------------------------------------------------------------------

    def _open_for(self, order: LiveOrder) -> bool:
        now = self._book.now
        return now >= order.fill_from and self._market.trades(
            order.con_id, now, outside_rth=order.spec.outside_rth
        )

    def _offer(self, order: LiveOrder) -> tuple[Decimal, Decimal] | None:
        """Price and shares the market has for the order now."""
        if not self._open_for(order):
            order.resting = False
            return None
        bid, ask = self._market.touch(order.con_id)
        price = trade_price(order, bid, ask, self._market.listing(order.con_id).step_at(bid))
        if price is None:
            order.resting = True
            return None
        available = self._market.available(order.con_id, buying=order.buys)
        shares = order.remaining if available is None else min(order.remaining, available)
        if order.quirks.cap is not None:
            shares = min(shares, order.quirks.cap - order.filled)
        whole = order.spec.all_or_none or order.spec.tif == "FOK"
        if shares <= 0 or (whole and shares < order.remaining):
            return None
        return price, shares

    def _work(self, order: LiveOrder) -> list[Report]:
        """Let a working order trade if it can."""
        reports: list[Report] = []
        if order.why_held == "trigger" and self._open_for(order) and order.stop is not None:
            last = self._market.last(order.con_id)
            order.stop = trailed_stop(order.spec, order.stop, last)
            if triggers(order.spec, order.stop, last):
                order.stop, order.why_held = None, ""
                reports += self._submitted(order)
        if order.held or order.why_held or order.auction_at is not None:
            return reports
        offer = self._offer(order)
        if offer is not None:
            reports += self._fill(order, *offer)
        elif order.spec.tif in {"IOC", "FOK"} and self._open_for(order):
            reports += self._immediate_end(order)
        return reports

    def _fill(self, order: LiveOrder, price: Decimal, shares: Decimal) -> list[Report]:
        self._market.take(order.con_id, shares, buying=order.buys)
        reports = self._clearing.fill(order, price, shares)
        if order.status == "Filled":
            return reports + self._consequences(order)
        quirks = order.quirks
        if quirks.cancel_rest and quirks.cap is not None and order.filled >= quirks.cap:
            return reports + self.end(order, BY_SYSTEM, pending=False)
        return reports + (self._immediate_end(order) if order.spec.tif == "IOC" else [])

    # Ending ------------------------------------------------------------------------------

    def end(
        self, order: LiveOrder, text: str, *, reason: str = "", pending: bool = True
    ) -> list[Report]:
        """Cancel an order: ``text`` is for completed orders, ``reason`` for error 202."""
        reports: list[Report] = []
        if pending and self._habits.pending_cancel and not order.staged:
            order.status = "PendingCancel"
            reports.append(StatusChanged(order.view()))
        self._book.end(order, "Cancelled", text)
        reports.append(StatusChanged(order.view()))
        reports.append(Refused(order.client_id, order.order_id, 202, _ORDER_CANCELED + reason))
        return reports + self._consequences(order)

    def _consequences(self, order: LiveOrder) -> list[Report]:
        """What the end of an order does to its children and its OCA group."""
        reports: list[Report] = []
        for other in self._book.working():
            if other.client_id != order.client_id or not other.working:
                continue
            if other.spec.parent_id == order.order_id and other.why_held == "child":
                if order.status == "Filled":
                    other.why_held = ""
                    reports += self.acknowledge(other)
                else:
                    reports += self.end(other, BY_SYSTEM, pending=False)
            elif order.filled and other.spec.oca_group == order.spec.oca_group != "":
                reports += self.end(other, BY_SYSTEM, pending=False)
        return reports

    # Time --------------------------------------------------------------------------------

    def step(self) -> list[Report]:
        """Do everything that is due at the book's time, and nothing twice."""
        now = self._book.now
        reports: list[Report] = [Ticked(con_id) for con_id in self._market.step()]
        for order in self._book.working():
            if order.working and order.auction_at is not None and order.auction_at <= now:
                reports += self._auction(order)
        for order in self._book.working():
            if order.working and order.expire_at is not None and order.expire_at <= now:
                reports += self.end(order, BY_SYSTEM, pending=False)
        for order in self._book.working():
            if order.working and order.held and order.active_at <= now:
                order.held = False
                reports += self._activate(order)
            elif order.working:
                reports += self._work(order)
        return [*reports, *self._clearing.late_reports()]

    def _activate(self, order: LiveOrder) -> list[Report]:
        """The market opens for a held order."""
        if order.why_held:
            return [*self._shown(order), *self._work(order)]
        if self._aggressive(order):
            return self._too_far(order)
        return [*self._submitted(order), *self._work(order)]

    def _auction(self, order: LiveOrder) -> list[Report]:
        price = auction_price(order, self._market.last(order.con_id))
        if price is None or order.why_held:
            return self.end(order, BY_SYSTEM, pending=False)
        order.held, order.auction_at = False, None
        return self._fill(order, price, order.remaining)

    def next_event(self) -> float | None:
        """When the next thing is due after the book's time, breathing prices left out."""
        now = self._book.now
        moments = [self._market.next_event(now)]
        for order in self._book.working():
            moments += [order.active_at, order.fill_from, order.auction_at, order.expire_at]
        moments += [later.at for later in self._book.later]
        for ledger in self._book.ledgers.values():
            moments += [proceeds.at for proceeds in ledger.proceeds]
        return min((m for m in moments if m is not None and m > now), default=None)
