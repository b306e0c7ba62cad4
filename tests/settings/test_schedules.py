"""What a schedule may say: by the clock, by an exchange's days, as cron; and what not."""

from __future__ import annotations

from datetime import time
from zoneinfo import ZoneInfo

import exchange_calendars
import pytest

from rebalancer.core.sessions import Offset
from rebalancer.settings.schedules import EVERY_DAY, Schedule
from rebalancer.settings.times import CALENDARS
from tests.settings.conftest import Etc

NEW_YORK = ZoneInfo("America/New_York")


def schedule_of(etc: Etc, text: str) -> Schedule:
    etc.write(
        accounts=f"accounts: [{{account_id: DU1, type: paper, targets: {{SPY: 1}}, "
        f"schedule: {{{text}}}}}]"
    )
    [schedule] = etc.load().accounts["DU1"].schedules
    return schedule


def test_the_calendars_are_those_of_the_library() -> None:
    assert set(exchange_calendars.get_calendar_names(include_aliases=True)) == CALENDARS


def test_a_moment_of_every_trading_day(etc: Etc) -> None:
    schedule = schedule_of(etc, "at: 30 minutes before close, calendar: XNYS")
    assert schedule.at == Offset(30, "close")
    assert (schedule.calendar, schedule.day, schedule.days) == ("XNYS", "every", EVERY_DAY)
    schedule = schedule_of(etc, "at: 1 minute after open, calendar: NYSE, days: [fri]")
    assert (schedule.at, schedule.days) == (Offset(1, "open"), frozenset({4}))


def test_the_last_trading_day_of_a_quarter(etc: Etc) -> None:
    schedule = schedule_of(etc, "at: 15:30, calendar: XLON, day: last, of: quarter")
    assert (schedule.at, schedule.day, schedule.of) == (time(15, 30), "last", "quarter")


def test_cron(etc: Etc) -> None:
    schedule = schedule_of(etc, "cron: '30  15 * * FRI#1', time_zone: Europe/Berlin")
    assert (schedule.cron, schedule.at) == ("30 15 * * FRI#1", None)
    assert schedule.time_zone == ZoneInfo("Europe/Berlin")
    assert schedule_of(etc, "cron: '0 12 * * *', calendar: XNYS").calendar == "XNYS"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("days: [mon]", "schedule.at: found no such key; expected it to be there, or cron"),
        (
            "at: noon",
            "schedule.at: found 'noon'; expected a time of day from 00:00 to 23:59, or",
        ),
        ("at: 30 minutes after close", "schedule.at: found '30 minutes after close'; expected"),
        (
            "at: 5 minutes before close",
            "schedule.at: found '5 minutes before close'; expected ",
        ),
        ("at: 15:30, calendar: XNYZ", "calendar: found 'XNYZ'; expected an exchange calendar "),
        ("at: 15:30, calendar: xnys", "(did you mean XNYS?)"),
        ("at: 15:30, day: last, of: month", "schedule.day: found 'last'; expected calendar as"),
        (
            "at: 15:30, of: month, calendar: XNYS",
            "schedule.of: found 'month'; expected day: fi",
        ),
        (
            "at: 15:30, day: last, calendar: XNYS",
            "schedule.of: found no such key; expected wee",
        ),
        (
            "at: 15:30, day: last, of: month, days: [fri], calendar: XNYS",
            "schedule.days: found it beside day: last; expected one or the other",
        ),
        ("cron: '* * *'", "schedule.cron: found '* * *'; expected a cron expression: minute"),
        ("cron: '0 0 12 * * *'", "schedule.cron: found '0 0 12 * * *'; expected a cron expre"),
        ("cron: '61 * * * *'", "(bad minute)"),
        ("cron: '0 0 30 2 *'", "(bad day-of-month)"),
        ("cron: '0 0 * 2 MON#5', at: 15:30", "schedule.at: found it beside cron; expected one"),
        ("cron: '0 9 * * *', days: [mon]", "schedule.days: found it beside cron; expected one"),
    ],
)
def test_schedule_refused(etc: Etc, text: str, said: str) -> None:
    etc.write(
        accounts=f"accounts: [{{account_id: DU1, type: paper, targets: {{SPY: 1}}, "
        f"schedule: {{{text}}}}}]"
    )
    assert any(said in problem for problem in etc.said()), etc.said()
