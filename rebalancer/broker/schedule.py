"""Signals by the clock: what is due when, and what became due while nobody looked.

Pure: the daemon asks what was due in a span of time. The event id is made of account, command,
data and due time, so the same occurrence asked for twice is enqueued once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rebalancer.broker.rules import Calendars, Rule


@dataclass(frozen=True, slots=True)
class Schedule:
    """``exec_command`` with ``data`` for an account, whenever ``rule`` comes true."""

    account_id: str
    exec_command: str
    rule: Rule
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is remembered by: a schedule that is changed is another one."""
        return f"{self.account_id} {self.exec_command} {self.rule}{_mark(' ', self.data)}"

    def event_id(self, due: float) -> str:
        """The id of one occurrence: the same for every broker and after every restart."""
        at = datetime.fromtimestamp(due, UTC).strftime("%Y%m%dT%H%MZ")
        return f"{self.account_id}.{self.exec_command}.{at}{_mark('.', self.data)}"

    def next_due(self, after: float, calendars: Calendars) -> float | None:
        """The first time later than ``after``; ``None`` if none is known."""
        return next(self.rule.times(after, calendars), None)


def _mark(separator: str, data: Mapping[str, Any]) -> str:
    """Two schedules of one minute that ask for different things are two signals."""
    if not data:
        return ""
    text = json.dumps(data, sort_keys=True, default=str)
    return separator + hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What became due in a span of time: how often, first and last. Unix seconds."""

    count: int
    first: float
    last: float


def backlog(
    schedule: Schedule, seen: float, now: float, calendars: Calendars
) -> Backlog | None:
    """What of a schedule was due in the half-open span (seen, now]; ``None``: nothing."""
    count, first, last = 0, 0.0, 0.0
    for due in schedule.rule.times(seen, calendars):
        if due > now:
            break
        count, first, last = count + 1, first if count else due, due
    return Backlog(count, first, last) if count else None
