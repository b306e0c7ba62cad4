"""The dead letter: what nobody will retry, and its way back."""

from __future__ import annotations

from typing import Literal

from rebalancer.api.context import now, read, write
from rebalancer.api.problem import ProblemError
from rebalancer.api.queue import Cursor, EventPage, Limit, listed
from rebalancer.api.routes import Answer, Asked, Resource, Told
from rebalancer.queue import moves

resource = Resource("dead-letter", "Events that nobody will retry.")


class Paging(Asked):
    """Which page."""

    limit: Limit = 50
    cursor: Cursor = 0


class Requeued(Told):
    """What became of an event that was put back."""

    #: The event that carries the signal now.
    event_id: str
    status: Literal["queued", "merged", "rerun"]


@resource.route("GET", "/dead-letter", {200: EventPage}, query=Paging)
def dead(query: Paging) -> EventPage:
    """List what nobody will retry, newest first, each with its reason."""
    page = read(moves.list_events("dead", cursor=query.cursor, limit=query.limit))
    return EventPage(items=[listed(item) for item in page.items], cursor=page.next)


@resource.route(
    "POST",
    "/dead-letter/{event_id}/requeue",
    {202: Requeued},
    problems=("not-found", "in-the-way"),
)
def requeue(event_id: str) -> Answer:
    """Put an event back into the queue, with its attempts at 0."""
    found = write(moves.requeue(event_id, now=now()))
    if found.status == "absent":
        raise ProblemError("not-found", f"No event {event_id} is in the dead letter.")
    if found.status == "unreadable":
        raise ProblemError(
            "in-the-way",
            f"{event_id} is unreadable.",
            remedy="Look at it with GET /dead-letter, and enqueue what it should have been.",
        )
    told = Requeued.model_validate({"event_id": found.event_id, "status": found.status})
    return Answer(told, 202, {"Location": f"/queue/events/{found.event_id}"})
