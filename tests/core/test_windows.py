"""When the gateway is expected to be away: nights, weekends, and changes of clocks."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from rebalancer.core.windows import (
    IBKR_WINDOWS,
    Absence,
    Window,
    closed_at,
    expected_down,
    login_due,
    next_window,
)

ALL = frozenset(range(7))
SUNDAY = frozenset({6})


def at(text: str, zone: str = "America/New_York") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def shown(absence: Absence | None) -> tuple[str, str, str] | None:
    """Its names, and its ends in New York."""
    if absence is None:
        return None
    zone = ZoneInfo("America/New_York")
    ends = (datetime.fromtimestamp(moment, zone) for moment in (absence.start, absence.end))
    start, end = (f"{local:%a %d %H:%M}" for local in ends)
    return absence.name, start, end


def test_without_windows_it_is_never_expected_to_go() -> None:
    assert expected_down((), at("2026-03-04T23:50")) is None
    assert next_window((), at("2026-03-04T23:50")) is None
    assert not login_due((), at("2026-03-08T02:00"))


def test_the_start_belongs_to_a_window_and_the_end_does_not() -> None:
    noon = (Window("noon", ALL, time(12), time(13)),)
    assert expected_down(noon, at("2026-03-04T11:59:59")) is None
    assert shown(expected_down(noon, at("2026-03-04T12:00"))) == (
        "noon",
        "Wed 04 12:00",
        "Wed 04 13:00",
    )
    assert expected_down(noon, at("2026-03-04T12:59:59")) is not None
    assert expected_down(noon, at("2026-03-04T13:00")) is None


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    night = (Window("night", SUNDAY, time(23, 45), time(0, 15)),)
    assert expected_down(night, at("2026-03-08T00:10")) is None  # Saturday's night has none
    assert expected_down(night, at("2026-03-09T00:14")) is not None
    assert expected_down(night, at("2026-03-09T00:15")) is None


def test_windows_are_in_their_own_zones() -> None:
    tokyo = (Window("tokyo", ALL, time(12), time(13), "Asia/Tokyo"),)
    assert expected_down(tokyo, at("2026-03-04T12:30", "Asia/Tokyo")) is not None
    assert expected_down(tokyo, at("2026-03-04T12:30")) is None


def test_windows_that_touch_or_overlap_are_one() -> None:
    tuesday = "Tue 03 23:45"
    assert shown(expected_down(IBKR_WINDOWS, at("2026-03-03T23:50"))) == (
        "daily restart, nightly reset",
        tuesday,
        "Wed 04 01:45",
    )
    weekend = shown(expected_down(IBKR_WINDOWS, at("2026-03-06T23:10")))
    assert weekend is not None
    assert weekend[1:] == ("Fri 06 23:00", "Sat 07 03:00")


def test_on_sunday_a_person_is_needed() -> None:
    assert not login_due(IBKR_WINDOWS, at("2026-03-08T00:50"))
    assert login_due(IBKR_WINDOWS, at("2026-03-08T01:00"))
    assert not login_due(IBKR_WINDOWS, at("2026-03-08T12:00"))
    assert not login_due(IBKR_WINDOWS, at("2026-03-09T01:10"))


def test_the_next_window_is_one_that_has_not_begun() -> None:
    restart = IBKR_WINDOWS[:1]
    assert shown(next_window(restart, at("2026-03-04T12:00"))) == (
        "daily restart",
        "Wed 04 23:45",
        "Thu 05 00:15",
    )
    inside = next_window(restart, at("2026-03-04T23:45"))
    assert inside is not None
    assert inside.start == at("2026-03-05T23:45")


def test_a_weekly_window_is_found_a_week_ahead() -> None:
    weekly = (Window("weekly", SUNDAY, time(1), time(12)),)
    coming = next_window(weekly, at("2026-03-08T01:00"))
    assert coming is not None
    assert coming.start == at("2026-03-15T01:00")


def test_the_lead_counts_as_closed() -> None:
    noon = (Window("noon", ALL, time(12), time(13)),)
    assert closed_at(noon, at("2026-03-04T11:54:59"), lead=300.0) is None
    assert closed_at(noon, at("2026-03-04T11:55:01"), lead=300.0) is not None
    assert expected_down(noon, at("2026-03-04T11:55:01")) is None


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        ("2026-03-07", 4.0),  # the night before the clocks go forward
        ("2026-03-08", 3.0),  # they go forward at two: 23:30 to 03:30 lasts an hour less
        ("2026-11-01", 5.0),  # they go back at two
    ],
)
def test_the_night_is_as_long_as_the_clocks_make_it(day: str, hours: float) -> None:
    night = (Window("night", ALL, time(23, 30), time(3, 30)),)
    absence = expected_down(night, at(f"{day}T00:30"))
    assert absence is not None
    assert absence.end - absence.start == hours * 3600


def test_a_local_time_that_comes_twice_makes_the_longer_window() -> None:
    """On 1 November 2026 01:30 comes twice in New York."""
    ending = (Window("ending", SUNDAY, time(1), time(1, 30)),)
    absence = expected_down(ending, at("2026-11-01T01:10"))
    assert absence is not None
    assert absence.end - absence.start == 1.5 * 3600
    beginning = (Window("beginning", SUNDAY, time(1, 30), time(3)),)
    absence = next_window(beginning, at("2026-11-01T00:00"))
    assert absence is not None
    assert absence.end - absence.start == 2.5 * 3600


def test_a_local_time_that_never_comes_makes_the_longer_window() -> None:
    """On 8 March 2026 02:30 does not come in New York."""
    window = (Window("gap", SUNDAY, time(2, 30), time(4)),)
    absence = next_window(window, at("2026-03-08T00:00"))
    assert absence is not None
    assert (absence.start, absence.end) == (at("2026-03-08T01:30"), at("2026-03-08T04:00"))


def test_days_that_are_windows_from_end_to_end() -> None:
    whole = (
        Window("day", ALL, time(6), time(18), "UTC"),
        Window("night", ALL, time(18), time(6), "UTC"),
    )
    now = at("2026-03-04T12:00", "UTC")
    absence = expected_down(whole, now)
    assert absence is not None
    assert absence.end > now + 86_400
