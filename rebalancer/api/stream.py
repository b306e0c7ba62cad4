"""What happens, as it happens: the journal as Server-Sent Events.

Each event's id is the journal's own. A browser that was cut off asks again with the last one it
saw (``Last-Event-ID``), and misses nothing that the journal still remembers; what it has
forgotten is told by an event of the type ``gap``.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated

from flask import Response, request
from pydantic import Field

from rebalancer.api.context import context, now
from rebalancer.api.follower import Watcher
from rebalancer.api.problem import ProblemError
from rebalancer.api.routes import AccountId, Asked, EventId, Resource
from rebalancer.api.runs import JournalId, shown
from rebalancer.errors import QueueError
from rebalancer.queue import journal
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Entry

resource = Resource("events", "What happens, as it happens.")

MEDIA_TYPE = "text/event-stream"
#: Seconds without news after which a comment shows that the line still stands.
SILENCE = 15.0
#: Seconds between two looks whether the other end has hung up.
LOOK = 3.0
#: Seconds after which a stream ends and the browser asks again, with its login.
LONGEST = 900.0
#: Entries read at once to catch up.
PAGE = 500


class Watching(Asked):
    """What is watched, and from where on."""

    account: AccountId | None = None
    event: EventId | None = None
    #: Begin after this line of the journal; the header `Last-Event-ID` goes before it.
    after: JournalId | None = None
    #: End after this many seconds.
    seconds: Annotated[float, Field(gt=0, le=LONGEST)] = LONGEST


@resource.route(
    "GET", "/events", {200: MEDIA_TYPE}, query=Watching, problems=("too-many-streams",)
)
def events(query: Watching) -> Response:
    """Follow the journal, as Server-Sent Events.

    Each has the journal's id and one line of it as JSON, as GET /journal shows them. It ends
    after 15 minutes at the latest; ask again with `Last-Event-ID`, as browsers do.
    """
    after = request.headers.get("Last-Event-ID", "") or query.after
    if after is not None and not _well_formed(after):
        raise ProblemError("invalid", "Last-Event-ID is no id of the journal, such as 17-0.")
    follower = context().follower
    watcher = follower.watch()
    if watcher is None:
        raise ProblemError(
            "too-many-streams",
            "No more can watch at the same time.",
            remedy="Close a page, or read GET /journal instead.",
            headers={"Retry-After": "10"},
        )

    def wanted(entry: Entry) -> bool:
        return query.account in (None, entry.account_id) and query.event in (
            None,
            entry.event_id,
        )

    ends, clock, queue = now() + query.seconds, context().clock, context().queue
    line = request.environ.get("gunicorn.socket")

    def left() -> float:
        return ends - clock() if _stands(line) else 0.0

    def told() -> Iterator[str]:
        yield "retry: 1000\n\n"
        last = after
        # Without Redis the stream ends, and the other end asks again.
        with suppress(QueueError):
            if after is not None:
                yield from _gap(queue, after)
                for entry in _missed(queue, after):
                    last = entry.id
                    if wanted(entry):
                        yield told_as(entry)
            yield from _live(watcher, last, left, wanted)

    response = Response(told(), mimetype=MEDIA_TYPE)
    # Not in the generator: one that was never begun is not ended either.
    response.call_on_close(lambda: follower.leave(watcher))
    # A reverse proxy must not hold back what is there.
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _stands(line: socket.socket | None) -> bool:
    """Whether the other end has not hung up: a closed page must not hold its place."""
    if line is None:
        return True
    try:
        return line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _well_formed(text: str) -> bool:
    first, dash, second = text.partition("-")
    return bool(dash) and all(part.isdecimal() and len(part) < 16 for part in (first, second))


def _place(entry_id: str) -> tuple[int, int]:
    first, _, second = entry_id.partition("-")
    return int(first), int(second)


def _gap(queue: Queue, after: str) -> Iterator[str]:
    """Say so if the journal has forgotten what followed ``after``."""
    oldest = queue.run(journal.read(limit=1))
    if oldest and _place(after) < _place(oldest[0].id) and after != journal.START:
        yield f'event: gap\ndata: {{"after":"{after}","oldest":"{oldest[0].id}"}}\n\n'


def _missed(queue: Queue, after: str) -> Iterator[Entry]:
    """What the journal has after ``after``, up to the present."""
    while page := queue.run(journal.read(after, limit=PAGE)):
        yield from page
        after = page[-1].id


def _live(
    watcher: Watcher,
    last: str | None,
    left: Callable[[], float],
    wanted: Callable[[Entry], bool],
) -> Iterator[str]:
    """What happens from now on; what was told when catching up is not told twice."""
    quiet = 0.0
    while not watcher.cut_off and (seconds := left()) > 0:
        entry = watcher.next(min(LOOK, seconds))
        quiet = quiet + LOOK if entry is None else 0.0
        if entry is None:
            if quiet >= SILENCE:
                quiet = 0.0
                yield ":\n\n"
        elif wanted(entry) and (last is None or _place(entry.id) > _place(last)):
            yield told_as(entry)


def told_as(entry: Entry) -> str:
    """Return one entry as an event of the stream."""
    return f"id: {entry.id}\ndata: {shown(entry).model_dump_json()}\n\n"
