"""Signals by the clock: a local time of day on certain weekdays.

Pure: the daemon asks what was due in a span of time. The event id is made of account,
command, due time and what is asked for, so the same occurrence asked for twice is enqueued
once, and two that ask for different things are two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Schedule:
    """``exec_command`` for an account at ``at`` local time on ``days`` (Monday is 0)."""

    account_id: str
    exec_command: str
    at: time
    zone: ZoneInfo
    days: frozenset[int]
    #: What is asked for besides, as the event carries it.
    data: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time a schedule is due. ``due`` is Unix seconds."""

    schedule: Schedule
    due: float

    @property
    def event_id(self) -> str:
        """The same for every broker and after every restart."""
        at = datetime.fromtimestamp(self.due, UTC).strftime("%Y%m%dT%H%MZ")
        name = f"{self.schedule.account_id}.{self.schedule.exec_command}.{at}"
        if not self.schedule.data:
            return name
        asked = json.dumps(self.schedule.data, sort_keys=True)
        return f"{name}.{hashlib.sha256(asked.encode()).hexdigest()[:6]}"


def due_between(schedule: Schedule, after: float, until: float) -> Iterator[Occurrence]:
    """Yield the occurrences in the half-open span (after, until], in order.

    A local time that a daylight-saving step skips is taken at the offset before the step,
    one that it repeats at its first occurrence.
    """
    day = datetime.fromtimestamp(after, schedule.zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(until, schedule.zone).date() + timedelta(days=1)
    while day <= last:
        due = datetime.combine(day, schedule.at, schedule.zone).timestamp()
        if after < due <= until and day.weekday() in schedule.days:
            yield Occurrence(schedule, due)
        day += timedelta(days=1)


def next_due(schedule: Schedule, after: float) -> Occurrence:
    """Return the first occurrence later than ``after``."""
    week = 8 * 86400.0
    return next(due_between(schedule, after, after + week))
