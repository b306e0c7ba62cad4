"""What is due when: weekdays, trading days, cron; holidays, half days and daylight saving."""

from __future__ import annotations

import asyncio
import dataclasses
import time as clock
from datetime import UTC, datetime, time
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from rebalancer.broker.calendars import Almanac, CalendarsUnavailableError, nearly_over
from rebalancer.broker.rules import EVERY_DAY, Calendars, Cron, Rule, TradingDays, Weekly
from rebalancer.broker.schedule import Backlog, Schedule, backlog
from rebalancer.core.sessions import Offset, Period, Which, bounds

NEW_YORK = ZoneInfo("America/New_York")
BERLIN = ZoneInfo("Europe/Berlin")
WEEKDAYS = frozenset(range(5))
BEFORE_CLOSE = Offset(30, "close")


@pytest.fixture(scope="module")
def calendars() -> Calendars:
    """Real ones, computed as the broker has them computed."""
    almanac = Almanac()
    names = ["XNYS", "XLON"]
    asyncio.run(almanac.renew(names, utc("2026-06-01T00:00")))
    return almanac.known


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def dues(rule: Rule, after: str, until: str, calendars: Calendars | None = None) -> list[str]:
    ends = utc(until)
    times = takewhile(lambda due: due <= ends, rule.times(utc(after), calendars or {}))
    return [datetime.fromtimestamp(due, UTC).strftime("%m-%d %H:%M") for due in times]


def weekly(at: str, days: frozenset[int] = WEEKDAYS) -> Weekly:
    return Weekly(time.fromisoformat(at), NEW_YORK, days)


def trading(
    at: time | Offset = BEFORE_CLOSE,
    which: Which = "every",
    of: Period = "month",
    days: frozenset[int] = EVERY_DAY,
    calendar: str = "XNYS",
) -> TradingDays:
    return TradingDays(at, NEW_YORK, days, calendar, which, of)


# Weekdays ---------------------------------------------------------------------------------


def test_fires_at_local_time_on_its_weekdays() -> None:
    # 2026-11-20 is a Friday.
    found = dues(weekly("15:30"), "2026-11-20T00:00", "2026-11-24T00:00")
    assert found == ["11-20 20:30", "11-23 20:30"]


def test_local_time_stays_when_the_offset_changes() -> None:
    # US daylight saving ends on 2026-11-01.
    found = dues(weekly("15:30"), "2026-10-30T00:00", "2026-11-03T00:00")
    assert found == ["10-30 19:30", "11-02 20:30"]


def test_a_skipped_local_time_still_fires_once() -> None:
    # 02:30 does not exist on 2026-03-08 in New York.
    found = dues(weekly("02:30", EVERY_DAY), "2026-03-08T00:00", "2026-03-09T00:00")
    assert found == ["03-08 07:30"]


def test_a_repeated_local_time_fires_once() -> None:
    # 01:30 exists twice on 2026-11-01 in New York.
    found = dues(weekly("01:30", EVERY_DAY), "2026-11-01T00:00", "2026-11-02T00:00")
    assert found == ["11-01 05:30"]


def test_the_span_is_open_at_its_start_and_closed_at_its_end() -> None:
    rule = weekly("15:30")
    assert dues(rule, "2026-11-20T20:30", "2026-11-20T20:31") == []
    assert dues(rule, "2026-11-20T20:29", "2026-11-20T20:30") == ["11-20 20:30"]


# Trading days -----------------------------------------------------------------------------


def test_thanksgiving_is_no_day_and_the_friday_after_is_half_a_day(
    calendars: Calendars,
) -> None:
    found = dues(trading(), "2026-11-25T00:00", "2026-12-01T00:00", calendars)
    assert found == ["11-25 20:30", "11-27 17:30", "11-30 20:30"]


def test_after_the_open_moves_with_daylight_saving(calendars: Calendars) -> None:
    rule = trading(Offset(5, "open"))
    assert dues(rule, "2026-03-06T00:00", "2026-03-10T00:00", calendars) == [
        "03-06 14:35",
        "03-09 13:35",
    ]
    assert dues(rule, "2026-10-30T00:00", "2026-11-03T00:00", calendars) == [
        "10-30 13:35",
        "11-02 14:35",
    ]


def test_london_changes_its_clocks_on_another_day(calendars: Calendars) -> None:
    rule = trading(Offset(0, "open"), calendar="XLON")
    assert dues(rule, "2026-10-23T00:00", "2026-10-27T00:00", calendars) == [
        "10-23 07:00",
        "10-26 08:00",
    ]
    # Christmas Eve closes at 12:30, the 25th and Boxing Day (moved to the 28th) are holidays.
    close = trading(calendar="XLON")
    assert dues(close, "2026-12-23T17:00", "2026-12-30T00:00", calendars) == [
        "12-24 12:00",
        "12-29 16:00",
    ]


def test_a_time_of_day_goes_by_the_schedule_s_zone(calendars: Calendars) -> None:
    rule = dataclasses.replace(trading(time(16, 0)), zone=BERLIN)
    assert dues(rule, "2026-11-25T00:00", "2026-11-28T00:00", calendars) == [
        "11-25 15:00",
        "11-27 15:00",
    ]


@pytest.mark.parametrize(
    ("which", "of", "expected"),
    [
        ("first", "month", ["09-01", "10-01", "11-02", "12-01"]),
        ("last", "month", ["08-31", "09-30", "10-30", "11-30", "12-31"]),
        ("first", "quarter", ["10-01"]),
        ("last", "quarter", ["09-30", "12-31"]),
        ("first", "year", []),
        ("last", "year", ["12-31"]),
    ],
)
def test_the_first_and_last_trading_day(
    calendars: Calendars, which: Which, of: Period, expected: list[str]
) -> None:
    rule = trading(which=which, of=of)
    found = dues(rule, "2026-08-20T00:00", "2026-12-31T23:00", calendars)
    assert [due[:5] for due in found] == expected


def test_the_week_that_thanksgiving_is_in(calendars: Calendars) -> None:
    span = ("2026-11-22T00:00", "2026-12-05T00:00")
    assert dues(trading(which="last", of="week"), *span, calendars) == [
        "11-27 17:30",
        "12-04 20:30",
    ]
    assert dues(trading(which="first", of="week"), *span, calendars) == [
        "11-23 20:30",
        "11-30 20:30",
    ]


def test_chosen_weekdays_among_trading_days(calendars: Calendars) -> None:
    thursdays = trading(days=frozenset({3}))
    assert dues(thursdays, "2026-11-18T00:00", "2026-12-04T00:00", calendars) == [
        "11-19 20:30",
        "12-03 20:30",
    ]


def test_beyond_what_a_calendar_knows_there_is_nothing(calendars: Calendars) -> None:
    until = datetime(2026, 11, 20, tzinfo=UTC).date()
    known = {"XNYS": dataclasses.replace(calendars["XNYS"], last=until)}
    daily = Cron("0 12 * * *", NEW_YORK, "XNYS")
    assert dues(daily, "2026-11-19T00:00", "2027-12-31T00:00", known) == [
        "11-19 17:00",
        "11-20 17:00",
    ]
    assert nearly_over(known.values(), utc("2026-10-01T00:00")) == ""
    said = nearly_over(known.values(), utc("2026-11-01T00:00"))
    assert said == "XNYS is known until 2026-11-20 only"


def test_what_nobody_knows_is_not_asked_for() -> None:
    # Astana's exchange opened in 2017, so there is nothing to be known of the years before.
    almanac = Almanac()
    asyncio.run(almanac.renew(["AIXK"], utc("2017-06-01T00:00")))
    assert str(almanac.known["AIXK"].first) == "2017-01-01"
    assert str(almanac.known["AIXK"].last) == "2018-12-31"


def test_a_period_that_is_not_known_as_a_whole_has_no_end(calendars: Calendars) -> None:
    whole = calendars["XNYS"]
    cut = dataclasses.replace(
        whole,
        last=datetime(2026, 11, 20, tzinfo=UTC).date(),
        sessions=tuple(s for s in whole.sessions if s.close <= utc("2026-11-21T00:00")),
    )
    rule = trading(which="last", of="month")
    assert dues(rule, "2026-10-20T00:00", "2026-12-31T00:00", {"XNYS": cut}) == ["10-30 19:30"]


def test_a_calendar_that_is_not_there_yet_gives_nothing() -> None:
    assert dues(trading(), "2026-01-01T00:00", "2026-12-31T00:00") == []
    on_days = Cron("0 12 * * *", NEW_YORK, "XNYS")
    assert dues(on_days, "2026-01-01T00:00", "2026-12-31T00:00") == []


def test_periods() -> None:
    day = datetime(2026, 12, 3, tzinfo=UTC).date()
    spans = {period: bounds(day, period) for period in ("week", "month", "quarter", "year")}
    assert {name: (str(a), str(b)) for name, (a, b) in spans.items()} == {
        "week": ("2026-11-30", "2026-12-06"),
        "month": ("2026-12-01", "2026-12-31"),
        "quarter": ("2026-10-01", "2026-12-31"),
        "year": ("2026-01-01", "2026-12-31"),
    }


# Cron -------------------------------------------------------------------------------------


def test_cron_in_local_time() -> None:
    rule = Cron("30 15 * * FRI", NEW_YORK)
    found = dues(rule, "2026-10-30T00:00", "2026-11-07T00:00")
    assert found == ["10-30 19:30", "11-06 20:30"]


def test_cron_on_trading_days_only(calendars: Calendars) -> None:
    rule = Cron("0 11,15 * * *", NEW_YORK, "XNYS")
    found = dues(rule, "2026-11-25T00:00", "2026-11-28T00:00", calendars)
    assert found == ["11-25 16:00", "11-25 20:00", "11-27 16:00", "11-27 20:00"]


def test_cron_where_clocks_change() -> None:
    fixed, hourly = Cron("30 2 * * *", NEW_YORK), Cron("30 * * * *", NEW_YORK)
    # 02:30 is skipped: a fixed time runs right after the step, as cron does.
    assert dues(fixed, "2026-03-08T00:00", "2026-03-09T00:00") == ["03-08 07:00"]
    assert dues(hourly, "2026-03-08T06:00", "2026-03-08T08:00") == [
        "03-08 06:30",
        "03-08 07:30",
    ]
    # 01:30 is repeated: a fixed time runs at its first occurrence only.
    early = Cron("30 1 * * *", NEW_YORK)
    assert dues(early, "2026-11-01T00:00", "2026-11-02T00:00") == ["11-01 05:30"]
    assert dues(early, "2026-11-01T05:45", "2026-11-02T00:00") == []
    assert dues(hourly, "2026-11-01T05:00", "2026-11-01T07:00") == [
        "11-01 05:30",
        "11-01 06:30",
    ]


# Occurrences ------------------------------------------------------------------------------


def test_the_event_id_names_the_occurrence() -> None:
    schedule = Schedule("DU1", "rebalance", weekly("15:30"))
    due = schedule.next_due(utc("2026-11-20T00:00"), {})
    assert due is not None
    assert schedule.event_id(due) == "DU1.rebalance.20261120T2030Z"


def test_schedules_that_ask_for_different_things_are_different_signals() -> None:
    plain = Schedule("DU1", "rebalance", weekly("15:30"))
    other = dataclasses.replace(plain, data={"mode": "buy-only"})
    assert plain.event_id(0.0) != other.event_id(0.0)
    assert plain.name != other.name


def test_a_backlog_says_how_often_and_when() -> None:
    schedule = Schedule("DU1", "rebalance", weekly("15:30"))
    seen, now = utc("2026-11-18T20:30"), utc("2026-11-24T00:00")
    assert backlog(schedule, seen, now, {}) == Backlog(
        3, utc("2026-11-19T20:30"), utc("2026-11-23T20:30")
    )
    assert backlog(schedule, now, now, {}) is None


# The child --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("child", "said"),
    [
        (("/nonexistent/python",), "no child process"),
        (("false",), "ended with 1: it said nothing"),
        (("sh", "-c", "echo no pandas >&2; exit 3"), "ended with 3: no pandas"),
        (("sh", "-c", "kill -9 $$"), "ended with -9"),
        (("echo",), "unreadable sessions"),
        (("sh", "-c", 'echo "{}"'), "unreadable sessions"),
        (
            ("sh", "-c", """echo '{"XNYS": {"first": "", "last": "", "sessions": []}}'"""),
            "no sessions",
        ),
        (
            (
                "sh",
                "-c",
                """echo '{"XNYS": {"first": "2026-01-01", "last": "2026-12-31", "sessions":
                [["2026-01-02", 2, 1]]}}'""",
            ),
            "ends before it begins",
        ),
    ],
)
async def test_a_child_that_fails_leaves_what_was_known(
    calendars: Calendars, child: tuple[str, ...], said: str
) -> None:
    almanac = Almanac(child)
    almanac.known = calendars
    with pytest.raises(CalendarsUnavailableError, match=said):
        await almanac.renew(["XNYS"], clock.time())
    assert almanac.known is calendars
    assert not almanac.is_fresh(["XNYS"], clock.time())


async def test_sessions_are_computed_anew_after_a_day() -> None:
    answer = """echo '{"XNYS": {"first": "2026-01-01", "last": "2026-12-31", "sessions":
        [["2026-01-02", 1, 2]]}}'"""
    almanac = Almanac(("sh", "-c", answer))
    await almanac.renew(["XNYS"], 1e9)
    assert almanac.is_fresh(["XNYS"], 1e9 + 86_399)
    assert not almanac.is_fresh(["XNYS"], 1e9 + 86_401)
    assert not almanac.is_fresh(["XNYS", "XLON"], 1e9)
    assert almanac.is_fresh([], 2e9)
