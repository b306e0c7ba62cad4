"""The market's part of a scenario: clock, habits, calendars, instruments."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from yaml.nodes import Node

from rebalancer.sim.scenario_reader import (
    Field,
    Reader,
    any_text,
    boolean,
    choice,
    join,
    number,
    numeral,
    real,
    text_field,
    whole,
)
from rebalancer.sim.venue.market_hours import CALENDARS, RULES, Calendar, Range
from rebalancer.sim.world import Clock, Habits, Listing, PricePoint, World

#: Con ids made up for instruments whose real one nobody stated begin here.
SYNTHETIC_CON_IDS = 900_000_000
_RIGHT_RANGES = (
    "write local times as '09:30-16:00', several as '09:00-11:30,12:30-15:30', or "
    "'18:00-17:00' from the evening before"
)


def is_offset(text: str) -> bool:
    """``+SECONDS`` after the world's start."""
    return text.startswith("+") and text[1:].replace(".", "", 1).isdigit()


def instrument_name(listing: Listing) -> str:
    """What scenario files call it: the local symbol if it has one of its own."""
    return listing.local_symbol or listing.symbol


# Clock and habits ---------------------------------------------------------------------------


def _start(reader: Reader, node: Node, key: str) -> float | None:
    right = "write 'now' or a local time as '2026-04-15 10:00 US/Eastern'"
    moment: float | None = reader.scalar(node, key, _moment, right, None)
    return moment


def clock(reader: Reader, world: World, node: Node) -> Clock:
    """The key ``clock``."""
    table: dict[str, Field] = {
        "start": _start,
        "rate": real(above=0),
        "always_open": boolean,
    }
    return reader.into(world.clock, node, "clock", table)


def habits(reader: Reader, world: World, node: Node) -> Habits:
    """The key ``habits``."""
    table: dict[str, Field] = {field.name: boolean for field in fields(Habits)}
    return reader.into(world.habits, node, "habits", table)


# Calendars ----------------------------------------------------------------------------------


def _zone_field(reader: Reader, node: Node, key: str) -> str:
    right = "write a zone of the IANA database, such as Europe/Berlin"
    return reader.scalar(node, key, _zone, right, "UTC")


def _ranges_field(reader: Reader, node: Node, key: str) -> tuple[Range, ...]:
    nothing: tuple[Range, ...] = ()
    return reader.scalar(node, key, _ranges, _RIGHT_RANGES, nothing)


def _dates(reader: Reader, node: Node, key: str) -> frozenset[date]:
    right = "write a date as 2026-12-24"
    return frozenset(
        reader.scalar(item, at, date.fromisoformat, right, date.min)
        for at, item in reader.items(node, key)
    )


_CALENDAR: dict[str, Field] = {
    "zone": _zone_field,
    "regular": _ranges_field,
    "extended": _ranges_field,
    "rules": choice(tuple(RULES)),
    "closed": _dates,
}


def calendars(reader: Reader, world: World, node: Node) -> tuple[Calendar, ...]:
    """The key ``calendars``."""
    found = []
    for name, value in reader.entries(node, "calendars"):
        key = join("calendars", name)
        calendar = Calendar(name=name, zone="", regular=())
        calendar = reader.into(calendar, value, key, _CALENDAR)
        for part in ("zone", "regular"):
            if not getattr(calendar, part):
                reader.wrong(value, join(key, part), "nothing", "it is needed")
        # Stands in so that reading can go on to the next mistake.
        found.append(replace(calendar, zone=calendar.zone or "UTC"))
    return (*world.calendars, *found)


# Instruments --------------------------------------------------------------------------------


def _path(reader: Reader, node: Node, key: str) -> tuple[PricePoint, ...]:
    points = []
    for when, value in reader.entries(node, key):
        at = join(key, when)
        price = number(above=0)(reader, value, at)
        if is_offset(when):
            points.append(PricePoint(float(when[1:]), price))
        else:
            reader.wrong(value, at, repr(when), "write '+SECONDS: price'")
    return tuple(sorted(points, key=lambda point: point.after))


def _steps(reader: Reader, node: Node, key: str) -> tuple[tuple[Decimal, Decimal], ...]:
    steps = []
    for low, value in reader.entries(node, key):
        at = join(key, low)
        step = number(above=0)(reader, value, at)
        if low.replace(".", "", 1).isdigit():
            steps.append((Decimal(low), step))
        else:
            reader.wrong(value, at, repr(low), "write 'FROM_PRICE: step'")
    return tuple(sorted(steps))


_LISTING: dict[str, Field] = {
    "con_id": whole(at_least=1),
    "price": number(above=0),
    "sec_type": choice(("STK", "OPT", "FUT", "FOP", "BOND", "CASH")),
    "symbol": text_field,
    "currency": text_field,
    "tick": number(above=0),
    "steps": _steps,
    "magnifier": whole(at_least=1),
    "spread": whole(at_least=1),
    "close": number(above=0),
    "path": _path,
    "wiggle": number(at_least=0),
    "wiggle_every": real(above=0),
    "liquidity": number(at_least=0),
    "refill": real(above=0),
    "price_band": number(above=0),
    "data": choice(("live", "delayed", "none")),
    "shortable": boolean,
    "hours": choice(("dated", "short")),
    "delisted": boolean,
    "strike": numeral(above=0),
    "multiplier": numeral(above=0),
}


def _listing_table(world: World) -> dict[str, Field]:
    table = {field.name: _LISTING.get(field.name, any_text) for field in fields(Listing)}
    own = (calendar.name for calendar in world.calendars)
    return {**table, "calendar": choice((*CALENDARS, *own))}


def listings(reader: Reader, world: World, node: Node) -> tuple[Listing, ...]:
    """The key ``instruments``: merged into those of the base by name."""
    table = _listing_table(world)
    merged = {instrument_name(listing): listing for listing in world.listings}
    for name, value in reader.entries(node, "instruments"):
        key = join("instruments", name)
        listing = reader.into(merged.get(name) or _new(name), value, key, table)
        if not listing.price:
            reader.wrong(value, join(key, "price"), "nothing", "a new one needs a price")
        merged[name] = listing
    owners: dict[int, str] = {}
    for name, listing in merged.items():
        owner = owners.setdefault(listing.con_id, name)
        if owner != name:
            key = f"instruments.{name}.con_id"
            found = f"{listing.con_id}, which {owner} has"
            reader.wrong(node, key, found, "make it unique")
    return tuple(merged.values())


def _new(name: str) -> Listing:
    con_id = SYNTHETIC_CON_IDS + crc32(name.encode()) % 90_000_000
    return Listing(con_id=con_id, symbol=name, price=Decimal(0), local_symbol=name)


# Texts --------------------------------------------------------------------------------------


def _moment(text: str) -> Any:
    if text == "now":
        return None
    day, clock_time, zone = text.split()
    tz = ZoneInfo(_zone(zone))
    local = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock_time), tz)
    return local.timestamp()


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(text) from error
    return text


def _ranges(text: str) -> tuple[Range, ...]:
    ranges: list[Range] = []
    for part in text.split(","):
        start, end = (time.fromisoformat(edge.strip()) for edge in part.split("-"))
        if start == end or (start > end and ranges):
            raise ValueError(text)
        ranges.append((start, end))
    return tuple(ranges)
