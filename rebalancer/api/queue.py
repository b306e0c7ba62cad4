"""The queue: what is in it, what goes in, what is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, ConfigDict, Field

from rebalancer.api import idempotency
from rebalancer.api.asks import ONLY_REBALANCES, Asks
from rebalancer.api.context import account, context, now, read, write
from rebalancer.api.problem import ProblemError
from rebalancer.api.routes import AccountId, Answer, Asked, Resource, Told
from rebalancer.core.plain import plain
from rebalancer.ingest import accept
from rebalancer.queue import moves
from rebalancer.queue.desk import CLEARABLE
from rebalancer.queue.values import Listed

resource = Resource("queue", "Events on their way.")

#: What a caller may call a state -> the state.
STATES = {
    "active": "active",
    "queued": "queued",
    "leased": "leased",
    "retry": "retrying",
    "delayed": "delayed",
    "dead": "dead",
}

Kind = Literal["active", "queued", "leased", "retry", "delayed", "dead"]
Command = Literal[
    "rebalance",
    "print-rebalance",
    "print-positions",
    "print-equity",
    "print-orders",
    "cancel-orders",
    "settle-orders",
]
SenderId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
Limit = Annotated[int, Field(ge=1, le=200)]
Cursor = Annotated[int, Field(ge=0, le=1_000_000_000)]


class QueueStatus(Told):
    """How many events there are in each state."""

    #: Accepted and not executing.
    queue_length: int
    #: Keys that are queued or executing.
    active_events_count: int
    retry_events_count: int
    delayed_events_count: int
    dead_letter_count: int
    #: Of the event that runs next; null when none waits.
    oldest_event_age_seconds: float | None
    executing_events_count: int
    #: Popped, but their account was busy.
    parked_events_count: int
    #: Unix seconds; null when there is none.
    next_retry_at: float | None
    next_delayed_at: float | None
    #: Scopes whose new orders are stopped.
    halted: list[str]


class EventShown(Told):
    """One signal, as it was accepted."""

    event_id: str
    account_id: str
    exec_command: str
    received_at: float
    data: dict[str, Any]
    priority: str
    source: str
    attempt: int
    last_error: str
    #: Later signals that were folded into it.
    merged: int
    reclaims: int


class ListedEvent(Told):
    """An event and where it is."""

    event_id: str
    #: queued, leased, retrying, delayed, dead, completed, removed or merged
    state: str
    #: Null if it is unreadable; `raw` shows it then.
    event: EventShown | None
    raw: str
    at: float | None
    due_at: float | None
    parked: bool
    worker: str
    token: int
    expires_at: float | None
    reason: str
    error: str
    #: What came of a finished event.
    outcome: dict[str, Any] | None


class EventPage(Told):
    """Part of a listing."""

    items: list[ListedEvent]
    #: For the next page; null at the end.
    cursor: int | None


class Listing(Asked):
    """Which events, and which page of them."""

    type: Kind = "active"
    limit: Limit = 50
    cursor: Cursor = 0


class Signal(Asked):
    """A command for an account."""

    model_config = ConfigDict(json_schema_extra=ONLY_REBALANCES)

    account_id: AccountId
    exec_command: Command = "rebalance"
    #: The sender's own id: sent again, it changes nothing and gets the same answer.
    event_id: SenderId | None = Field(
        None, validation_alias=AliasChoices("eventId", "event_id")
    )
    #: high goes first.
    priority: Literal["normal", "high"] = "normal"
    data: Asks = Asks()


class Accepted(Told):
    """What became of a signal. It is safe once this is answered."""

    #: The event that carries it.
    event_id: str
    #: queued: a new event; merged: into one that waits; rerun: right after the one that runs
    status: Literal["queued", "merged", "rerun"]
    #: Its place in the queue, 1 is next; 0: it is not in the queue (any more).
    position: int
    #: Where to look what becomes of it.
    location: str


class Removed(Told):
    """What was taken out."""

    event_id: str
    #: The state that it was in.
    was: str


class Clearing(Asked):
    """What is taken out, and that this is meant."""

    confirm: Literal["yes"]
    type: Literal["all", "queued", "retry", "delayed", "dead"] = "all"


class Cleared(Told):
    """How many events were taken out."""

    removed: int
    states: list[str]


@resource.route("GET", "/queue/status", {200: QueueStatus})
def status() -> QueueStatus:
    """Count the events by state."""
    at = now()
    stats = read(moves.stats(now=at))
    since = stats.next_received_at
    return QueueStatus(
        queue_length=stats.queued,
        active_events_count=stats.active,
        retry_events_count=stats.retrying,
        delayed_events_count=stats.delayed,
        dead_letter_count=stats.dead,
        oldest_event_age_seconds=None if since is None else max(at - since, 0.0),
        executing_events_count=stats.leased,
        parked_events_count=stats.parked,
        next_retry_at=stats.next_retry_at,
        next_delayed_at=stats.next_delayed_at,
        halted=sorted(read(moves.halts())),
    )


@resource.route("GET", "/queue/events", {200: EventPage}, query=Listing)
def events(query: Listing) -> EventPage:
    """List events of one type, a page at a time.

    active is queued and executing together, executing ones first. Queued ones come in the order
    they will run, waiting ones by time, dead ones newest first. What moves between two pages
    may be missed or seen twice.
    """
    page = read(moves.list_events(STATES[query.type], cursor=query.cursor, limit=query.limit))
    return EventPage(items=[listed(item) for item in page.items], cursor=page.next)


def listed(item: Listed) -> ListedEvent:
    """Return an event as it is shown."""
    return ListedEvent.model_validate(plain(item))


@resource.route(
    "POST", "/queue/events", {202: Accepted}, body=Signal, problems=("not-found", "in-the-way")
)
def enqueue(body: Signal) -> Answer:
    """Send a signal; it is in the queue once this is answered."""
    return signal(
        body.account_id,
        body.exec_command,
        source="api",
        event_id=body.event_id,
        priority=body.priority,
        data=body.data.data(),
    )


def signal(
    account_id: str,
    exec_command: str,
    *,
    source: str,
    event_id: str | None = None,
    priority: str = "normal",
    data: Mapping[str, Any] | None = None,
) -> Answer:
    """Enqueue a signal for an account that is traded.

    Raises:
        ProblemError: the account is unknown or not traded.
    """
    why_not = context().settings.why_not_traded(account(account_id).account_id)
    if why_not:
        remedy = "Change it in accounts.yaml, then `systemctl reload rebalancer-api`."
        raise ProblemError("in-the-way", why_not, remedy=remedy)
    at = now()
    event = accept(
        account_id,
        exec_command,
        now=at,
        source=source,
        event_id=event_id or idempotency.event_id(),
        priority=priority,
        data=data,
    )
    found = write(moves.enqueue(event, now=at))
    where = f"/queue/events/{found.event_id}"
    told = Accepted(
        event_id=found.event_id,
        status=found.status,
        position=found.position,
        location=where,
    )
    return Answer(told, 202, {"Location": where})


@resource.route("GET", "/queue/events/{event_id}", {200: ListedEvent}, problems=("not-found",))
def event(event_id: str) -> ListedEvent:
    """Show where one event is, and everything about it.

    Of a finished one, what came of it, while the journal remembers: a preview's plan is in
    `outcome.plan`.
    """
    found = read(moves.show(event_id))
    if found is None or found.state == "removed":
        raise absent(event_id)
    return listed(found)


def absent(event_id: str) -> ProblemError:
    """Say that there is no such event."""
    return ProblemError(
        "not-found",
        f"No event {event_id} is in the queue, nor was one completed lately.",
        remedy=f"GET /runs/{event_id} has its story, if there is one.",
    )


@resource.route("DELETE", "/queue/events/{event_id}", {200: Removed}, problems=("not-found",))
def remove(event_id: str) -> Removed:
    """Take one event out, wherever it is; a worker that executes it stops."""
    was = write(moves.remove(event_id, now=now()))
    if was is None:
        raise absent(event_id)
    return Removed(event_id=event_id, was=was)


@resource.route("DELETE", "/queue/events", {200: Cleared}, query=Clearing)
def clear(query: Clearing) -> Cleared:
    """Take out all events of a type, or of all types, except those that execute.

    Needs `?confirm=yes`.
    """
    states = CLEARABLE if query.type == "all" else (STATES[query.type],)
    return Cleared(removed=write(moves.clear(states, now=now())), states=list(states))
