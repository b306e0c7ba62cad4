"""When exchanges trade, holidays and half days included, from exchange_calendars.

A short-lived child process (``exchanges.py``) computes the sessions from the beginning of last
year to the end of next year; here they are plain tuples. What a child did not answer is asked
again, and what is known stays in force meanwhile: it reaches a year ahead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

from rebalancer.core.sessions import Calendar, Session
from rebalancer.errors import RetryableError

#: Seconds that a child may take, and after which sessions are computed anew: exchanges announce
#: changes, and a new version of the library may bring them.
DEADLINE = 120.0
FRESH = 86_400.0
#: A calendar that is known less far ahead than this many days has to be renewed by a person.
AHEAD = 30

_CHILD = (sys.executable, "-P", "-m", "rebalancer.broker.exchanges")


class CalendarsUnavailableError(RetryableError):
    """The sessions could not be computed; the text has what the child said."""


class Almanac:
    """The calendars asked for so far; several askers may share one."""

    def __init__(self, child: tuple[str, ...] = _CHILD) -> None:
        self._child = child
        self._computed_at = 0.0
        self.known: Mapping[str, Calendar] = {}

    def is_fresh(self, names: Collection[str], now: float) -> bool:
        """Whether all of these are known, as computed within the last day."""
        young = 0 <= now - self._computed_at < FRESH
        return not names or (young and self.known.keys() >= set(names))

    async def renew(self, names: Collection[str], now: float) -> None:
        """Compute these calendars, and only these, anew. ``now`` is Unix seconds.

        Raises:
            CalendarsUnavailableError: the child failed; what was known before still is.
        """
        year = datetime.fromtimestamp(now, UTC).year
        span = (f"{year - 1}-01-01", f"{year + 1}-12-31")
        raw = await _answer_of((*self._child, *span, *sorted(set(names))))
        try:
            found = json.loads(raw)
            self.known = {name: _calendar(name, found[name]) for name in set(names)}
        except (KeyError, ValueError, TypeError) as error:
            raise CalendarsUnavailableError(f"unreadable sessions: {error!r}") from error
        self._computed_at = now


def nearly_over(calendars: Iterable[Calendar], now: float) -> str:
    """Which calendars are not known for long enough, in words; '' if all are."""
    today = datetime.fromtimestamp(now, UTC).date()
    return ", ".join(
        f"{one.name} is known until {one.last} only"
        for one in calendars
        if (one.last - today).days < AHEAD
    )


async def _answer_of(command: tuple[str, ...]) -> bytes:
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except OSError as error:
        raise CalendarsUnavailableError(f"no child process: {error}") from error
    try:
        async with asyncio.timeout(DEADLINE):
            answer, said = await child.communicate()
    except TimeoutError:
        raise CalendarsUnavailableError(f"no sessions within {DEADLINE:g} s") from None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if child.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines()
        last = lines[-1][:300] if lines else "it said nothing"
        raise CalendarsUnavailableError(f"the child ended with {child.returncode}: {last}")
    return answer


def _calendar(name: str, found: Mapping[str, Any]) -> Calendar:
    sessions = tuple(
        Session(date.fromisoformat(day), float(opens), float(closes))
        for day, opens, closes in found["sessions"]
    )
    if not sessions or any(one.open >= one.close for one in sessions):
        raise ValueError(f"{name} has no sessions, or one that ends before it begins")
    if any(one.day >= other.day for one, other in pairwise(sessions)):
        raise ValueError(f"the sessions of {name} are out of order")
    first, last = date.fromisoformat(found["first"]), date.fromisoformat(found["last"])
    return Calendar(name, first, last, sessions)
