from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rebalancer.core.hours import common_open, is_open, next_common_open, next_open, parse
from rebalancer.errors import StaleDataError

NEW_YORK = "US/Eastern"


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def spans(text: str, zone: str = NEW_YORK) -> list[tuple[str, str]]:
    return [
        tuple(datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M") for at in span)  # type: ignore[misc]
        for span in parse(text, zone)
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("20260105:0930-20260105:1600", [("01-05 14:30", "01-05 21:00")]),
        ("20260105:0930-1600", [("01-05 14:30", "01-05 21:00")]),
        ("20260103:CLOSED;20260105:0930-20260105:1600", [("01-05 14:30", "01-05 21:00")]),
        ("20260103:CLOSED", []),
        (
            "20260105:0900-1130,1230-1500",
            [("01-05 14:00", "01-05 16:30"), ("01-05 17:30", "01-05 20:00")],
        ),
        # Across midnight, as futures trade.
        ("20260105:1800-20260106:1700", [("01-05 23:00", "01-06 22:00")]),
        # The day after Thanksgiving 2026 closes at 13:00; the holiday itself is closed.
        ("20261126:CLOSED;20261127:0930-20261127:1300", [("11-27 14:30", "11-27 18:00")]),
    ],
)
def test_every_published_form_is_read(text: str, found: list[tuple[str, str]]) -> None:
    assert spans(text) == found


@pytest.mark.parametrize("zone", ["America/New_York", "US/Eastern", "EST5EDT"])
def test_iana_and_legacy_names_are_the_same_zone(zone: str) -> None:
    assert spans("20260706:0930-20260706:1600", zone) == [("07-06 13:30", "07-06 20:00")]


@pytest.mark.parametrize(
    ("day", "opens"),
    [
        # 2026-03-08 and 2026-11-01: daylight saving begins and ends in New York.
        ("20260306", "03-06 14:30"),
        ("20260309", "03-09 13:30"),
        ("20261030", "10-30 13:30"),
        ("20261102", "11-02 14:30"),
    ],
)
def test_daylight_saving_is_the_zones_own(day: str, opens: str) -> None:
    assert spans(f"{day}:0930-{day}:1600")[0][0] == opens


def test_an_empty_zone_needs_a_fallback() -> None:
    text = "20260105:0930-20260105:1600"
    with pytest.raises(StaleDataError):
        parse(text, "")
    assert parse(text, "", fallback_zone="America/New_York") == parse(text, NEW_YORK)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "nonsense",
        "20260105",
        "20261345:0930-1600",
        "20260105:2530-2600",
        "20260105:0930",
    ],
)
def test_what_cannot_be_read_is_never_open(text: str) -> None:
    with pytest.raises(StaleDataError):
        parse(text, NEW_YORK)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(StaleDataError):
        parse("20260105:0930-20260105:1600", "Mars/Olympus")


def test_open_at_the_bell_and_not_at_the_close() -> None:
    sessions = parse("20260105:0930-20260105:1600", NEW_YORK)
    assert not is_open(sessions, utc("2026-01-05T14:29:59"))
    assert is_open(sessions, utc("2026-01-05T14:30"))
    assert is_open(sessions, utc("2026-01-05T20:59:59"))
    assert not is_open(sessions, utc("2026-01-05T21:00"))


def test_opens_next() -> None:
    sessions = parse("20260105:0930-1600;20260106:0930-1600", NEW_YORK)
    assert next_open(sessions, utc("2026-01-05T15:00")) == utc("2026-01-05T15:00")
    assert next_open(sessions, utc("2026-01-05T22:00")) == utc("2026-01-06T14:30")
    assert next_open(sessions, utc("2026-01-06T22:00")) is None


def test_exchanges_of_two_zones_share_a_few_hours() -> None:
    new_york = parse("20260105:0930-1600;20260106:0930-1600", NEW_YORK)
    london = parse("20260105:0800-1630;20260106:0800-1630", "Europe/London")
    both = [new_york, london]
    assert not common_open(both, utc("2026-01-05T10:00"))
    assert next_common_open(both, utc("2026-01-05T10:00")) == utc("2026-01-05T14:30")
    assert common_open(both, utc("2026-01-05T15:00"))
    assert next_common_open(both, utc("2026-01-05T17:00")) == utc("2026-01-06T14:30")


def test_nothing_in_the_way_is_open() -> None:
    assert common_open([], utc("2026-01-05T10:00"))
