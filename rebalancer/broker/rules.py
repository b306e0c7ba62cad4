"""When a schedule signals: on days of the week, on trading days, or as a cron expression says.

Pure. A rule yields the Unix times at which it comes true, in order. Rules that look at an
exchange are given its calendar, and know nothing beyond what that knows.

A local time that a daylight-saving step skips is taken at the offset before the step, one that
it repeats at its first occurrence. A cron expression with a fixed hour and minute runs right
after the step instead, as cron does; with a wildcard it goes by the clock that people see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from rebalancer.core.sessions import Calendar, Offset, Period, Which, chosen

#: Calendars by name.
Calendars = Mapping[str, Calendar]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Weekly:
    """A local time of day on certain weekdays; Monday is 0."""

    at: time
    zone: ZoneInfo
    days: frozenset[int]

    calendar = ""

    def times(self, after: float, _calendars: Calendars) -> Iterator[float]:
        """Yield what is due later than ``after``, without end."""
        day = datetime.fromtimestamp(after, self.zone).date() - timedelta(days=1)
        while True:
            due = datetime.combine(day, self.at, self.zone).timestamp()
            if due > after and day.weekday() in self.days:
                yield due
            day += timedelta(days=1)

    def __str__(self) -> str:
        return f"{self.at:%H:%M} {self.zone.key} {_on(self.days)}"


@dataclass(frozen=True, slots=True)
class TradingDays:
    """A moment of trading days: all of them on ``days``, or the first or last of periods."""

    at: time | Offset
    zone: ZoneInfo
    days: frozenset[int]
    calendar: str
    which: Which = "every"
    of: Period = "month"

    def times(self, after: float, calendars: Calendars) -> Iterator[float]:
        """Yield what is due later than ``after``, as far as the calendar is known."""
        if self.calendar not in calendars:
            return
        for session in chosen(calendars[self.calendar], self.which, self.of):
            if session.day.weekday() not in self.days:
                continue
            if isinstance(self.at, Offset):
                due = self.at.of(session)
            else:
                due = datetime.combine(session.day, self.at, self.zone).timestamp()
            if due > after:
                yield due

    def __str__(self) -> str:
        at = self.at if isinstance(self.at, Offset) else f"{self.at:%H:%M} {self.zone.key}"
        which = "" if self.which == "every" else f" {self.which} of {self.of}"
        days = "" if self.days == EVERY_DAY else f" {_on(self.days)}"
        return f"{at}{which} {self.calendar}{days}"


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in local time; with a calendar only on its trading days."""

    expression: str
    zone: ZoneInfo
    calendar: str = ""

    def times(self, after: float, calendars: Calendars) -> Iterator[float]:
        """Yield what is due later than ``after``; with a calendar as far as it is known."""
        known = calendars.get(self.calendar)
        if self.calendar and known is None:
            return
        days = known.days if known is not None else frozenset()
        for at in CronSim(self.expression, datetime.fromtimestamp(after, self.zone)):
            if known is not None and at.date() > known.last:
                return
            if at.timestamp() > after and (known is None or at.date() in days):
                yield at.timestamp()

    def __str__(self) -> str:
        on = f" on {self.calendar}" if self.calendar else ""
        return f"cron {self.expression} {self.zone.key}{on}"


Rule = Weekly | TradingDays | Cron


def _on(days: frozenset[int]) -> str:
    return ",".join(_DAYS[day] for day in sorted(days))
