"""How times are written in a ``schedule``: by the clock, by an exchange's day, or as cron."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from rebalancer.core.sessions import Edge, Offset
from rebalancer.settings.document import Item
from rebalancer.settings.kinds import gather, one_of
from rebalancer.settings.problems import Problem, did_you_mean

#: Every calendar that exchange_calendars knows, under each of its names. Written out, because
#: asking the library would load pandas into whatever reads accounts.yaml; a test compares.
_NAMES = """
    24/5 24/7 AIXK ARCX ASEX ASX BATS BMF BSE BVB BVMF CBOT CFE CME CMES COMEX FWB HKEX ICE
    ICEUS IEPA JKT JPX LSE LUXSE NASDAQ NYFE NYMEX NYSE OOTC OSE SIX SSE TASE TSX XAMS XASE
    XASX XBDA XBEL XBKK XBOG XBOM XBRA XBRU XBSE XBUD XBUE XCBF XCSE XCYS XDUB XDUS XEEE XETR
    XEUR XFRA XHAM XHEL XHKG XICE XIDX XIST XJSE XKAR XKLS XKRX XLIM XLIS XLIT XLJU XLON XLUX
    XMAD XMEX XMIL XMOS XNAS XNYS XNZE XOSL XPAR XPHS XPRA XRIS XSAU XSES XSGO XSHG XSTO XSTU
    XSWX XTAE XTAI XTAL XTKS XTSE XTSX XWAR XWBO XZAG us_futures
"""
CALENDARS = frozenset(_NAMES.split())

_EDGES: Mapping[str, Edge] = {"after open": "open", "before close": "close"}
_OFFSET = re.compile(r"(\d{1,3}) minutes? (after open|before close)", re.ASCII)
#: Any moment will do to see whether an expression ever comes true.
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def local_time(item: Item) -> time:
    """A time of day: ``15:30``."""
    expected = "a time of day from 00:00 to 23:59"
    found = _time_of_day(item.text(expected))
    if found is None:
        raise item.refuse(expected)
    return found


def _time_of_day(text: str) -> time | None:
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text)
    return time(int(match[1]), int(match[2])) if match else None


def moment(item: Item) -> time | Offset:
    """A time of day, or a distance from the open or the close of a session."""
    expected = "a time of day from 00:00 to 23:59, or such as '30 minutes before close'"
    text = item.text(expected)
    match = _OFFSET.fullmatch(text)
    if match is not None:
        return Offset(int(match[1]), _EDGES[match[2]])
    found = _time_of_day(text)
    if found is None:
        raise item.refuse(expected)
    return found


def calendar(item: Item) -> str:
    """The name of an exchange's calendar, mostly its MIC."""
    expected = "an exchange calendar such as XNYS"
    name = item.text(expected)
    if name not in CALENDARS:
        raise item.refuse(expected + did_you_mean(name, sorted(CALENDARS)))
    return name


def cron(item: Item) -> str:
    """A cron expression of five fields that comes true at some time."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only such schedules need it

    expected = "a cron expression: minute, hour, day of month, month, day of week"
    text = " ".join(item.text(expected).split())
    if len(text.split(" ")) != 5:
        raise item.refuse(expected)
    try:
        next(CronSim(text, _SOME_DAY))
    except CronSimError as error:
        raise item.refuse(f"{expected} ({str(error).lower()})") from None
    except StopIteration:
        raise item.refuse(f"{expected} that comes true at some time") from None
    return text


def contradictions(item: Item, schedule: Any) -> Iterator[Problem]:
    """What the keys of one schedule, each right by itself, say against one another."""
    there = item.entries("")
    if not schedule.cron and schedule.at is None:
        yield item.under("at").problem("no such key", "it to be there, or cron")
    for name in ("at", "days", "day", "of"):
        if schedule.cron and name in there:
            yield there[name].problem("it beside cron", "one or the other")
    if not schedule.calendar:
        if isinstance(schedule.at, Offset):
            yield there["at"].problem(f"'{schedule.at}'", "calendar as well: whose session")
        if "day" in there:
            yield there["day"].problem(f"'{schedule.day}'", "calendar as well: whose days")
    if "of" in there and schedule.day == "every":
        yield there["of"].problem(f"'{schedule.of}'", "day: first or last as well")
    if schedule.day != "every":
        if not schedule.of:
            yield item.under("of").problem("no such key", "week, month, quarter or year")
        if "days" in there:
            yield there["days"].problem(f"it beside day: {schedule.day}", "one or the other")


def time_zone(item: Item) -> ZoneInfo:
    """An IANA time zone."""
    expected = "a time zone such as America/New_York"
    name = item.text(expected)
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        close = did_you_mean(name, sorted(zoneinfo.available_timezones()))
        raise item.refuse(expected + close) from None


def weekdays(item: Item) -> frozenset[int]:
    """A list of days; Monday is 0."""
    days = gather(one_of(*_DAYS), item.elements(f"a list of {', '.join(_DAYS)}"))
    if not days:
        raise item.refuse("at least one day", found="an empty list")
    return frozenset(_DAYS.index(day) for day in days)
