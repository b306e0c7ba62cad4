"""What a fill leaves behind: execution, commission, booking, and later reports of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from rebalancer.sim.armed import Armed
from rebalancer.sim.venue.book import Book, Later, LiveOrder
from rebalancer.sim.venue.commissions import conversion_commission, order_commission
from rebalancer.sim.venue.ledger import (
    book_conversion,
    book_fill,
    correct_fill,
    multiplier,
    release_proceeds,
)
from rebalancer.sim.venue.market import Market
from rebalancer.sim.venue.standing import Accountant
from rebalancer.sim.vocabulary import (
    Commissioned,
    Executed,
    Execution,
    Moved,
    Opened,
    Report,
    StatusChanged,
    Ticked,
)
from rebalancer.sim.world import Habits, Listing


class Clearing:
    """Books fills of the orders in ``book`` and says how they are reported."""

    def __init__(
        self,
        habits: Habits,
        book: Book,
        market: Market,
        armed: Armed,
        accountant: Accountant,
        bases: Mapping[str, str],
    ) -> None:
        self._habits = habits
        self._book = book
        self._market = market
        self._armed = armed
        self._accountant = accountant
        #: The accounts' own currencies.
        self._bases = bases

    def fill(self, order: LiveOrder, price: Decimal, shares: Decimal) -> list[Report]:
        """Fill ``shares`` of the order; the last commission report comes last."""
        execution = self._execute(order, price, shares)
        order.status = "Submitted"
        if not order.remaining:
            self._book.end(order, "Filled", f"Filled Size: {order.filled}")
        status: list[Report] = [StatusChanged(order.view())]
        if self._habits.open_order_on_fill:
            status.insert(0, Opened(order.view()))
        executed, quirks = Executed(execution), order.quirks
        reports = [*status, executed] if quirks.filled_first else [executed, *status]
        if quirks.double_report:
            reports.append(executed)
        if quirks.correct_to is not None:
            self._later(execution, quirks.correct_after, quirks.correct_to)
            quirks.correct_to = None
        if quirks.commission_after:
            self._later(execution, quirks.commission_after)
        else:
            reports += status if self._habits.repeat_on_commission else ()
            reports.append(Commissioned(execution))
        return [*reports, Moved(execution.account, (execution.con_id,))]

    def late_reports(self) -> Iterator[Report]:
        """Commissions, corrections and proceeds that have become due."""
        book, now = self._book, self._book.now
        for later in [item for item in book.later if item.at <= now]:
            book.later.remove(later)
            execution = next(e for e in book.executions if e.exec_id == later.exec_id)
            if later.price is None:
                yield Commissioned(execution)
            else:
                yield from self.correct(execution, later.price)
        for account, ledger in book.ledgers.items():
            if release_proceeds(ledger, now):
                yield Moved(account)
        for args in self._armed.due("split", now):
            yield from self._split(self._market.listing(args["symbol"]), Decimal(args["ratio"]))

    def _split(self, listing: Listing, ratio: Decimal) -> Iterator[Report]:
        con_id = listing.con_id
        self._market.split(con_id, ratio)
        yield Ticked(con_id)
        for account, ledger in self._book.ledgers.items():
            held = ledger.positions.get(con_id)
            if held is not None:
                held.quantity *= ratio
                held.avg_cost /= ratio
                yield Moved(account, (con_id,))

    def correct(self, wrong: Execution, price: Decimal) -> list[Report]:
        """Report a fill once more, at the right price, with the next revision of its execId."""
        stem, revision = wrong.exec_id.rsplit(".", 1)
        exec_id = f"{stem}.{int(revision) + 1:02d}"
        order = next(o for o in self._book.everything() if o.perm_id == wrong.perm_id)
        order.value += wrong.shares * (price - wrong.price)
        average = order.value / order.filled
        right = replace(wrong, exec_id=exec_id, price=price, avg_price=average)
        self._book.executions.append(right)
        signed = wrong.shares if wrong.side == "BOT" else -wrong.shares
        ledger = self._book.ledgers[wrong.account]
        correct_fill(ledger, self._market.listing(wrong.con_id), signed, price - wrong.price)
        return [Executed(right), Commissioned(right), Moved(wrong.account, (wrong.con_id,))]

    def _later(self, execution: Execution, after: float, price: Decimal | None = None) -> None:
        self._book.later.append(Later(self._book.now + after, execution.exec_id, price))

    def _execute(self, order: LiveOrder, price: Decimal, shares: Decimal) -> Execution:
        listing, now, spec = self._market.listing(order.con_id), self._book.now, order.spec
        order.filled += shares
        order.value += shares * price
        order.last_price = price
        paid_in, due = self._commission(order, listing)
        commission, order.charged = due - order.charged, due
        lag = self._armed.ongoing("cash_lag", now, account=spec.account)
        cash_at = now + float(lag["later"]) if lag is not None else None
        ledger, signed = self._book.ledgers[spec.account], shares if order.buys else -shares
        realized = None
        if listing.sec_type == "CASH":
            fee = (paid_in, commission)
            book_conversion(ledger, listing, signed, price, fee, cash_at=cash_at)
        else:
            realized = book_fill(ledger, listing, signed, price, commission, cash_at=cash_at)
        execution = Execution(
            exec_id=self._book.take_exec_id(spec.action),
            order_id=order.order_id,
            client_id=order.client_id,
            perm_id=order.perm_id,
            con_id=order.con_id,
            account=spec.account,
            exchange=listing.primary_exchange,
            side="BOT" if order.buys else "SLD",
            shares=shares,
            price=price,
            cum_quantity=order.filled,
            avg_price=order.value / order.filled,
            order_ref=spec.order_ref,
            at=now,
            commission=commission,
            commission_currency=paid_in,
            realized_pnl=realized,
        )
        self._book.executions.append(execution)
        return execution

    def _commission(self, order: LiveOrder, listing: Listing) -> tuple[str, Decimal]:
        """What all that has filled of the order costs, and in which currency."""
        if listing.sec_type != "CASH":
            value = order.value * multiplier(listing)
            return listing.currency, order_commission(listing.currency, order.filled, value)
        base = self._bases[order.spec.account]
        dollars = order.filled * self._accountant.rate(listing.symbol, "USD")
        fee = conversion_commission(dollars) * self._accountant.rate("USD", base)
        return base, fee.quantize(Decimal("0.000001"))
