"""What was: completed orders and executions, as long as a gateway keeps them, and all fills."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from rebalancer.sim.venue.book import Book
from rebalancer.sim.venue.market import Market
from rebalancer.sim.vocabulary import Execution, ExecutionFilter, OrderView

_SIDES = {"BUY": "BOT", "SELL": "SLD"}


class Records:
    """Looks things up in ``book``; a day begins at midnight in the instrument's zone."""

    def __init__(self, book: Book, market: Market) -> None:
        self._book = book
        self._market = market

    def completed_orders(self) -> tuple[OrderView, ...]:
        """Orders that ended today; filled ones have lost their quantity."""
        views = []
        for order in self._book.ended:
            if order.completed_at < self._today(order.con_id):
                continue
            view = order.view(self._market.calendar(order.con_id).zone)
            if order.status == "Filled":
                view = replace(view, order=replace(view.order, quantity=Decimal(0)))
            views.append(view)
        return tuple(views)

    def executions(self, wanted: ExecutionFilter) -> tuple[Execution, ...]:
        """Today's fills and corrections that match."""
        return tuple(each for each in self._book.executions if self._matches(each, wanted))

    def fills(self) -> tuple[Execution, ...]:
        """Every fill ever, its last revision."""
        latest = {each.exec_id.rsplit(".", 1)[0]: each for each in self._book.executions}
        return tuple(latest.values())

    def orders_by_ref(self, order_ref: str) -> tuple[OrderView, ...]:
        """Every order with this orderRef, oldest first."""
        found = [o.view() for o in self._book.everything() if o.spec.order_ref == order_ref]
        return tuple(reversed(found))

    def _today(self, con_id: int) -> float:
        return self._market.calendar(con_id).day_start(self._book.now)

    def _matches(self, execution: Execution, wanted: ExecutionFilter) -> bool:
        listing = self._market.listing(execution.con_id)
        pairs = (
            (wanted.client_id, execution.client_id),
            (wanted.account, execution.account),
            (wanted.symbol, listing.symbol),
            (wanted.sec_type, listing.sec_type),
            (wanted.exchange, execution.exchange),
            (_SIDES.get(wanted.side, wanted.side), execution.side),
        )
        since = max(self._today(execution.con_id), wanted.since)
        return execution.at >= since and all(not want or want == have for want, have in pairs)
