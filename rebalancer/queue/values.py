"""What the queue's moves answer with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from rebalancer.core.event import Event
from rebalancer.core.request import Aim

SweepKind = Literal["leases", "repair", "retry", "delayed"]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to execute ``event``, until ``expires_at`` (Unix seconds) or a heartbeat."""

    event: Event
    #: Fencing token: larger than that of every earlier lease.
    token: int
    worker: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Bytes that are no event, and why. Data for the dead letter, never an exception."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Stray:
    """A lease on an event that only Python finds unreadable; the caller buries it."""

    lease: Lease
    reason: str


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of a signal.

    ``queued``: it is a new event. ``merged``: ``event_id`` names the earlier event that
    carries it now. ``rerun``: its key is executing; it runs right after.
    """

    status: Literal["queued", "merged", "rerun"]
    event_id: str
    #: Where ``event_id`` stands now, 1 is next; 0: not in the queue (any more).
    position: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a lease ended. ``follow_up`` is the event put into the queue in its wake, or ''.

    A delayed event is ``queued`` when a high-priority signal came while it executed.
    """

    status: Literal["completed", "delayed", "released", "dead", "queued"]
    event_id: str
    follow_up: str = ""


@dataclass(frozen=True, slots=True)
class Retried:
    """A failed event: waiting for ``due_at``, ``dead``, or ``queued`` by a high signal."""

    status: Literal["retrying", "queued", "dead"]
    event_id: str
    attempt: int
    due_at: float | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """One thing a sweep did: ``fate`` is ``queued``, ``merged``, ``dead`` or ``repaired``."""

    #: Event id; for repairs the name of what was mended.
    event_id: str
    account_id: str
    fate: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one bounded sweep moved. ``more``: call again, there is more to do now."""

    kind: SweepKind
    moved: tuple[Moved, ...]
    more: bool = False
    #: Unix seconds when this sweep will next have something to do, if known.
    next_at: float | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the events moved."""
        return tuple(moved.event_id for moved in self.moved)


@dataclass(frozen=True, slots=True)
class Requeued:
    """What became of a dead event; ``absent`` and ``unreadable`` left everything as it was."""

    status: Literal["queued", "merged", "rerun", "absent", "unreadable"]
    #: The event that carries the signal now.
    event_id: str


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts by state; times are Unix seconds, ``None`` when there is no such event."""

    #: Accepted and not executing, parked ones included.
    queued: int
    #: Popped, but their account was busy; they go first when it is free.
    parked: int
    leased: int
    retrying: int
    delayed: int
    dead: int
    #: Members of ``active_events_set``; equals ``queued + leased``.
    active: int
    journal: int
    #: ``received_at`` of the event at the dequeue end.
    next_received_at: float | None
    next_retry_at: float | None
    next_delayed_at: float | None


@dataclass(frozen=True, slots=True)
class Listed:
    """An event and where it is. ``event`` is ``None`` if unreadable; ``raw`` shows it then."""

    event_id: str
    #: queued, leased, retrying, delayed, dead; from ``show`` also completed, removed, merged.
    state: str
    event: Event | None
    raw: str
    #: When it was put where it is (retrying, dead) or shall run (delayed); Unix seconds.
    at: float | None = None
    #: When a retrying event is due.
    due_at: float | None = None
    parked: bool = False
    worker: str = ""
    token: int = 0
    expires_at: float | None = None
    reason: str = ""
    error: str = ""
    #: The journal's data of a finished event.
    outcome: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing; ``next`` is the cursor of the following page, ``None`` at the end."""

    items: tuple[Listed, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an intent may not be sent, and the figure that says so.

    ``turnover``: with it the trading day would be above its limit; ``figure`` is what was
    counted before, in hundredths. ``counter``: that count reads ``figure``, which is no number.
    ``wash_sale``: ``figure`` tells where it was sold at a loss.
    """

    why: Literal["turnover", "counter", "wash_sale"]
    figure: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """Which intents may be sent now, and the reason for each that may not."""

    allowed: frozenset[str]
    halted: Mapping[str, str]
    refused: Mapping[str, Refused] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spending:
    """What an event's passes do and have cost; money is the account's currency."""

    #: At the begin of the last pass.
    cash: Decimal
    #: By the passes before that one.
    spent: Decimal
    #: ``None``: it is not known.
    aim: Aim | None = None

    def until(self, cash: Decimal) -> Decimal:
        """What all passes have cost, now that there is so much ``cash``."""
        return self.spent + max(self.cash - cash, Decimal(0))


@dataclass(frozen=True, slots=True)
class Halt:
    """New orders of ``scope`` are stopped: ``all``, ``account:<id>`` or ``symbol:<symbol>``.

    ``hold:<id>`` is an account whose differences wait to be accepted, see ``Hold``.
    """

    scope: str
    reason: str
    #: Unix seconds; 0 when the stored value is unreadable (it halts all the same).
    at: float
    #: Orders in the scope that work already are to be cancelled, too.
    cancel_open: bool = False
    #: Names this halt in the answers to it.
    request: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """An account whose orders are stopped because its differences wait to be accepted."""

    account_id: str
    reason: str
    #: Unix seconds; 0 when the stored value is unreadable (it holds all the same).
    at: float
    #: Each with ``kind``, ``order_ref``, ``ours``, ``theirs`` and ``fingerprint``; the fields
    #: are those of ``core.reconcile``.
    differences: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Daemon:
    """A program's last sign of life. ``at`` is Unix seconds."""

    name: str
    at: float
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal. ``id`` orders it and is the cursor to read on from."""

    id: str
    #: Unix seconds by the clock of whoever made the move.
    at: float
    kind: str
    #: '' when the entry concerns no single event or account.
    event_id: str
    account_id: str
    data: Mapping[str, Any]
