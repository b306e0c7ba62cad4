"""Readers that miss nothing: each follows the journal under a name that Redis remembers.

What was given to a reader stays *pending* until the reader acknowledges it. After a crash, or
when a reply got lost on the way, pending entries are asked for again by ``pending``; new ones
come by ``AsyncQueue.news``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rebalancer.queue import keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.journal import START, entries
from rebalancer.queue.move import Move, command
from rebalancer.queue.values import Entry

#: What is put down from now on.
LATEST = "$"
#: A reader has one process at a time, so its consumers need no names of their own.
_CONSUMER = "reader"


@dataclass(frozen=True, slots=True)
class Follower:
    """How far a reader has come."""

    name: str
    #: Given to it and not acknowledged.
    pending: int
    #: The last entry given to it.
    position: str
    #: Entries that it was not given yet; ``None`` when Redis cannot tell.
    behind: int | None
    #: Of those pending the oldest; '' when there is none.
    oldest: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the journal holds: ids of its first and last entry, '' while it is empty."""

    first: str
    last: str
    length: int
    #: Entries it has ever had, those forgotten included.
    ever: int

    def forgot_after(self, entry_id: str) -> bool:
        """Whether entries that followed ``entry_id`` may be forgotten by now.

        May: it is said as well when exactly those up to it are.
        """
        return (
            bool(self.first) and self.ever > self.length and order(self.first) > order(entry_id)
        )


def order(entry_id: str) -> tuple[int, int]:
    """What entries are sorted by: milliseconds and a number."""
    at, _, number = entry_id.partition("-")
    return int(at), int(number or 0)


def seconds(entry_id: str) -> float:
    """When the entry was put down, by the clock of Redis; Unix seconds."""
    return order(entry_id)[0] / 1000


def follow(name: str, *, now: float, after: str = LATEST) -> Move[None]:
    """Begin to follow after an entry. A reader that follows already goes on where it was."""
    return Move("follow", (), (stamp(now), name, after), lambda _reply: None)


def unfollow(name: str) -> Move[None]:
    """Forget a reader."""
    return command("XGROUP", "DESTROY", keys.JOURNAL, name, parse=lambda _reply: None)


def pending(
    name: str, after: str = START, *, limit: int = 100
) -> Move[tuple[tuple[Entry, ...], tuple[str, ...]]]:
    """Pending entries after ``after``, oldest first, and ids of those the journal forgot."""
    return command(
        "XREADGROUP",
        *("GROUP", name, _CONSUMER, "COUNT", str(limit)),
        *("STREAMS", keys.JOURNAL, after),
        parse=_pending,
    )


def _pending(reply: list[Any] | None) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    rows = reply[0][1] if reply else []
    gone = tuple(row[0].decode() for row in rows if not row[1])
    return entries([row for row in rows if row[1]]), gone


def waiting_for(name: str, wait: float, limit: int) -> tuple[str, ...]:
    """The command that gives new entries, waiting up to ``wait`` seconds for the first."""
    block = str(max(1, round(wait * 1000)))
    return (
        "XREADGROUP",
        *("GROUP", name, _CONSUMER, "COUNT", str(limit), "BLOCK", block),
        *("STREAMS", keys.JOURNAL, ">"),
    )


def acknowledge(name: str, ids: Iterable[str]) -> Move[None]:
    """The reader is done with these entries. At least one."""
    return command("XACK", keys.JOURNAL, name, *ids, parse=lambda _reply: None)


def followers(prefix: str = "") -> Move[tuple[Follower, ...]]:
    """Every reader whose name begins with ``prefix``."""

    def parse(reply: list[Any]) -> tuple[Follower, ...]:
        found = (_follower(row) for row in reply[1:])
        return tuple(each for each in found if each.name.startswith(prefix))

    return Move("followers", (), ("0", "0"), parse)


def bounds() -> Move[Bounds]:
    """What the journal holds now."""

    def parse(reply: list[Any]) -> Bounds:
        first, last, length, ever = reply[0]
        return Bounds(first.decode(), last.decode(), int(length), int(ever))

    return Move("followers", (), ("0", "1"), parse)


def _follower(row: list[Any]) -> Follower:
    name, waiting, position, behind, oldest = row
    return Follower(
        name=name.decode(errors="replace"),
        pending=int(waiting),
        position=position.decode(),
        behind=int(behind) if int(behind) >= 0 else None,
        oldest=oldest.decode() if oldest else "",
    )
