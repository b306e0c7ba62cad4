"""Historical bars: made up, but always the same for the same instrument and time.

The price wanders a few percent around the world's first one as a function of the time alone,
so overlapping requests agree; only the bar that is still forming knows the price of now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import sin
from zlib import crc32

from rebalancer.sim.venue.market import on_tick
from rebalancer.sim.venue.market_hours import Calendar, Stretch
from rebalancer.sim.vocabulary import Bar
from rebalancer.sim.world import Listing

_DAY = 86_400
_MAX_BARS = 5_000
_MAX_REQUEST = 200_000
SHOWN = frozenset({"TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST"})
#: Seconds of a bar, by the names clients use.
BAR_SIZES = {
    "1 secs": 1, "5 secs": 5, "10 secs": 10, "15 secs": 15, "30 secs": 30,
    "1 min": 60, "2 mins": 120, "3 mins": 180, "5 mins": 300, "10 mins": 600,
    "15 mins": 900, "20 mins": 1200, "30 mins": 1800, "1 hour": 3600, "2 hours": 7200,
    "3 hours": 10_800, "4 hours": 14_400, "8 hours": 28_800, "1 day": _DAY,
}  # fmt: skip
#: Sessions in one unit of a duration.
_SESSIONS = {"D": 1, "W": 5, "M": 21, "Y": 252}


@dataclass(frozen=True, slots=True)
class Past:
    """What bars are made from: ``last`` is the price at ``now``, Unix seconds."""

    listing: Listing
    calendar: Calendar
    started: float
    now: float
    last: Decimal


def history(
    past: Past,
    *,
    end: float,
    duration: str,
    bar_size: str,
    what: str,
    use_rth: bool,
) -> tuple[Bar, ...] | str:
    """Bars of ``duration`` up to ``end``, oldest first; none later than now.

    A text instead is error 162's reason.
    """
    calendar, end = past.calendar, min(end, past.now)
    count, _, unit = duration.partition(" ")
    size = BAR_SIZES.get(bar_size)
    if size is None:
        return f"Bar size '{bar_size}' is not supported"
    if what not in SHOWN:
        return f"No historical market data for {past.listing.symbol}: {what} is not supported"
    if not count.isdigit() or (unit != "S" and unit not in _SESSIONS):
        return f"Invalid duration '{duration}'"
    seconds = int(count) if unit == "S" else int(count) * _SESSIONS[unit] * _DAY
    if seconds / size > _MAX_REQUEST:
        return f"Duration '{duration}' is too long for bars of {bar_size}"
    if unit == "S":
        spans = list(_spans(calendar, end, use_rth=use_rth, sessions=1 + int(count) // 20_000))
        starts = [s for s in _starts(spans, size, calendar) if end - int(count) <= s[0] < end]
    else:
        wanted = min(int(count) * _SESSIONS[unit], _MAX_BARS)
        spans = list(_spans(calendar, end, use_rth=use_rth, sessions=wanted))
        starts = [s for s in _starts(spans, size, calendar) if s[0] < end]
    return tuple(_bar(past, start, until) for start, until in starts[-_MAX_BARS:])


def _spans(
    calendar: Calendar, end: float, *, use_rth: bool, sessions: int
) -> Iterator[tuple[Stretch, ...]]:
    """The last sessions that began before ``end``, oldest first."""
    found: list[tuple[Stretch, ...]] = []
    at = end
    while len(found) < sessions and at > end - sessions * 3 * _DAY - 15 * _DAY:
        day = calendar.local_date(at)
        if calendar.continuous:
            start = calendar.day_start(at)
            stretches: tuple[Stretch, ...] = (Stretch(start, start + _DAY),)
        else:
            stretches = calendar.stretches(day, extended=not use_rth)
        if stretches and stretches[0].opens < end:
            found.append(stretches)
        at = calendar.day_start(at) - 1
    return reversed(found)


def _starts(
    spans: list[tuple[Stretch, ...]], size: int, calendar: Calendar
) -> Iterator[tuple[float, float]]:
    """Start and end of each bar; a bar begins on a multiple of its size by the local clock."""
    for stretches in spans:
        if size >= _DAY:
            yield stretches[0].opens, stretches[-1].closes
            continue
        for stretch in stretches:
            midnight = calendar.day_start(stretch.opens)
            start = stretch.opens
            while start < stretch.closes:
                step = midnight + ((start - midnight) // size + 1) * size
                until = min(step, stretch.closes)
                yield start, until
                start = until


def _bar(past: Past, start: float, until: float) -> Bar:
    tick = past.listing.step_at(past.listing.price)
    first = _wander(past, start)
    last = _wander(past, until) if until <= past.now else past.last
    noise = _noise(past.listing.con_id, start)
    reach = tick * (1 + int(noise * 10))
    high, low = max(first, last) + reach, max(min(first, last) - reach, tick)
    count = 50 + int(noise * (until - start))
    return Bar(
        time=start,
        open=first,
        high=high,
        low=low,
        close=last,
        volume=Decimal(count * 100),
        wap=on_tick((high + low + last) / 3, tick),
        count=count,
    )


def _wander(past: Past, at: float) -> Decimal:
    """The price at ``at``: a sum of slow waves that meet the first price at the start."""
    phase = past.listing.con_id % 97

    def wave(moment: float) -> float:
        days = moment / _DAY + phase
        return 0.03 * sin(days / 41) + 0.01 * sin(days / 5.3) + 0.002 * sin(days * 7)

    change = Decimal(repr(wave(at) - wave(past.started)))
    return on_tick(past.listing.price * (1 + change), past.listing.step_at(past.listing.price))


def _noise(con_id: int, at: float) -> float:
    return crc32(f"{con_id}:{at:.0f}".encode()) / 2**32
