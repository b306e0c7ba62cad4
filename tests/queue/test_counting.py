"""Signals are counted once, and schedules are seen once, in the step that accepts."""

from __future__ import annotations

from rebalancer.queue import journal, keys, moves, signals
from tests.queue.lab import START, Lab, event


def _count(lab: Lab, *, event_id: str, seen: tuple[str, float] | None = None) -> str:
    move = moves.enqueue(event("U1", event_id=event_id), now=START, counted=True, seen=seen)
    return lab.run(move).status


def test_what_becomes_of_signals_is_counted_by_source(lab: Lab) -> None:
    assert [_count(lab, event_id=name) for name in ("a", "b", "b", "a")] == [
        "queued",
        "merged",
        "merged",
        "queued",
    ]
    lab.leased()
    assert _count(lab, event_id="c") == "rerun"
    lab.run(signals.turn_away("rejected", "spool", {"reason": "r"}, now=START, request="x"))
    lab.run(signals.turn_away("rejected", "spool", {"reason": "r"}, now=START, request="x"))
    assert lab.run(signals.counts()) == {
        "cli": {"accepted": 2, "merged": 1},
        "spool": {"rejected": 1},
    }
    [told] = [e for e in lab.run(journal.read()) if e.kind == "rejected"]
    assert told.data == {"reason": "r"}


def test_others_are_not_counted(lab: Lab) -> None:
    lab.enqueue("U1")
    assert lab.run(signals.counts()) == {}


def _begin(lab: Lab, *names: str, now: float, begin: float) -> dict[str, float]:
    return dict(lab.run(signals.begin_schedules(names, now=now, begin=begin)))


def test_a_schedule_is_seen_with_its_signal(lab: Lab) -> None:
    assert _begin(lab, "s", "t", now=START, begin=START - 5) == {
        "s": START - 5,
        "t": START - 5,
    }
    _count(lab, event_id="a", seen=("s", START + 1))
    again = _begin(lab, "s", "t", now=START + 9, begin=START + 4)
    assert again == {"s": START + 1, "t": START - 5}


def test_a_schedule_that_was_away_begins_anew(lab: Lab) -> None:
    _begin(lab, "s", "t", now=START, begin=START)
    _begin(lab, "t", now=START + 9, begin=START + 9)
    assert list(lab.redis.hgetall(keys.SCHEDULES)) == [b"t"]
    assert _begin(lab, "s", now=START + 20, begin=START + 20) == {"s": START + 20}


def test_a_clock_that_was_ahead_silences_nothing(lab: Lab) -> None:
    _begin(lab, "s", now=START + 10**9, begin=START + 10**9)
    assert _begin(lab, "s", now=START, begin=START) == {"s": START}
    lab.redis.hset(keys.SCHEDULES, "s", "yesterday")
    assert _begin(lab, "s", now=START + 1, begin=START) == {"s": START + 1}
