"""``gateway.windows``: when IB Gateway is expected to be away.

A module of its own, read only when a file says something about windows: time zones cost the
sweeper, which is started every few seconds, more than all the rest of rebalancer.yaml.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import time

from rebalancer.core.windows import Window
from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.kinds import boolean, gather, key, section, text
from rebalancer.settings.problems import Problem
from rebalancer.settings.times import local_time, time_zone, weekdays

#: What switches all of them off, also by variable.
NONE = "none"


def zone_name(item: Item) -> str:
    """The name of an IANA time zone."""
    return time_zone(item).key


@dataclass(frozen=True, slots=True)
class WindowKeys:
    """One entry of ``gateway.windows``."""

    name: str = key(text("a name"), about="What people are told it is.")
    start: time = key(local_time, about="Local time at which the gateway goes.")
    end: time = key(
        local_time, about="Local time by which it is back; before start: on the next day."
    )
    days: frozenset[int] = key(
        weekdays, default=frozenset(range(7)), about="On which days it begins."
    )
    time_zone: str = key(zone_name, default="America/New_York", about="Whose local time.")
    login: bool = key(
        boolean,
        default=False,
        about="""The login ends in it and a person has to confirm the new one (2FA): they are
            told when the gateway goes.""",
    )


def windows(item: Item) -> tuple[Window, ...]:
    """A list of windows, or the word ``none``."""
    expected = f"a list of windows, or {NONE}"
    if not item.is_list:
        if item.text(expected) != NONE:
            raise item.refuse(expected)
        return ()
    items = list(item.elements(expected))
    keys = gather(section(WindowKeys), items)
    problems: list[Problem] = []
    seen: set[str] = set()
    for place, one in zip(items, keys, strict=True):
        if one.start == one.end:
            same = f"another time than start ({one.start:%H:%M})"
            problems.append(place.at("end").problem(f"'{one.end:%H:%M}'", same))
        if one.name in seen:
            problems.append(place.at("name").problem(f"'{one.name}' again", "each name once"))
        seen.add(one.name)
    if problems:
        raise BadValueError(*problems)
    return tuple(Window(**dataclasses.asdict(one)) for one in keys)
