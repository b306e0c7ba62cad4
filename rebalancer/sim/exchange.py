"""The exchange and the broker behind the simulated gateway.

Pure: the time is an argument, nothing is read or written, and the same calls give the same
reports. Everything it remembers is its ``Book``, which can be dumped and loaded at any time;
prices, fills, session changes and expiries happen in ``advance``. What goes on inside is in
the rooms of ``venue``; its docstring is the map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Self

from rebalancer.sim.armed import Armed, starts_after
from rebalancer.sim.venue import cancelling
from rebalancer.sim.venue.book import Book
from rebalancer.sim.venue.clearing import Clearing
from rebalancer.sim.venue.desk import Desk
from rebalancer.sim.venue.floor import Floor
from rebalancer.sim.venue.funds import Funds
from rebalancer.sim.venue.history import Past, history
from rebalancer.sim.venue.ledger import open_ledger
from rebalancer.sim.venue.market import Market, opening_prices
from rebalancer.sim.venue.market_data import MarketData
from rebalancer.sim.venue.plain import from_plain, to_plain
from rebalancer.sim.venue.records import Records
from rebalancer.sim.venue.standing import Accountant
from rebalancer.sim.venue.statements import Statements
from rebalancer.sim.vocabulary import (
    AccountValueView,
    Bar,
    ContractSpec,
    ContractView,
    Execution,
    ExecutionFilter,
    Fault,
    MarketDataGrant,
    OrderSpec,
    OrderView,
    PnlView,
    PositionView,
    QuoteView,
    Report,
    Ticked,
)
from rebalancer.sim.world import World


class Exchange:
    """Accounts, orders and fills of one ``world``, from ``now`` (Unix seconds) on.

    ``book`` is what an earlier exchange remembered (see ``from_dict``).
    """

    def __init__(self, world: World, now: float, *, book: Book | None = None) -> None:
        self.world = world
        fresh = book is None
        self._book = book or Book(
            started=now,
            now=now,
            prices=opening_prices(world),
            ledgers={spec.account_id: open_ledger(spec) for spec in world.accounts},
            struck=[0] * len(world.faults),
        )
        book, habits = self._book, world.habits
        faults = (*world.faults, *book.injected)
        self._armed = Armed(faults, book.struck, book.started)
        self._market = Market(world, book, self._armed)
        self._data = MarketData(self._market, book, self._armed)
        accountant = Accountant(self._market, world.rates)
        bases = {spec.account_id: spec.currency for spec in world.accounts}
        self._clearing = Clearing(habits, book, self._market, self._armed, accountant, bases)
        self._floor = Floor(habits, book, self._market, self._clearing)
        funds = Funds(world.accounts, book, self._market, accountant)
        self._desk = Desk(world, book, self._market, self._floor, funds, self._armed)
        self._records = Records(book, self._market)
        self._statements = Statements(world.accounts, book, self._market, accountant)
        if fresh:
            self._market.step()
            for standing in world.orders:
                self._desk.stand(standing)
            self._mark_equity()

    @property
    def started(self) -> float:
        """When this world began; a loaded state keeps its first start. Unix seconds."""
        return self._book.started

    @property
    def now(self) -> float:
        """How far the time has been let pass; Unix seconds."""
        return self._book.now

    # Requests that change something: reports in the order a real gateway sends them ------

    def connect(self, client_id: int, now: float) -> int:  # noqa: ARG002 - no time passes
        """The next valid order id of this client."""
        return self._book.next_order_id(client_id)

    def place(
        self,
        client_id: int,
        order_id: int,
        contract: ContractSpec,
        order: OrderSpec,
        now: float,
    ) -> tuple[Report, ...]:
        """Place, modify (live id of the same client), stage, transmit or preview an order."""
        before = self.advance(now)
        return (*before, *self._desk.place(client_id, order_id, contract, order))

    def cancel(self, client_id: int, order_id: int, now: float) -> tuple[Report, ...]:
        """Cancel one order; client 0 may cancel any client's."""
        before = self.advance(now)
        return (
            *before,
            *cancelling.cancel(
                self._book, self._market, self._floor, self._armed, client_id, order_id
            ),
        )

    def global_cancel(self, client_id: int, now: float) -> tuple[Report, ...]:  # noqa: ARG002 - whoever asks, all orders go
        """Cancel every order of every client."""
        before = self.advance(now)
        return (*before, *cancelling.global_cancel(self._book, self._floor))

    def advance(self, now: float) -> tuple[Report, ...]:
        """Let the time pass until ``now``: prices, fills, session changes, expiries.

        A time in the past changes nothing.
        """
        book = self._book
        reports: list[Report] = []
        while (moment := self._floor.next_event()) is not None and moment <= now:
            book.now = moment
            reports += self._floor.step()
            if self._market.turn_of_day(moment):
                self._mark_equity()
        if now > book.now:
            book.now = now
            reports += self._floor.step()
        return tuple(reports)

    def next_wakeup(self, now: float) -> float | None:
        """When ``advance`` has something to do next; ``None`` if never."""
        moments = (self._floor.next_event(), self._market.next_wiggle(max(now, self.now)))
        return min((moment for moment in moments if moment is not None), default=None)

    def _mark_equity(self) -> None:
        for account, ledger in self._book.ledgers.items():
            ledger.equity_at_close = self._statements.net_liquidation(account)
            ledger.realized.clear()

    # Queries: contracts and prices -------------------------------------------------------

    @property
    def accounts(self) -> tuple[str, ...]:
        """Account ids, in the scenario's order."""
        return tuple(self._book.ledgers)

    def find(self, spec: ContractSpec) -> tuple[ContractView, ...]:
        """Every listed contract that matches; empty means error 200."""
        return tuple(self._market.view(found, self.now) for found in self._market.find(spec))

    def contract(self, con_id: int) -> ContractView:
        """One contract, hours as of now. Raises KeyError for an unknown id."""
        return self._market.view(self._market.listing(con_id), self.now)

    def quote(self, con_id: int, now: float, kind: int = 1) -> QuoteView:  # noqa: ARG002 - no time passes
        """The quote as market data of this kind (1 live .. 4 delayed-frozen) shows it.

        It is as of the last ``advance``. Prices are NaN or -1 while a fault says so. Raises
        KeyError for an unknown id.
        """
        return self._data.quote(con_id, kind)

    def market_data_type(self, con_id: int, requested: int) -> MarketDataGrant:
        """What a request for market data of this kind is granted."""
        return self._data.grant(con_id, requested)

    def history(
        self,
        con_id: int,
        *,
        end: float,
        duration: str,
        bar_size: str,
        what: str,
        use_rth: bool,
    ) -> tuple[Bar, ...] | str:
        """Bars up to ``end``, oldest first; a text is error 162's reason."""
        market = self._market
        past = Past(
            market.listing(con_id),
            market.calendar(con_id),
            self._book.started,
            self.now,
            market.last(con_id),
        )
        return history(
            past, end=end, duration=duration, bar_size=bar_size, what=what, use_rth=use_rth
        )

    # Queries: accounts -------------------------------------------------------------------

    def positions(self, account: str) -> tuple[PositionView, ...]:
        """Holdings, without those that are zero. Raises KeyError for an unknown account."""
        return self._statements.positions(account)

    def account_values(self, account: str) -> tuple[AccountValueView, ...]:
        """Every row ``updateAccountValue`` shows. Raises KeyError for an unknown account."""
        return self._statements.account_values(account)

    def account_summary(
        self, account: str, tags: Sequence[str]
    ) -> tuple[AccountValueView, ...]:
        """Rows of the asked tags, sorted; ``$LEDGER``, ``$LEDGER:EUR``, ``$LEDGER:ALL`` too.

        Raises KeyError for an unknown account.
        """
        return self._statements.account_summary(account, tags)

    def pnl(self, account: str) -> PnlView:
        """Profit and loss of today, in the base currency."""
        return self._statements.pnl(account)

    # Queries: orders and fills -----------------------------------------------------------

    def open_orders(self) -> tuple[OrderView, ...]:
        """Orders of every client that may still fill."""
        return tuple(order.view() for order in self._book.working())

    def completed_orders(self, *, api_only: bool = True) -> tuple[OrderView, ...]:  # noqa: ARG002 - every order came by the API
        """Orders that ended today, oldest first.

        As recorded, a filled order's quantity has become zero; ``filled`` says what it was.
        """
        return self._records.completed_orders()

    def executions(self, wanted: ExecutionFilter) -> tuple[Execution, ...]:
        """Today's fills that match, a corrected one followed by its correction."""
        return self._records.executions(wanted)

    @property
    def fills(self) -> tuple[Execution, ...]:
        """Every fill since the world began, a correction in place of what it corrects."""
        return self._records.fills()

    def orders_by_ref(self, order_ref: str) -> tuple[OrderView, ...]:
        """Every order, live or ended, with this orderRef, oldest first."""
        return self._records.orders_by_ref(order_ref)

    # Levers of scenarios and tests -------------------------------------------------------

    def set_price(
        self, instrument: int | str, price: Decimal, now: float
    ) -> tuple[Report, ...]:
        """Move the price of a con id or symbol until its path moves it again.

        Raises KeyError for an unknown instrument.
        """
        before = self.advance(now)
        con_id = self._market.listing(instrument).con_id
        self._market.set_price(con_id, price)
        return (*before, Ticked(con_id), *self._floor.step())

    def correct_fill(self, exec_id: str, price: Decimal, now: float) -> tuple[Report, ...]:
        """Correct a fill's price: the same execId with the next revision.

        Raises KeyError for an unknown execId.
        """
        before = self.advance(now)
        found = [each for each in self._book.executions if each.exec_id == exec_id]
        if not found:
            raise KeyError(exec_id)
        return (*before, *self._clearing.correct(found[0], price))

    def arm(self, fault: Fault, now: float) -> None:
        """Arm one of the exchange's faults; ``when`` "+SECONDS" counts from ``now``."""
        after = starts_after(fault)
        if after is not None:
            fault = replace(fault, when=f"+{now - self.started + after}")
        self._book.injected.append(fault)
        self._book.struck.append(0)
        self._armed.add(fault)

    def roll_back_ids(self, client_id: int, to: int) -> None:
        """Forget which order ids from ``to`` on this client used; the orders live on."""
        self._book.next_order_ids[client_id] = to
        for order in self._book.everything():
            if order.client_id == client_id and order.order_id >= to:
                order.orphaned = True

    # State -------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything ``from_dict`` needs besides the world; JSON-able."""
        plain: dict[str, Any] = to_plain(self._book)
        return plain

    @classmethod
    def from_dict(cls, world: World, state: Mapping[str, Any]) -> Self:
        """Go on where ``to_dict`` stopped; accounts and listings new to the world are added.

        Raises ValueError for a state of another form, or of another world.
        """
        book: Book = from_plain(Book, state)
        strange = book.prices.keys() - {listing.con_id for listing in world.listings}
        strange_accounts = book.ledgers.keys() - {spec.account_id for spec in world.accounts}
        if (
            strange
            or strange_accounts
            or (len(book.struck) != len(world.faults) + len(book.injected))
        ):
            raise ValueError("the state was saved in another world")
        for con_id, price in opening_prices(world).items():
            book.prices.setdefault(con_id, price)
        for spec in world.accounts:
            book.ledgers.setdefault(spec.account_id, open_ledger(spec))
        return cls(world, book.now, book=book)
