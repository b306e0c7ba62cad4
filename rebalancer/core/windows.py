"""When the gateway is expected to be away: its restart, IBKR's resets, the weekly login.

A window is written in local time, on the days on which it begins; one whose end is not later
than its start ends the next day. Windows that touch or overlap count as one. A local time that
happens twice, or never, around a change of clocks is read so that the window is the longer of
the two: the wrong answer that costs money is "the gateway stays".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SECONDS = 86_400.0
#: Every window comes again within this.
_WEEK = 8 * _SECONDS


@dataclass(frozen=True, slots=True)
class Window:
    """One recurring absence of the gateway."""

    name: str
    #: Local days on which it begins; Monday is 0.
    days: frozenset[int]
    start: time
    end: time
    #: IANA name of the zone of ``start`` and ``end``.
    time_zone: str = "America/New_York"
    #: The login ends in it, and a person has to confirm the new one (2FA).
    login: bool = False


@dataclass(frozen=True, slots=True)
class Absence:
    """One stretch in which the gateway is expected to be away; Unix seconds.

    ``start`` belongs to it, ``end`` does not.
    """

    #: Of the windows it is made of, in order.
    names: tuple[str, ...]
    start: float
    end: float

    @property
    def name(self) -> str:
        """Its windows' names in one text."""
        return ", ".join(self.names)


_EVERY_DAY = frozenset(range(7))
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6

#: IBKR's own, and IBC's usual time for the daily restart. North America's resets are those of
#: https://www.interactivebrokers.com/en/software/systemStatus.php; every login ends on Sunday
#: at 01:00 (https://ibkrguides.com/traderworkstation/auto-restart-considerations.htm).
IBKR_WINDOWS = (
    Window("daily restart", _EVERY_DAY, time(23, 45), time(0, 15)),
    Window("nightly reset", _EVERY_DAY - {_SATURDAY}, time(0, 15), time(1, 45)),
    Window("weekend reset", frozenset({_FRIDAY}), time(23), time(3)),
    Window("weekly login", frozenset({_SUNDAY}), time(1), time(12), login=True),
)


def expected_down(windows: Iterable[Window], now: float) -> Absence | None:
    """The absence that ``now`` (Unix seconds) lies in, if there is one."""
    return closed_at(windows, now, lead=0.0)


def closed_at(windows: Iterable[Window], now: float, *, lead: float) -> Absence | None:
    """The absence that lasts at ``now`` or begins less than ``lead`` seconds after it.

    ``lead`` is a day at most.
    """
    near = _around(tuple(windows), int(now // _SECONDS))
    return next((a for a in near if a.start - lead <= now < a.end), None)


def login_due(windows: Iterable[Window], now: float) -> bool:
    """Whether ``now`` lies in a window in which a person has to confirm the login."""
    return expected_down([w for w in windows if w.login], now) is not None


def next_window(windows: Iterable[Window], now: float) -> Absence | None:
    """The first absence that begins after ``now``; ``None`` without windows."""
    coming = _absences(windows, now - _SECONDS, now + _WEEK)
    return next((absence for absence in coming if absence.start > now), None)


# It is asked before every order, and the answer changes once a day.
@lru_cache(maxsize=64)
def _around(windows: tuple[Window, ...], day: int) -> Sequence[Absence]:
    """What may matter on a UTC day, counted from 1970, and a lead of a day before it."""
    return _absences(windows, (day - 1) * _SECONDS, (day + 3) * _SECONDS)


def _absences(windows: Iterable[Window], after: float, until: float) -> Sequence[Absence]:
    """What lies in the span or reaches into it, in order, joined where it touches."""
    joined: list[Absence] = []
    single = (absence for window in windows for absence in _each(window, after, until))
    for absence in sorted(single, key=lambda a: (a.start, a.end)):
        if joined and absence.start <= joined[-1].end:
            joined[-1] = _join(joined[-1], absence)
        else:
            joined.append(absence)
    return joined


def _each(window: Window, after: float, until: float) -> Iterator[Absence]:
    zone = ZoneInfo(window.time_zone)
    day = datetime.fromtimestamp(after, zone).date() - _DAY
    last = datetime.fromtimestamp(until, zone).date()
    while day <= last:
        if day.weekday() in window.days:
            ends_on = day if window.start < window.end else day + _DAY
            start = min(_unix(datetime.combine(day, window.start, zone)))
            end = max(_unix(datetime.combine(ends_on, window.end, zone)))
            yield Absence((window.name,), start, end)
        day += _DAY


def _unix(local: datetime) -> tuple[float, float]:
    """Both readings of a wall-clock time; they differ only around a change of clocks."""
    return local.timestamp(), local.replace(fold=1).timestamp()


def _join(first: Absence, second: Absence) -> Absence:
    names = tuple(dict.fromkeys((*first.names, *second.names)))
    return Absence(names, first.start, max(first.end, second.end))
