"""An exchange that counts what happens and does something terrible at the right moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from rebalancer.core.order import Order
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.venue.floor import BY_TRADER
from rebalancer.sim.vocabulary import (
    ContractSpec,
    Opened,
    OrderSpec,
    OrderView,
    PositionView,
    Report,
    StatusChanged,
)
from rebalancer.sim.world import Holding, World
from tests.support.sim_gateway import AAPL, BND, SPY, small_world

#: ``received``: an order arrives and has no effect yet. ``taken``: it has, but nothing of it
#: has been told. ``filled``: a fill nobody has been told of. ``cancelling``, ``cancelled``:
#: the same of a cancel.
WORKING = frozenset({"PreSubmitted", "Submitted"})
Moment = Literal["received", "taken", "filled", "cancelling", "cancelled"]


def world(**changes: object) -> World:
    """Two accounts that both have to sell before they can buy what they lack."""
    plain = small_world()
    first, second = plain.accounts
    first = replace(
        first,
        cash={"USD": Decimal(20_000)},
        holdings=(Holding(AAPL, Decimal(410), Decimal(150)),),
    )
    second = replace(
        second,
        cash={"USD": Decimal(5_000)},
        holdings=(
            Holding(BND, Decimal(600), Decimal(70)),
            Holding(SPY, Decimal(10), Decimal(400)),
        ),
    )
    return replace(plain, accounts=(first, second), **changes)  # type: ignore[arg-type]


class Trapped(Exchange):
    """An exchange that counts what happens and does something terrible at the right moment."""

    def __init__(self, world: World, now: float) -> None:
        super().__init__(world, now)
        self._traps: list[tuple[Moment, int, Callable[[], object]]] = []
        self._counts: Counter[Moment] = Counter()
        #: How often each orderRef was sent, by account.
        self.sent: Counter[tuple[str, str]] = Counter()
        self._known: set[tuple[int, int, str]] = set()
        #: What was sent, in this order.
        self.orders: list[OrderSpec] = []
        #: Orders that arrive are thrown away, as if they had died with their sender.
        self.deaf = False
        #: The same for these clients only.
        self.deaf_to: set[int] = set()
        #: Who spoke last.
        self.sender = 0
        #: When each order came, Unix seconds.
        self.came: list[float] = []
        #: The least cash each account ever had, and the least shares of anything.
        self.least_cash: dict[str, Decimal] = {}
        self.least_shares: dict[str, Decimal] = {}
        #: Seconds after which a fill shows in the positions.
        self.position_lag = 0.0
        #: Orders in these are shown as ``Inactive`` while they work.
        self.held_back: set[str] = set()

    def trap(self, moment: Moment, nth: int, spring: Callable[[], object]) -> None:
        """Call ``spring`` at the ``nth`` such moment from now, in the middle of it."""
        self._traps.append((moment, self._counts[moment] + nth, spring))

    def _came(self, moment: Moment) -> None:
        self._counts[moment] += 1
        due = [t for t in self._traps if t[:2] == (moment, self._counts[moment])]
        for _, _, spring in due:
            spring()

    def place(
        self,
        client_id: int,
        order_id: int,
        contract: ContractSpec,
        order: OrderSpec,
        now: float,
    ) -> tuple[Report, ...]:
        """An order arrives."""
        self.sender = client_id
        self._came("received")
        if self.deaf or client_id in self.deaf_to:
            return ()
        if (client_id, order_id, order.order_ref) not in self._known:
            # What comes again under its id is a change of its limit.
            self._known.add((client_id, order_id, order.order_ref))
            self.sent[order.account, order.order_ref] += 1
            self.orders.append(order)
        self.came.append(now)
        before = len(self._book.executions)
        reports = super().place(client_id, order_id, contract, order, now)
        self._came("taken")
        self._look(before)
        return tuple(self._disguised(report) for report in reports)

    def cancel(self, client_id: int, order_id: int, now: float) -> tuple[Report, ...]:
        """A cancel arrives."""
        self.sender = client_id
        self._came("cancelling")
        if self.deaf or client_id in self.deaf_to:
            return ()
        reports = super().cancel(client_id, order_id, now)
        self._came("cancelled")
        return reports

    def advance(self, now: float) -> tuple[Report, ...]:
        """Time passes."""
        before = len(self._book.executions)
        reports = super().advance(now)
        self._look(before)
        return reports

    def _look(self, before: int) -> None:
        for account in self.accounts:
            cash = self.cash(account)
            self.least_cash[account] = min(cash, self.least_cash.get(account, cash))
            fewest = min([Decimal(0), *self.shares(account).values()])
            self.least_shares[account] = min(fewest, self.least_shares.get(account, fewest))
        for _ in range(len(self._book.executions) - before):
            self._came("filled")

    def positions(self, account: str) -> tuple[PositionView, ...]:
        """Holdings, without the fills that do not show yet."""
        views = super().positions(account)
        recent = [
            each
            for each in self._book.executions
            if each.account == account and each.at > self.now - self.position_lag
        ]
        for fill in recent:
            back = -fill.shares if fill.side == "BOT" else fill.shares
            if not any(view.con_id == fill.con_id for view in views):
                zero, con_id = Decimal(0), fill.con_id
                gone = PositionView(
                    account, con_id, zero, fill.price, fill.price, zero, zero, zero
                )
                views = (*views, gone)
            views = tuple(
                replace(view, quantity=view.quantity + back)
                if view.con_id == fill.con_id
                else view
                for view in views
            )
        return tuple(view for view in views if view.quantity)

    def open_orders(self) -> tuple[OrderView, ...]:
        """Working orders, some of them in disguise."""
        return tuple(self._masked(view) for view in super().open_orders())

    def _disguised(self, report: Report) -> Report:
        if isinstance(report, Opened | StatusChanged):
            return replace(report, view=self._masked(report.view))
        return report

    def _masked(self, view: OrderView) -> OrderView:
        hidden = self.contract(view.con_id).symbol in self.held_back
        return replace(view, status="Inactive") if hidden and view.status in WORKING else view

    def cancel_orphans(self) -> tuple[Report, ...]:
        """What a person does in TWS about orders that no client can cancel any more."""
        orphans = [order for order in self._book.working() if order.orphaned]
        return tuple(report for o in orphans for report in self._floor.end(o, BY_TRADER))

    def buy(self, order: Order, order_id: int, now: float) -> None:
        """An order of client 10 arrives whose sender has died since."""
        contract = ContractSpec(con_id=order.con_id, symbol=order.symbol, exchange="SMART")
        spec = OrderSpec(
            order.action,
            Decimal(order.quantity),
            order.order_type,
            order.limit_price,
            None,
            order.tif,
            order.account_id,
            order_ref=order.order_ref,
        )
        self.place(10, order_id, contract, spec, now)

    def cash(self, account: str) -> Decimal:
        """What the account has in dollars."""
        return self.purse(account).get("USD", Decimal(0))

    def purse(self, account: str) -> dict[str, Decimal]:
        """What the account has, by currency."""
        return dict(self._book.ledgers[account].cash)

    def round_trips(self, account: str) -> list[str]:
        """What was both bought and sold; what is needed is traded one way only."""
        traded: dict[tuple[int, str], Decimal] = {}
        for fill in self.fills:
            if fill.account == account:
                way = (fill.con_id, fill.side)
                traded[way] = traded.get(way, Decimal(0)) + fill.shares
        return [
            f"{account} bought {bought} and sold {traded[con_id, 'SLD']} "
            f"{self.contract(con_id).symbol}"
            for (con_id, side), bought in traded.items()
            if side == "BOT" and (con_id, "SLD") in traded
        ]

    def shares(self, account: str) -> dict[str, Decimal]:
        """What the account holds, as the exchange knows it."""
        held = self._book.ledgers[account].positions
        return {
            self.contract(con_id).symbol: position.quantity
            for con_id, position in held.items()
            if position.quantity
        }
