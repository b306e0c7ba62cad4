"""What people do at the queue: look, remove, put back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from rebalancer.errors import PermanentError
from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.move import Move, new_request
from rebalancer.queue.values import Listed, Page, Requeued, Stats, Unreadable

#: States whose events can be listed; completed ones are in the journal.
LISTABLE = ("queued", "leased", "retrying", "delayed", "dead")
#: Queued and leased together, those that are executing first.
ACTIVE = "active"
#: States that ``clear`` empties; what executes is removed one by one, on purpose.
CLEARABLE = ("queued", "retrying", "delayed", "dead")


def remove(event_id: str, *, now: float) -> Move[str | None]:
    """Take one event out, wherever it is; returns the state it was in, ``None`` if nowhere.

    A worker that executes it loses its lease: it sends no further order and changes nothing
    more. Orders at the gateway stay; their intents are settled by the account's next run.
    """
    return Move(
        "remove",
        (keys.answer(new_request()),),
        (stamp(now), event_id),
        lambda reply: reply.decode() or None,
    )


def clear(states: Collection[str], *, now: float) -> Move[int]:
    """Take out every event in ``states`` (of ``CLEARABLE``); returns how many.

    Raises:
        PermanentError: a state cannot be cleared.
    """
    for state in states:
        if state not in CLEARABLE:
            raise PermanentError(f"{state!r} cannot be cleared, only {', '.join(CLEARABLE)}")
    return Move("clear", (keys.answer(new_request()),), (stamp(now), *sorted(states)), int)


def requeue(event_id: str, *, now: float) -> Move[Requeued]:
    """Put a dead event back into the queue as a fresh signal with no attempts used."""

    def parse(reply: bytes) -> Requeued:
        status, _, carrier = reply.decode().partition(" ")
        return Requeued(cast(Any, status), carrier)

    return Move("requeue", (keys.answer(new_request()),), (stamp(now), event_id), parse)


def stats(*, now: float) -> Move[Stats]:
    """Counts of everything, in one consistent look."""
    return Move("stats", (), (stamp(now),), _stats)


def _stats(reply: list[Any]) -> Stats:
    *counts, next_raw, next_retry, next_delayed = reply
    queued, parked, leased, retrying, delayed, dead, active, journal = map(int, counts)
    at_front = codec.decode(next_raw) if next_raw else None
    received = None
    if at_front is not None and not isinstance(at_front, Unreadable):
        received = at_front.received_at
    return Stats(
        queued=queued,
        parked=parked,
        leased=leased,
        retrying=retrying,
        delayed=delayed,
        dead=dead,
        active=active,
        journal=journal,
        next_received_at=received,
        next_retry_at=_time(next_retry),
        next_delayed_at=_time(next_delayed),
    )


def _time(reply: bytes | None) -> float | None:
    return float(reply) if reply else None


def list_events(state: str, *, cursor: int = 0, limit: int = 50) -> Move[Page]:
    """Show events of one state, or of ``ACTIVE``, a page at a time.

    Queued ones come in the order they will run, waiting ones by time, dead ones newest
    first. What moves between two pages may be missed or seen twice.

    Raises:
        PermanentError: the state cannot be listed.
    """
    if state not in (*LISTABLE, ACTIVE):
        raise PermanentError(
            f"{state!r} cannot be listed, only {', '.join(LISTABLE)}; finished events are "
            "in the journal"
        )

    def parse(reply: list[Any]) -> Page:
        total, rows = reply
        items = tuple(_listed(row) for row in rows)
        end = cursor + len(items)
        return Page(items, end if items and end < int(total) else None)

    return Move("list", (), ("0", state, str(cursor), str(max(limit, 1))), parse)


def show(event_id: str) -> Move[Listed | None]:
    """Find one event, wherever it is.

    Of one that is gone, the journal's last word is shown while the journal remembers.
    """
    return Move("show", (), ("0", event_id), lambda reply: _listed(reply) if reply else None)


def _details(raw: bytes) -> dict[str, Any]:
    try:
        return codec.loads(raw) if raw else {}
    except ValueError:
        return {}  # a foreign entry of the dead letter: its text is shown all the same


def _listed(row: list[Any]) -> Listed:
    """Read ``state, event id, raw, score, due, details`` as the scripts give them."""
    state, event_id, raw, at, due, details = row
    extra = _details(details)
    # What no worker could read is not shown as an event, even if it looks like one now.
    event = codec.decode(raw) if raw and extra.get("readable", True) else None
    return Listed(
        event_id=event_id.decode(errors="replace"),
        state=state.decode(),
        event=None if isinstance(event, Unreadable) else event,
        raw=raw.decode(errors="replace"),
        at=_time(at),
        due_at=_time(due),
        parked=bool(extra.get("parked")),
        worker=str(extra.get("worker", "")),
        token=int(extra.get("token", 0)),
        expires_at=extra.get("expires_at"),
        reason=str(extra.get("reason", event.reason if isinstance(event, Unreadable) else "")),
        error=str(extra.get("error", "")),
        outcome=extra.get("outcome"),
    )
