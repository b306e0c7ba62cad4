"""From an order's time in force to moments: when it becomes active, when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rebalancer.sim.venue.market_hours import Calendar
from rebalancer.sim.venue.matching import AT_CLOSE
from rebalancer.sim.vocabulary import OrderSpec

TIFS = ("DAY", "GTC", "IOC", "FOK", "OPG", "GTD")
#: Order types that may trade outside regular hours; others ignore the attribute (2109).
OUTSIDE_RTH_TYPES = frozenset({"LMT", "STP LMT"})


@dataclass(frozen=True, slots=True)
class Schedule:
    """Unix seconds; ``None`` where nothing is due."""

    active_at: float
    auction_at: float | None = None
    expire_at: float | None = None


def schedule(order: OrderSpec, calendar: Calendar, now: float) -> Schedule:
    """When an order that arrives at ``now`` may trade.

    Where trading never stops there is no auction to wait for and no day that ends: auction
    orders trade at once, DAY orders stay.
    """
    outside = order.outside_rth
    start = max(now, parse_time(order.good_after, calendar.zone) or 0.0)
    active_at = calendar.next_open(start, extended=outside)
    if calendar.continuous:
        return Schedule(active_at, expire_at=_good_till(order, calendar))
    if order.tif == "OPG":
        inside = calendar.phase(start) == "regular"
        opening = calendar.next_open(calendar.session_close(start) if inside else start)
        return Schedule(opening, auction_at=opening)
    if order.order_type in AT_CLOSE:
        return Schedule(active_at, auction_at=calendar.session_close(active_at))
    if order.tif == "DAY":
        return Schedule(
            active_at, expire_at=calendar.session_close(active_at, extended=outside)
        )
    return Schedule(active_at, expire_at=_good_till(order, calendar))


def _good_till(order: OrderSpec, calendar: Calendar) -> float | None:
    return parse_time(order.good_till, calendar.zone) if order.tif == "GTD" else None


def parse_time(text: str, zone: str) -> float | None:
    """Unix seconds of ``20260413 15:27:04 US/Eastern`` or ``20260413-15:27:04`` (UTC).

    Without a zone it is ``zone``'s; a bare date ends with its day; ``None`` for an empty text.
    Raises ValueError for anything else.
    """
    if not text:
        return None
    if not "2000" <= text[:4] <= "2100":
        raise ValueError(f"no such year in {text!r}")
    moment, _, name = text.partition(" ")
    if len(moment) == 17 and moment[8] == "-":
        return datetime.strptime(moment, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp()
    clock, _, name = name.partition(" ")
    try:
        tz = ZoneInfo(name or zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"unknown time zone in {text!r}") from error
    text = f"{moment} {clock or '23:59:59'}"
    return datetime.strptime(text, "%Y%m%d %H:%M:%S").replace(tzinfo=tz).timestamp()
