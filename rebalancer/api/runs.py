"""Runs: what each saw, planned, checked, sent and cost, and the journal that tells of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from rebalancer.api.context import context, read
from rebalancer.api.problem import ProblemError
from rebalancer.api.queue import Limit
from rebalancer.api.routes import AccountId, Asked, EventId, Resource, Told
from rebalancer.core.chain import Link
from rebalancer.core.plain import plain
from rebalancer.queue import journal, records
from rebalancer.queue.values import Entry

resource = Resource("runs", "The records of runs, and the journal.")

#: Records, or entries of the journal, that one request looks through at most.
FURTHEST = 2000
#: Entries of the journal read at once.
PAGE = 1000

JournalId = Annotated[str, Field(pattern=r"^[0-9]{1,15}-[0-9]{1,15}$")]


class RunSummary(Told):
    """A run on one line. Money is text, by currency."""

    #: The record's number.
    seq: int
    at: float
    account_id: str
    event_id: str
    command: str
    source: str
    attempt: int
    orders: int
    filled: int
    commission: dict[str, str]
    drift_before: str | None
    drift_after: str | None
    status: str
    reason: str


class Runs(Told):
    """Part of the history, newest first."""

    items: list[RunSummary]
    #: `before` of the next page; null at the end.
    before: int | None


class History(Asked):
    """Which runs, and which page of them."""

    account: AccountId | None = None
    #: Only records with lower numbers.
    before: Annotated[int, Field(ge=1, le=1_000_000_000_000)] | None = None
    limit: Limit = 50


class EntryShown(Told):
    """One line of the journal."""

    #: Orders it, and is the cursor to read on from.
    id: str
    at: float
    kind: str
    event_id: str
    account_id: str
    data: dict[str, Any]


class RunStory(Told):
    """One event's whole story: each of its runs, and the journal as far as it remembers."""

    event_id: str
    #: Of docs/reference/history.md, oldest first; one per attempt.
    records: list[dict[str, Any]]
    journal: list[EntryShown]


class Reading(Asked):
    """Which lines of the journal."""

    account: AccountId | None = None
    event: EventId | None = None
    #: Only what follows this line; without it, the latest lines.
    after: JournalId | None = None
    limit: Limit = 50


class Lines(Told):
    """Part of the journal, oldest first."""

    items: list[EntryShown]
    #: `after` of the next page.
    after: str


@resource.route("GET", "/runs", {200: Runs}, query=History)
def runs(query: History) -> Runs:
    """List the runs, newest first.

    With an account, a page may have fewer than `limit`, even none, and still another one after
    it: a request looks through 2000 records at most.
    """
    return latest(query.account, before=query.before, limit=query.limit)


def latest(account_id: str | None, *, before: int | None = None, limit: int) -> Runs:
    """The runs of an account, or of all, that have lower numbers, newest first."""
    found: list[RunSummary] = []
    looked, last = 0, before
    for link in islice(records.newest_first(context().queue, before), FURTHEST):
        looked, last = looked + 1, link.seq
        if account_id in (None, link.account_id):
            found.append(RunSummary.model_validate(plain(records.summary(link))))
        if len(found) == limit:
            break
    more = len(found) == limit or looked == FURTHEST
    return Runs(items=found, before=last if more else None)


@resource.route("GET", "/runs/{event_id}", {200: RunStory}, problems=("not-found",))
def run(event_id: str) -> RunStory:
    """Tell one run's full story, by its event's id or its record's number.

    By its event's id only one of the latest 2000 records is found.
    """
    links = records.named(context().queue, event_id, furthest=FURTHEST)
    name = links[0].event_id if links and event_id.isdigit() else event_id
    lines = [shown(entry) for entry in _of_event(name, _began(links))]
    if not links and not lines:
        raise ProblemError(
            "not-found",
            f"No record and no line of the journal is about {event_id}.",
            remedy="GET /runs lists the runs.",
        )
    told = [_record(link) for link in links]
    return RunStory(event_id=name, records=told, journal=lines)


def _record(link: Link) -> dict[str, Any]:
    if link.record is None:
        return {"seq": link.seq, "hash": link.hash, "unreadable": True}
    return dict(link.record)


def _began(links: Sequence[Link]) -> str:
    """Where the journal begins to tell of these runs, at the latest."""
    began = [link.record["event"]["received_at"] for link in links if link.record is not None]
    # Its ids are Redis's time; the enqueuer's clock may be off by a little.
    return f"{max(0, int((min(began) - 60) * 1000))}-0" if began else journal.START


def _of_event(event_id: str, after: str) -> Iterator[Entry]:
    """What the journal has of an event after a place, oldest first."""
    while page := read(journal.read(after, limit=PAGE)):
        yield from (entry for entry in page if entry.event_id == event_id)
        after = page[-1].id


def shown(entry: Entry) -> EntryShown:
    """Return an entry as it is shown."""
    return EntryShown.model_validate(plain(entry))


@resource.route("GET", "/journal", {200: Lines}, query=Reading)
def lines(query: Reading) -> Lines:
    """Read the journal: the latest lines, or those after one.

    With an account or an event, a page may have fewer than `limit`, even none: a request looks
    through 2000 lines at most. GET /events follows what happens.
    """

    def wanted(entry: Entry) -> bool:
        return query.account in (None, entry.account_id) and query.event in (
            None,
            entry.event_id,
        )

    if query.after is None:
        latest = read(journal.tail(FURTHEST if query.account or query.event else query.limit))
        chosen = [entry for entry in latest if wanted(entry)][-query.limit :]
        after = latest[-1].id if latest else journal.START
        return Lines(items=[shown(entry) for entry in chosen], after=after)
    following = read(journal.read(query.after, limit=FURTHEST))
    items: list[EntryShown] = []
    after = query.after
    for entry in following:
        after = entry.id
        if wanted(entry):
            items.append(shown(entry))
        if len(items) == query.limit:
            break
    return Lines(items=items, after=after)
