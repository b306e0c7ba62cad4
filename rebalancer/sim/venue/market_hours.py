"""When exchanges trade: sessions, holidays and half days as rules, hours as IBKR writes them.

New York's rules are those of NYSE Rule 7.2 and the exchange's published calendars 2024 to 2028
(https://www.nyse.com/markets/hours-calendars); Xetra's and London's follow their published
trading calendars. Times are Unix seconds; local times belong to the calendar's own zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

Phase = Literal["regular", "extended", "closed"]
#: Local opening and closing times of one stretch of trading. One that closes earlier than it
#: opens began on the evening before: the day is the one on which it closes.
Range = tuple[time, time]
#: A year's holidays and half days.
Rules = Callable[[int], tuple[frozenset[date], frozenset[date]]]

_DAY = timedelta(days=1)
#: No exchange rests longer than this between two sessions.
_SEARCH_DAYS = 15


@dataclass(frozen=True, slots=True)
class Stretch:
    """Unix seconds from ``opens`` (inclusive) to ``closes`` (exclusive)."""

    opens: float
    closes: float


@dataclass(frozen=True, slots=True)
class Calendar:
    """An exchange's hours; ``rules`` is a key of ``RULES``."""

    name: str
    #: As contract details spell it; any name the zone database knows.
    zone: str
    regular: tuple[Range, ...]
    extended: tuple[Range, ...] = ()
    #: On half days everything regular ends here, extended trading an hour after.
    half_day_close: time = time(13)
    half_day_extended_close: time = time(17)
    rules: str = "none"
    #: Further days without trading.
    closed: frozenset[date] = field(default_factory=frozenset)
    #: Trades around the clock, every day of the year: nothing ever opens or closes.
    continuous: bool = False

    def stretches(self, day: date, *, extended: bool = False) -> tuple[Stretch, ...]:
        """The day's trading, earliest first; ``extended`` takes in pre- and after-hours."""
        return _stretches(self, day, extended)

    def phase(self, at: float) -> Phase:
        """What kind of trading there is."""
        if self.continuous or self._inside(at, extended=False):
            return "regular"
        return "extended" if self._inside(at, extended=True) else "closed"

    def next_open(self, at: float, *, extended: bool = False) -> float:
        """The start of the first stretch after ``at``; ``at`` itself while trading."""
        if self.continuous or self._inside(at, extended=extended):
            return at
        return next(s.opens for s in self._from(at, extended=extended) if s.opens > at)

    def next_boundary(self, at: float) -> float | None:
        """When any stretch next opens or closes after ``at``."""
        if self.continuous:
            return None
        moments = []
        for extended in (False, True):
            edges = (m for s in self._from(at, extended=extended) for m in (s.opens, s.closes))
            moments.append(next(m for m in edges if m > at))
        return min(moments)

    def session_close(self, at: float, *, extended: bool = False) -> float:
        """The end of the last stretch of the day ``at`` belongs to, or of the next session."""
        if self.continuous:
            return float("inf")
        for day in self._days(at):
            stretches = self.stretches(day, extended=extended)
            if stretches and stretches[-1].closes > at:
                return stretches[-1].closes
        raise AssertionError(f"{self.name} has no session after {at}")

    def day_start(self, at: float) -> float:
        """Local midnight before ``at``: the gateway's 'today' begins here."""
        zone = ZoneInfo(self.zone)
        local = datetime.fromtimestamp(at, zone)
        return datetime.combine(local.date(), time(0), zone).timestamp()

    def local_date(self, at: float) -> date:
        """The date on the exchange's own wall."""
        return datetime.fromtimestamp(at, ZoneInfo(self.zone)).date()

    def text(self, at: float, *, extended: bool, days: int = 7, short: bool = False) -> str:
        """``tradingHours`` (extended) or ``liquidHours`` of ``days`` days from today on.

        ``short``: the ends of a stretch share the date of their day.
        """
        return ";".join(
            self._day_text(day, extended=extended, short=short)
            for day in self._days(at, count=days)
        )

    def _day_text(self, day: date, *, extended: bool, short: bool) -> str:
        if self.continuous:
            return f"{day:%Y%m%d}:0000-{day + _DAY:%Y%m%d}:0000"
        stretches = self.stretches(day, extended=extended)
        if not stretches:
            return f"{day:%Y%m%d}:CLOSED"
        zone = ZoneInfo(self.zone)
        form = "%H%M" if short else "%Y%m%d:%H%M"
        text = ",".join(
            "-".join(
                f"{datetime.fromtimestamp(moment, zone):{form}}"
                for moment in (stretch.opens, stretch.closes)
            )
            for stretch in stretches
        )
        return f"{day:%Y%m%d}:{text}" if short else text

    def _inside(self, at: float, *, extended: bool) -> bool:
        # Tomorrow's trading may have begun this evening.
        return any(s.opens <= at < s.closes for s in self._from(at, extended=extended, days=2))

    def _from(
        self, at: float, *, extended: bool, days: int = _SEARCH_DAYS
    ) -> Iterator[Stretch]:
        for day in self._days(at, count=days):
            yield from self.stretches(day, extended=extended)

    def _days(self, at: float, *, count: int = _SEARCH_DAYS) -> Iterator[date]:
        today = self.local_date(at)
        for offset in range(count):
            yield today + offset * _DAY


@lru_cache(maxsize=4096)
def _stretches(calendar: Calendar, day: date, extended: bool) -> tuple[Stretch, ...]:  # noqa: FBT001 - lru_cache keys are positional
    holidays, half_days = _special_days(calendar.rules, day.year)
    if day.weekday() >= 5 or day in holidays or day in calendar.closed:
        return ()
    ranges = (calendar.extended if extended else ()) or calendar.regular
    if day in half_days:
        close = calendar.half_day_extended_close if extended else calendar.half_day_close
        ranges = tuple(
            (start, min(end, close)) for start, end in ranges if start < close or end < start
        )
    zone = ZoneInfo(calendar.zone)
    return tuple(
        Stretch(
            datetime.combine(day if start < end else day - _DAY, start, zone).timestamp(),
            datetime.combine(day, end, zone).timestamp(),
        )
        for start, end in ranges
    )


@lru_cache(maxsize=256)
def _special_days(rules: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    return RULES[rules](year)


# The rules ----------------------------------------------------------------------------------


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    """The ``n``-th (1 first, -1 last) such weekday (0 Monday) of a month."""
    if n > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))
    last = date(year + month // 12, month % 12 + 1, 1) - _DAY
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def easter(year: int) -> date:
    """Easter Sunday, by the anonymous Gregorian computus (Meeus, Jones and Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def _observed(day: date) -> date:
    """A US holiday on a Saturday is kept on Friday, one on a Sunday on Monday."""
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


#: Days the New York exchanges closed for once.
_US_ONCE = frozenset({date(2025, 1, 9)})  # national day of mourning, President Carter


def _us(year: int) -> tuple[frozenset[date], frozenset[date]]:
    new_year = date(year, 1, 1)
    christmas, independence = _observed(date(year, 12, 25)), _observed(date(year, 7, 4))
    thanksgiving = _nth(year, 11, 3, 4)
    holidays = {
        # A New Year's Day on a Saturday is not kept: Friday ends an accounting year.
        new_year if new_year.weekday() != 6 else new_year + _DAY,
        _nth(year, 1, 0, 3),
        _nth(year, 2, 0, 3),
        easter(year) - timedelta(days=2),
        _nth(year, 5, 0, -1),
        independence,
        _nth(year, 9, 0, 1),
        thanksgiving,
        christmas,
    }
    if year >= 2022:
        holidays.add(_observed(date(year, 6, 19)))
    half_days = {thanksgiving + _DAY, date(year, 12, 24)}
    if date(year, 7, 4).weekday() in {1, 2, 3, 4}:
        half_days.add(date(year, 7, 3))
    once = {day for day in _US_ONCE if day.year == year}
    return frozenset(holidays | once), frozenset(half_days - holidays)


def _de(year: int) -> tuple[frozenset[date], frozenset[date]]:
    fixed = {
        date(year, m, d) for m, d in ((1, 1), (5, 1), (12, 24), (12, 25), (12, 26), (12, 31))
    }
    spring = {easter(year) - timedelta(days=2), easter(year) + _DAY}
    last = date(year, 12, 30)
    last -= timedelta(days={5: 1, 6: 2}.get(last.weekday(), 0))
    return frozenset(fixed | spring), frozenset({last})


def _uk(year: int) -> tuple[frozenset[date], frozenset[date]]:
    new_year = date(year, 1, 1)
    # A bank holiday on a weekend moves to the next free weekday.
    christmas = {
        5: (date(year, 12, 27), date(year, 12, 28)),
        6: (date(year, 12, 26), date(year, 12, 27)),
        4: (date(year, 12, 25), date(year, 12, 28)),
    }.get(date(year, 12, 25).weekday(), (date(year, 12, 25), date(year, 12, 26)))
    holidays = {
        new_year + timedelta(days={5: 2, 6: 1}.get(new_year.weekday(), 0)),
        easter(year) - timedelta(days=2),
        easter(year) + _DAY,
        _nth(year, 5, 0, 1),
        _nth(year, 5, 0, -1),
        _nth(year, 8, 0, -1),
        *christmas,
    }
    eves = {
        eve - timedelta(days={5: 1, 6: 2}.get(eve.weekday(), 0))
        for eve in (date(year, 12, 24), date(year, 12, 31))
    }
    return frozenset(holidays), frozenset(eves - holidays)


def _none(_year: int) -> tuple[frozenset[date], frozenset[date]]:
    return frozenset(), frozenset()


RULES: dict[str, Rules] = {"us": _us, "de": _de, "uk": _uk, "none": _none}

CALENDARS: dict[str, Calendar] = {
    calendar.name: calendar
    for calendar in (
        Calendar(
            name="XNYS",
            zone="US/Eastern",
            regular=((time(9, 30), time(16)),),
            extended=((time(4), time(20)),),
            rules="us",
        ),
        Calendar(
            name="XETR",
            zone="MET",
            regular=((time(9), time(17, 30)),),
            half_day_close=time(14),
            half_day_extended_close=time(14),
            rules="de",
        ),
        Calendar(
            name="XLON",
            zone="GB-Eire",
            regular=((time(8), time(16, 30)),),
            half_day_close=time(12, 30),
            half_day_extended_close=time(12, 30),
            rules="uk",
        ),
        Calendar(
            name="XTKS",
            zone="Japan",
            regular=((time(9), time(11, 30)), (time(12, 30), time(15, 30))),
        ),
        # Sunday 17:15 to Friday 17:00, with a rest of a quarter of an hour each day.
        Calendar(
            name="IDEALPRO",
            zone="US/Eastern",
            regular=((time(17, 15), time(17)),),
        ),
        Calendar(name="ALWAYS", zone="US/Eastern", regular=(), continuous=True),
    )
}


def stamp(at: float, zone: str, *, dashed: bool = False) -> str:
    """``20260413 15:27:04 US/Eastern``; dashed, as warnings say it: ``2026-04-13 …``."""
    local = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
    return f"{local:{'%Y-%m-%d' if dashed else '%Y%m%d'} %H:%M:%S} {zone}"
