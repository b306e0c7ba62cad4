"""When an instrument trades: IBKR's session strings, read strictly.

IBKR sends ``tradingHours`` and ``liquidHours`` as text for about a week ahead, in local
time of a zone it names beside them. Two spellings are in use::

    20260102:0930-20260102:1600;20260103:CLOSED     each end carries its date
    20260102:0930-1130,1230-1600                    ends share the day's date

A day may hold several ranges, and a session may cross midnight. In the short spelling a
day that begins with such a range names the day it *closes* on: ``1700-1515,1530-1615``
under a Monday opened on Sunday at 17:00, as CME futures were sent. A later range of a day
that seems to run backwards could mean either night, so it is refused.

Nothing here guesses. Text that cannot be read raises :class:`StaleDataError`, because the
one wrong answer that costs money is "open". A local time that happens twice, or never,
around a change of clocks is read so that the session is the shorter of the two.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from math import inf
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rebalancer.errors import StaleDataError

#: Disjoint, ordered ``(open, close)`` pairs in Unix seconds; at ``close`` it is shut.
Sessions = tuple[tuple[float, float], ...]

# Legacy and abbreviated names IBKR is known to send. Several of them are no longer shipped
# with every system's time zone database, and ``EST`` there means "never daylight time",
# which is not what an exchange in New York keeps.
_ALIASES = {
    "EST": "America/New_York",
    "EDT": "America/New_York",
    "EST5EDT": "America/New_York",
    "US/Eastern": "America/New_York",
    "Eastern Standard Time": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "CST6CDT": "America/Chicago",
    "US/Central": "America/Chicago",
    "Central Standard Time": "America/Chicago",
    "MST7MDT": "America/Denver",
    "US/Mountain": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "PST8PDT": "America/Los_Angeles",
    "US/Pacific": "America/Los_Angeles",
    "Canada/Eastern": "America/Toronto",
    "MET": "Europe/Paris",
    "CET": "Europe/Paris",
    "CEST": "Europe/Paris",
    "Central European Time": "Europe/Paris",
    "EET": "Europe/Athens",
    "WET": "Europe/Lisbon",
    "GB": "Europe/London",
    "GB-Eire": "Europe/London",
    "BST": "Europe/London",
    "Greenwich Mean Time": "Europe/London",
    "British Summer Time": "Europe/London",
    "Eire": "Europe/Dublin",
    "Portugal": "Europe/Lisbon",
    "Poland": "Europe/Warsaw",
    "Turkey": "Europe/Istanbul",
    "Israel": "Asia/Jerusalem",
    "Japan": "Asia/Tokyo",
    "JST": "Asia/Tokyo",
    "Hongkong": "Asia/Hong_Kong",
    "HongKong": "Asia/Hong_Kong",
    "HKT": "Asia/Hong_Kong",
    "Singapore": "Asia/Singapore",
    "SGT": "Asia/Singapore",
    "PRC": "Asia/Shanghai",
    "China Standard Time": "Asia/Shanghai",
    "ROK": "Asia/Seoul",
    "Asia/Calcutta": "Asia/Kolkata",
    "Australia/NSW": "Australia/Sydney",
    "NZ": "Pacific/Auckland",
}

_DATE = re.compile(r"(?:19|20)[0-9]{6}")
_RANGE = re.compile(r"(?:([0-9]{8}):)?([0-9]{4})-(?:([0-9]{8}):)?([0-9]{4})")
_DAY = timedelta(days=1)


def parse(text: str, time_zone: str, *, fallback_zone: str = "") -> Sessions:
    """Read one ``tradingHours`` or ``liquidHours`` string.

    ``time_zone`` is the name IBKR sent with it, IANA or legacy; when it is empty,
    ``fallback_zone`` stands in. Sessions that touch or overlap are joined. A text that
    names only closed days gives ``()``.

    Raises :class:`StaleDataError` on an empty or malformed text and on a zone that is
    missing or unknown.
    """
    return _parse(text, time_zone.strip() or fallback_zone.strip())


def is_open(sessions: Sessions, now: float) -> bool:
    """Whether ``now`` (Unix seconds) lies in a session; the closing instant does not."""
    index = bisect_right(sessions, (now, inf)) - 1
    return index >= 0 and now < sessions[index][1]


def next_open(sessions: Sessions, now: float) -> float | None:
    """Give the first instant from ``now`` on that is open: ``now`` itself if it is.

    ``None`` when the published sessions hold no such instant; they end about a week ahead,
    so this means "not known", never "never".
    """
    index = bisect_right(sessions, (now, inf))
    if index and now < sessions[index - 1][1]:
        return now
    return sessions[index][0] if index < len(sessions) else None


def next_close(sessions: Sessions, now: float) -> float | None:
    """Give the first close after ``now``; ``None`` when none is published."""
    return next((closes for _, closes in sessions if closes > now), None)


def common_open(many: Iterable[Sessions], now: float) -> bool:
    """Whether every one is open at ``now``; with none to ask, nothing is in the way."""
    return all(is_open(sessions, now) for sessions in many)


def next_common_open(many: Iterable[Sessions], now: float) -> float | None:
    """Give the first instant from ``now`` on at which all are open at once, or ``None``."""
    distinct = set(many)
    at = now
    while True:
        latest = at
        for sessions in distinct:
            opens = next_open(sessions, latest)
            if opens is None:
                return None
            latest = opens
        if latest == at:
            return at
        at = latest


def trading_day(now: float, time_zone: str) -> str:
    """Name the date that ``now`` belongs to in a zone with an IANA name: ``2026-01-05``."""
    return datetime.fromtimestamp(now, ZoneInfo(time_zone)).date().isoformat()


def next_trading_day(now: float, time_zone: str) -> float:
    """Give the midnight that ends it."""
    zone = ZoneInfo(time_zone)
    tomorrow = datetime.fromtimestamp(now, zone).date() + _DAY
    return datetime.combine(tomorrow, time(), tzinfo=zone).timestamp()


# Hundreds of symbols share a handful of texts, and each text is read at every event.
@lru_cache(maxsize=1024)
def _parse(text: str, zone_name: str) -> Sessions:
    if not text.strip(" ;"):
        raise StaleDataError("trading hours are empty")
    zone = _zone(zone_name)
    found: list[tuple[float, float]] = []
    for day in text.split(";"):
        if day.strip():
            found.extend(_read_day(day.strip(), zone))
    return _joined(found)


def _zone(name: str) -> ZoneInfo:
    if not name:
        raise StaleDataError("trading hours come without a time zone, and no fallback is set")
    name = name.partition(" (")[0]  # "EST (Eastern Standard Time)"
    try:
        return ZoneInfo(_ALIASES.get(name, name))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise StaleDataError(f"unknown time zone {name!r} in trading hours") from error


def _read_day(day: str, zone: ZoneInfo) -> list[tuple[float, float]]:
    """Read ``DATE:RANGE[,RANGE…]`` or ``DATE:CLOSED``; later ranges may repeat the date."""
    head, colon, rest = day.partition(":")
    current = _date(head, day)
    if colon and rest.strip().upper() == "CLOSED":
        return []
    found: list[tuple[float, float]] = []
    for part in day.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise StaleDataError(f"cannot read trading hours {day!r}")
        open_date, open_time, close_date, close_time = match.groups()
        opens_on = _date(open_date, day) if open_date else current
        current = closes_on = _date(close_date, day) if close_date else opens_on
        if not found and close_date is None and open_time > close_time:
            opens_on -= _DAY
        opens = _local(opens_on, open_time, day)
        closes = _local(closes_on, close_time, day)
        if closes <= opens:
            raise StaleDataError(f"trading hours {day!r} close before they open")
        found.append((max(_unix(opens, zone)), min(_unix(closes, zone))))
    return found


def _date(digits: str, day: str) -> date:
    if not _DATE.fullmatch(digits):
        raise StaleDataError(f"cannot read the date in trading hours {day!r}")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError as error:
        raise StaleDataError(f"cannot read the date in trading hours {day!r}") from error


def _local(on: date, digits: str, day: str) -> datetime:
    """Join date and ``HHMM``; ``2400`` is midnight at the day's end."""
    hour, minute = int(digits[:2]), int(digits[2:])
    if digits == "2400":
        return datetime.combine(on + _DAY, time())
    try:
        return datetime.combine(on, time(hour, minute))
    except ValueError as error:
        raise StaleDataError(f"no such time of day in trading hours {day!r}") from error


def _unix(local: datetime, zone: ZoneInfo) -> tuple[float, float]:
    """Give both readings of a wall-clock time; they differ only around a change of clocks."""
    first = local.replace(tzinfo=zone)
    return first.timestamp(), first.replace(fold=1).timestamp()


def _joined(found: list[tuple[float, float]]) -> Sessions:
    """Order, and join what touches; a session that a change of clocks swallowed is gone."""
    joined: list[tuple[float, float]] = []
    for opens, closes in sorted(found):
        if closes <= opens:
            continue
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        else:
            joined.append((opens, closes))
    return tuple(joined)
