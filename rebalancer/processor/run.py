"""Everything one event's recipe needs, as plain values and the two wires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from rebalancer.core.event import Event
from rebalancer.core.policy import Policy
from rebalancer.core.rails import Check
from rebalancer.core.target import Target
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.market import Contracts
from rebalancer.gateway.trading import Ticket
from rebalancer.processor.record import Recorder
from rebalancer.queue import moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Lease


@dataclass(frozen=True, slots=True)
class Portfolio:
    """One account as configured: who it is, what it should hold, how it may be moved."""

    account_id: str
    mode: Literal["paper", "live"]
    policy: Policy
    #: Returns the target as it is now; raises ``PermanentError`` with the remedy when there is
    #: none, ``RetryableError`` when it cannot be had at the moment.
    target: Callable[[], Awaitable[Target]]
    #: Accounts, this one among them, that share the wash-sale guard.
    kin: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long each step may take, in seconds."""

    prices: float = 15.0
    fills: float = 120.0
    cancel: float = 10.0
    #: Positions and cash must show the sells' fills within this before the buys are planned.
    settlement: float = 10.0
    #: An order sent right before a crash may reach the gateway this long after it.
    in_flight: float = 2.0
    #: Nothing is sent this long before the gateway is expected to go.
    quiet: float = 300.0


@dataclass(slots=True)
class Tally:
    """What a run has sent, in the account's currency, and what its checks have found."""

    orders: int = 0
    turnover: Decimal = Decimal(0)
    #: Sent earlier this trading day; a text if the counter cannot be read, ``None`` before it
    #: was looked at.
    day: Decimal | str | None = None
    checks: list[Check] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """One leased event being carried out."""

    lease: Lease
    portfolio: Portfolio
    gateway: Connection
    contracts: Contracts
    queue: AsyncQueue
    deadlines: Deadlines
    clock: Callable[[], float]
    #: The connection's generation when it began; orders are sent in this one only.
    generation: int
    #: Set before the first intent of this run is written: from then on it is in mid-flight.
    trading: bool = False
    #: What was sent, by orderRef: commissions come after the fills.
    tickets: dict[str, Ticket] = field(default_factory=dict)
    #: Where the steps leave what the history shall know.
    record: Recorder = field(default_factory=Recorder)
    tally: Tally = field(default_factory=Tally)

    @property
    def event(self) -> Event:
        """The event being carried out."""
        return self.lease.event

    @property
    def unbroken(self) -> bool:
        """Whether the connection is still the one that was compared before this run began."""
        return self.gateway.is_ready and self.gateway.generation == self.generation

    async def note(self, kind: str, data: Mapping[str, Any]) -> None:
        """Write a step of this run to the journal."""
        await self.queue.run(moves.note_event(self.lease, kind, data, now=self.clock()))
