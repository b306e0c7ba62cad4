"""``python -P -m rebalancer.broker.exchanges FROM TO NAME…``: sessions as JSON, then the end.

A process of its own, started by ``calendars.py`` and gone after a second: exchange_calendars
brings pandas, whose 80 MB the broker shall not carry for the sake of a few hundred dates.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

import exchange_calendars


def main(arguments: Sequence[str]) -> None:
    """Print ``{name: {"first", "last", "sessions": [[day, open, close], …]}}``."""
    first, last = (date.fromisoformat(text) for text in arguments[:2])
    json.dump({name: _calendar(name, first, last) for name in arguments[2:]}, sys.stdout)


def _calendar(name: str, first: date, last: date) -> dict[str, Any]:
    # Some exchanges announce their holidays a year ahead only: nobody knows what lies beyond.
    kind = type(exchange_calendars.get_calendar(name))
    lowest, highest = kind.bound_min(), kind.bound_max()
    first = max(first, lowest.date()) if lowest is not None else first
    last = min(last, highest.date()) if highest is not None else last
    calendar = exchange_calendars.get_calendar(name, start=str(first), end=str(last))
    opens, closes = calendar.opens, calendar.closes
    return {
        "first": str(first),
        "last": str(last),
        "sessions": [
            [str(day.date()), opens[day].timestamp(), closes[day].timestamp()]
            for day in calendar.sessions
        ],
    }


if __name__ == "__main__":
    main(sys.argv[1:])
