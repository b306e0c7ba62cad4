"""When an account is signalled by the clock, and what for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import time
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from rebalancer.core import request
from rebalancer.core.event import COMMANDS
from rebalancer.core.sessions import Offset, Period, Which
from rebalancer.errors import PermanentError
from rebalancer.settings import times
from rebalancer.settings.asks import WhenKeys, data_of
from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.kinds import key, number, one_of, section

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to signal a command for an account by the clock."""

    at: time | Offset | None = key(
        times.moment,
        default=None,
        about="""Local time of day; with calendar also such as `30 minutes before close` or
            `5 minutes after open`. Required, unless there is cron.""",
    )
    cron: str = key(
        times.cron,
        default="",
        about="Instead of at and days: a cron expression of five fields.",
    )
    time_zone: ZoneInfo = key(
        times.time_zone, default=ZoneInfo("America/New_York"), about="Whose local time."
    )
    days: frozenset[int] = key(
        times.weekdays,
        default=frozenset(range(5)),
        about="On which days; if not set Monday to Friday, or with calendar all its days.",
    )
    calendar: str = key(
        times.calendar,
        default="",
        about="Only on the trading days of this exchange, such as XNYS.",
    )
    day: Which = key(
        one_of("every", "first", "last"),
        default="every",
        about="Which of the calendar's trading days: every, or the first or last of a period.",
    )
    of: Period | Literal[""] = key(
        one_of("week", "month", "quarter", "year"),
        default="",
        about="The period for day: week, month, quarter or year.",
    )
    exec_command: str = key(one_of(*COMMANDS), default="rebalance", about="What to do.")
    mode: Literal["full", "buy-only"] | None = key(
        one_of("full", "buy-only"),
        default=None,
        about="buy-only: invest the cash above the reserve, sell nothing.",
    )
    raise_cash: Decimal | None = key(
        number("an amount above 0", above=True),
        default=None,
        about="Have so much cash above the reserve: sell just enough, buy nothing.",
    )
    when: WhenKeys | None = key(
        section(WhenKeys),
        default=None,
        about="Only if one of these thresholds is exceeded; if not set, always.",
    )

    def data(self) -> dict[str, Any]:
        """What the signal asks for besides its command."""
        return data_of(self.mode, self.raise_cash, self.when)


def schedule(item: Item) -> Schedule:
    """One schedule, its keys held against one another."""
    read: Schedule = section(Schedule)(item)
    if problems := tuple(times.contradictions(item, read)):
        raise BadValueError(*problems)
    try:
        request.check(read.data(), read.exec_command)
    except PermanentError as error:
        raise item.refuse("a rebalance that can be asked for", found=str(error)) from None
    if read.calendar and "days" not in item.entries(""):
        return replace(read, days=EVERY_DAY)
    return read
