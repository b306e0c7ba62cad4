"""Everything the exchange remembers: one tree of plain values that can be dumped and loaded.

Only this changes while the simulator runs; the world it lives in stays as it was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from rebalancer.sim.venue.market_hours import stamp
from rebalancer.sim.vocabulary import Execution, Fault, OrderSpec, OrderView, Status

#: Recorded gateways route the two sides differently; the first group of an execId shows it.
EXEC_PREFIX = {"BUY": "0000e0d5", "SELL": "0000dc8f"}
DONE: frozenset[Status] = frozenset({"Filled", "Cancelled", "Inactive"})


@dataclass(slots=True)
class Quirks:
    """What faults do to one order."""

    #: Shares that may fill at all, and whether the rest is cancelled then.
    cap: Decimal | None = None
    cancel_rest: bool = False
    #: Seconds before its first fill.
    fill_after: float = 0.0
    filled_first: bool = False
    double_report: bool = False
    commission_after: float = 0.0
    #: The right price of its first fill, and how long after that it is known.
    correct_to: Decimal | None = None
    correct_after: float = 0.0
    #: The price it is capped at, and the warning that says so.
    cap_price: Decimal | None = None
    cap_text: str = ""


@dataclass(slots=True)
class LiveOrder:
    """An order from its acceptance on, ended ones included. Times are Unix seconds."""

    client_id: int
    order_id: int
    perm_id: int
    con_id: int
    spec: OrderSpec
    status: Status = "PreSubmitted"
    filled: Decimal = Decimal(0)
    #: Sum of shares times price of the fills, and the commission charged for them.
    value: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    why_held: str = ""
    #: Held until ``active_at``: the market is closed, or ``goodAfterTime`` has not come.
    held: bool = False
    active_at: float = 0.0
    #: No fill before this (slow venue, late fill).
    fill_from: float = 0.0
    #: The auction that fills it (MOC, LOC, OPG), else ``None``.
    auction_at: float | None = None
    expire_at: float | None = None
    #: It has been in the market without a counterpart: from then on it fills at its limit.
    resting: bool = False
    #: Where a stop triggers now; ``None`` once triggered or if there is none.
    stop: Decimal | None = None
    #: Not transmitted yet: only its own client knows of it.
    staged: bool = False
    #: The id was given out anew after a roll-back; this order is known by permId only.
    orphaned: bool = False
    completed_at: float = 0.0
    completed_text: str = ""
    quirks: Quirks = field(default_factory=Quirks)

    @property
    def working(self) -> bool:
        """It may still fill."""
        return not self.staged and self.status not in DONE

    @property
    def remaining(self) -> Decimal:
        """Shares still to fill."""
        return self.spec.quantity - self.filled

    @property
    def buys(self) -> bool:
        """It is a buy."""
        return self.spec.action == "BUY"

    def view(self, zone: str = "US/Eastern") -> OrderView:
        """The order as a session shows it now."""
        return OrderView(
            order_id=self.order_id,
            client_id=self.client_id,
            perm_id=self.perm_id,
            con_id=self.con_id,
            order=self.spec,
            status=self.status,
            filled=self.filled,
            remaining=self.remaining,
            avg_price=self.value / self.filled if self.filled else Decimal(0),
            last_price=self.last_price,
            why_held=self.why_held,
            warning=self.quirks.cap_text,
            cap_price=self.quirks.cap_price or Decimal(0),
            completed_time=stamp(self.completed_at, zone) if self.completed_at else "",
            completed_status=self.completed_text,
        )


@dataclass(slots=True)
class Position:
    """A holding, short when negative; ``avg_cost`` a share, commissions included."""

    quantity: Decimal
    avg_cost: Decimal


@dataclass(slots=True)
class Proceeds:
    """Cash of a sale that counts only from ``at`` on."""

    at: float
    currency: str
    amount: Decimal


@dataclass(slots=True)
class Ledger:
    """One account's money and holdings."""

    cash: dict[str, Decimal]
    positions: dict[int, Position]
    proceeds: list[Proceeds] = field(default_factory=list)
    #: Currency pairs as they were traded; the money itself is in ``cash``.
    pairs: dict[int, Position] = field(default_factory=dict)
    #: NetLiquidation when the last session closed, base currency: where today's P&L begins.
    equity_at_close: Decimal = Decimal(0)
    #: Realized profit since then by con id, in the instrument's currency.
    realized: dict[int, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class Price:
    """One instrument's day so far. ``price`` is where its path or a lever put it."""

    price: Decimal
    close: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal = Decimal(0)
    last_size: Decimal = Decimal(0)
    #: How many points of the path have been passed.
    passed: int = 0
    #: Stopped from trading until this time; 0 for not at all.
    halted_until: float = 0.0
    #: Shares taken from the touch since ``taken_at``, by side.
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    taken_at: float = 0.0


@dataclass(slots=True)
class Later:
    """A report that is due at ``at``: a commission, or with ``price`` a correction."""

    at: float
    exec_id: str
    price: Decimal | None = None


@dataclass(slots=True)
class Book:
    """The whole state."""

    started: float
    now: float
    prices: dict[int, Price]
    ledgers: dict[str, Ledger]
    #: How often each fault of the world has struck.
    struck: list[int]
    #: Orders that have not ended, staged ones among them, oldest first.
    orders: list[LiveOrder] = field(default_factory=list)
    #: Orders that have, in the order they did.
    ended: list[LiveOrder] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    next_order_ids: dict[int, int] = field(default_factory=dict)
    #: Faults armed while running, beyond the world's.
    injected: list[Fault] = field(default_factory=list)
    perm_ids: int = 0
    exec_ids: int = 0

    def working(self) -> Iterator[LiveOrder]:
        """Orders that may still fill, oldest first."""
        return (order for order in list(self.orders) if order.working)

    def find(self, client_id: int, order_id: int) -> LiveOrder | None:
        """The order a client means by this id."""
        if order_id >= self.next_order_id(client_id):
            return None
        wanted = (client_id, order_id, False)
        for order in (*self.orders, *reversed(self.ended)):
            if (order.client_id, order.order_id, order.orphaned) == wanted:
                return order
        return None

    def everything(self) -> list[LiveOrder]:
        """Orders of every state, newest first."""
        both = (*self.orders, *self.ended)
        return sorted(both, key=lambda order: order.perm_id, reverse=True)

    def end(self, order: LiveOrder, status: Status, text: str) -> None:
        """End an order now; ``text`` is what completed orders say of how."""
        order.status, order.completed_text = status, text
        order.completed_at, order.why_held, order.staged = self.now, "", False
        self.orders.remove(order)
        self.ended.append(order)

    def next_order_id(self, client_id: int) -> int:
        """The next valid order id of a client."""
        return self.next_order_ids.get(client_id, 1)

    @property
    def next_perm_id(self) -> int:
        """The permId given next: the start's second counts on, so that worlds differ."""
        return int(self.started) + self.perm_ids

    def take_perm_id(self) -> int:
        """A permId never given before."""
        self.perm_ids += 1
        return self.next_perm_id - 1

    def take_exec_id(self, action: str) -> str:
        """An execId never given before, shaped ``0000e0d5.69e05ee5.01.01``."""
        number = int(self.started) + self.exec_ids
        self.exec_ids += 1
        return f"{EXEC_PREFIX[action]}.{number:08x}.01.01"
