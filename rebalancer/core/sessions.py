"""When an exchange trades: its sessions, and which of them begin or end a week, month or year.

Sessions come from outside (``broker/calendars.py``); here they are plain values. A calendar
knows its sessions from one day to another and says nothing about what lies beyond: a month that
it does not know to its end has no last session here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import Literal, NamedTuple

Which = Literal["every", "first", "last"]
Period = Literal["week", "month", "quarter", "year"]
Edge = Literal["open", "close"]

_MONTHS: dict[Period, int] = {"month": 1, "quarter": 3, "year": 12}


class Session(NamedTuple):
    """One trading day by the exchange's date; ``open`` and ``close`` are Unix seconds."""

    day: date
    open: float
    close: float


@dataclass(frozen=True, slots=True)
class Calendar:
    """Every session of an exchange from ``first`` to ``last``, both days included."""

    name: str
    first: date
    last: date
    sessions: tuple[Session, ...] = field(repr=False)

    @property
    def days(self) -> frozenset[date]:
        """The days on which it trades."""
        return frozenset(session.day for session in self.sessions)


@dataclass(frozen=True, slots=True)
class Offset:
    """A moment of a session: so many minutes after its open or before its close."""

    minutes: int
    edge: Edge

    def of(self, session: Session) -> float:
        """Unix seconds in this session; an early close counts as the close."""
        if self.edge == "open":
            return session.open + 60.0 * self.minutes
        return session.close - 60.0 * self.minutes

    def __str__(self) -> str:
        side = "after" if self.edge == "open" else "before"
        return f"{self.minutes} minutes {side} {self.edge}"


def bounds(day: date, period: Period) -> tuple[date, date]:
    """The first and the last calendar day of the period that ``day`` is in."""
    if period == "week":
        first = day - timedelta(days=day.weekday())
        return first, first + timedelta(days=6)
    length = _MONTHS[period]
    first = date(day.year, (day.month - 1) // length * length + 1, 1)
    beyond = first.month - 1 + length
    following = date(first.year + beyond // 12, beyond % 12 + 1, 1)
    return first, following - timedelta(days=1)


def chosen(calendar: Calendar, which: Which, period: Period) -> Iterator[Session]:
    """Every session, or the first or last of each period that the calendar knows as a whole."""
    if which == "every":
        yield from calendar.sessions
        return
    grouped = groupby(calendar.sessions, key=lambda session: bounds(session.day, period))
    for (begins, ends), group in grouped:
        sessions = tuple(group)
        if which == "first" and begins >= calendar.first:
            yield sessions[0]
        elif which == "last" and ends <= calendar.last:
            yield sessions[-1]
