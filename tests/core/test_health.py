"""What is well, what needs a look, and what is down."""

from __future__ import annotations

import dataclasses

import pytest

from rebalancer.core.health import PARTS, SWEEPS, Beat, Limits, Part, Seen, judge, overall

NOW = 1_700_000_000.0
LIMITS = Limits(heartbeat=30, sweep=120, oldest_event=600)
WELL = Seen(
    beats={
        "broker": Beat(NOW - 5, {}),
        "processor": Beat(NOW - 5, {"gateway_ready": True, "gateway_state": "connected"}),
    },
    sweeps=dict.fromkeys((*SWEEPS, "repair"), NOW - 10),
    queued=2,
    leased=1,
    dead=0,
    waiting_since=NOW - 3,
)
AWAY = {"gateway_ready": False, "gateway_state": "no route"}


def _part(seen: Seen, name: str) -> Part:
    parts = judge(seen, LIMITS, NOW)
    assert tuple(part.name for part in parts) == PARTS
    return next(part for part in parts if part.name == name)


def _processor(**info: object) -> Seen:
    beats = {**WELL.beats, "processor": Beat(NOW - 5, {**AWAY, **info})}
    return dataclasses.replace(WELL, beats=beats)


def test_all_is_well() -> None:
    parts = judge(WELL, LIMITS, NOW)
    assert {part.status for part in parts} == {"ok"}
    assert overall(parts) == "ok"


@pytest.mark.parametrize("name", ["broker", "processor"])
def test_a_silent_daemon_is_down(name: str) -> None:
    for beats in (
        {**WELL.beats, name: Beat(NOW - 31, {})},
        {key: beat for key, beat in WELL.beats.items() if key != name},
    ):
        seen = dataclasses.replace(WELL, beats=beats)
        part = _part(seen, name)
        assert (part.status, name in part.remedy) == ("down", True)
        assert overall(judge(seen, LIMITS, NOW)) == "down"


def test_nobody_knows_the_gateway_without_a_processor() -> None:
    seen = dataclasses.replace(WELL, beats={"broker": WELL.beats["broker"]})
    assert _part(seen, "gateway").status == "unknown"


def test_a_gateway_is_down_unless_that_is_expected() -> None:
    assert _part(_processor(), "gateway").status == "down"
    assert _part(_processor(gateway_expected_down_until=NOW + 60), "gateway").status == "ok"
    assert _part(_processor(gateway_expected_down_until=NOW - 1), "gateway").status == "down"
    assert _part(_processor(gateway_expected_down_until="soon"), "gateway").status == "down"


def test_a_late_sweep_needs_a_look() -> None:
    for sweeps in ({**WELL.sweeps, "retry": NOW - 121}, {"leases": NOW, "delayed": NOW}):
        seen = dataclasses.replace(WELL, sweeps=sweeps)
        part = _part(seen, "sweeps")
        assert (part.status, "retry" in part.detail) == ("degraded", True)
        assert overall(judge(seen, LIMITS, NOW)) == "degraded"


def test_an_event_that_waits_too_long_is_down_unless_nothing_could_run() -> None:
    waiting = dataclasses.replace(WELL, waiting_since=NOW - 601)
    assert _part(waiting, "queue").status == "down"
    expected = _processor(gateway_expected_down_until=NOW + 60)
    expected = dataclasses.replace(expected, waiting_since=NOW - 601)
    assert _part(expected, "queue").status == "degraded"
    assert _part(dataclasses.replace(WELL, waiting_since=None), "queue").status == "ok"


def test_a_dead_letter_needs_a_look() -> None:
    seen = dataclasses.replace(WELL, dead=2)
    assert _part(seen, "dead_letter").status == "degraded"
    assert overall(judge(seen, LIMITS, NOW)) == "degraded"


def test_without_redis_nothing_is_known() -> None:
    parts = judge(None, LIMITS, NOW, "cannot be reached")
    assert [part.status for part in parts] == ["down", *["unknown"] * 6]
    assert overall(parts) == "down"
