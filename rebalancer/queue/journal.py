"""The journal: what happened, in order, in one bounded stream.

Only scripts append, in the same step as the move they describe. Everybody may read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.move import Move, command, new_request
from rebalancer.queue.values import Entry, Lease

#: ``critical``: look at it now. ``action``: it waits for a person. ``routine``: good to know.
AlertLevel = Literal["critical", "action", "routine"]

#: Reading on from here starts at the oldest entry kept.
START = "0-0"


def note(
    kind: str,
    data: Mapping[str, Any],
    *,
    now: float,
    event_id: str = "",
    account_id: str = "",
) -> Move[None]:
    """Put down something that moves no event: a missed schedule, a gateway lost."""
    return Move(
        "note",
        (keys.answer(new_request()),),
        (stamp(now), kind, event_id, account_id, codec.dumps(data)),
        lambda _reply: None,
    )


def note_event(
    subject: Lease | str, kind: str, data: Mapping[str, Any], *, now: float
) -> Move[None]:
    """Put down the progress of a run. ``subject`` is its lease, or its event's id."""
    if isinstance(subject, Lease):
        event = subject.event
        return note(kind, data, now=now, event_id=event.event_id, account_id=event.account_id)
    return note(kind, data, now=now, event_id=subject)


def alert(
    title: str,
    text: str,
    *,
    now: float,
    remedy: str = "",
    event_id: str = "",
    account_id: str = "",
    level: AlertLevel = "critical",
) -> Move[None]:
    """Put down what a person has to know: what happened, and what they can do about it."""
    data = {**alert_data(title, text, remedy=remedy), "level": level}
    return note("alert", data, now=now, event_id=event_id, account_id=account_id)


def alert_data(title: str, text: str, *, remedy: str) -> Mapping[str, str]:
    """What an alert holds, whoever puts it down."""
    return {"title": title, "text": text, "remedy": remedy}


def read(after_id: str = START, *, limit: int = 100) -> Move[tuple[Entry, ...]]:
    """Up to ``limit`` entries that follow ``after_id``, oldest first."""
    return command(
        "XRANGE", keys.JOURNAL, f"({after_id}", "+", "COUNT", str(limit), parse=entries
    )


def tail(limit: int = 100) -> Move[tuple[Entry, ...]]:
    """The last ``limit`` entries, oldest first."""
    return command(
        "XREVRANGE",
        keys.JOURNAL,
        "+",
        "-",
        "COUNT",
        str(limit),
        parse=lambda reply: entries(reply)[::-1],
    )


def last_id() -> Move[str]:
    """The id to read on from so that only what happens next is seen."""
    return command(
        "XREVRANGE",
        keys.JOURNAL,
        "+",
        "-",
        "COUNT",
        "1",
        parse=lambda reply: reply[0][0].decode() if reply else START,
    )


def entries(reply: list[Any]) -> tuple[Entry, ...]:
    """Read the stream's own form, ``[id, [field, value, ...]]``; foreign lines show raw."""
    return tuple(_entry(entry_id, fields) for entry_id, fields in reply)


def _entry(entry_id: bytes, fields: list[bytes]) -> Entry:
    texts = [field.decode(errors="replace") for field in fields]
    found = dict(zip(texts[::2], texts[1::2], strict=False))
    try:
        at = float(found.get("at", "0"))
        data = codec.loads(found.get("data", "{}").encode())
    except ValueError:
        at, data = 0.0, {"raw": found}
    return Entry(
        id=entry_id.decode(),
        at=at,
        kind=found.get("kind", ""),
        event_id=found.get("event_id", ""),
        account_id=found.get("account_id", ""),
        data=data,
    )
