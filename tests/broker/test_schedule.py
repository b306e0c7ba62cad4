from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from rebalancer.broker.schedule import Schedule, due_between, next_due

NEW_YORK = ZoneInfo("America/New_York")
WEEKDAYS = frozenset(range(5))


def schedule(at: str, days: frozenset[int] = WEEKDAYS) -> Schedule:
    return Schedule("DU1", "rebalance", time.fromisoformat(at), NEW_YORK, days)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def dues(s: Schedule, after: str, until: str) -> list[str]:
    return [
        datetime.fromtimestamp(o.due, UTC).strftime("%m-%d %H:%M")
        for o in due_between(s, utc(after), utc(until))
    ]


def test_fires_at_local_time_on_its_weekdays() -> None:
    # 2026-11-20 is a Friday.
    found = dues(schedule("15:30"), "2026-11-20T00:00", "2026-11-24T00:00")
    assert found == ["11-20 20:30", "11-23 20:30"]


def test_local_time_stays_when_the_offset_changes() -> None:
    # US daylight saving ends on 2026-11-01.
    found = dues(schedule("15:30"), "2026-10-30T00:00", "2026-11-03T00:00")
    assert found == ["10-30 19:30", "11-02 20:30"]


def test_a_skipped_local_time_still_fires_once() -> None:
    every_day = frozenset(range(7))
    # 02:30 does not exist on 2026-03-08 in New York.
    found = dues(schedule("02:30", every_day), "2026-03-08T00:00", "2026-03-09T00:00")
    assert found == ["03-08 07:30"]


def test_a_repeated_local_time_fires_once() -> None:
    every_day = frozenset(range(7))
    # 01:30 exists twice on 2026-11-01 in New York.
    found = dues(schedule("01:30", every_day), "2026-11-01T00:00", "2026-11-02T00:00")
    assert found == ["11-01 05:30"]


def test_the_span_is_open_at_its_start_and_closed_at_its_end() -> None:
    s = schedule("15:30")
    assert dues(s, "2026-11-20T20:30", "2026-11-20T20:31") == []
    assert dues(s, "2026-11-20T20:29", "2026-11-20T20:30") == ["11-20 20:30"]


def test_next_due_reaches_over_the_weekend() -> None:
    s = schedule("15:30", frozenset({4}))
    assert next_due(s, utc("2026-11-20T20:30")).due == utc("2026-11-27T20:30")


def test_the_event_id_names_the_occurrence() -> None:
    occurrence = next_due(schedule("15:30"), utc("2026-11-20T00:00"))
    assert occurrence.event_id == "DU1.rebalance.20261120T2030Z"
