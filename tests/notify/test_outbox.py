"""When what is told, together with what: pure, so time is whatever the test says."""

from __future__ import annotations

from typing import Any

from rebalancer.notify.notices import Level, Notice
from rebalancer.notify.outbox import FIRST_RETRY, LAST_RETRY, PAUSE, Message, Outbox, Rules

RULES = Rules(gather=60, repeat=600, give_up=3600)
NOON = 1_770_033_600.0


def _notice(title: str, level: Level = "critical", n: int = 1, **more: Any) -> Notice:
    return Notice(level, title, at=NOON, ids=(f"{n}-0",), **more)


def _take(outbox: Outbox, now: float) -> Message:
    message = outbox.take(now)
    assert message is not None
    return message


def test_critical_goes_at_once_routine_is_gathered() -> None:
    outbox = Outbox(RULES)
    outbox.add(_notice("done", "routine", 1), 0)
    outbox.add(_notice("gone", "critical", 2), 1)
    outbox.add(_notice("done too", "routine", 3), 50)
    urgent = _take(outbox, 1)
    assert (urgent.title, urgent.level, urgent.ids) == ("gone", "critical", ("2-0",))
    outbox.sent(urgent, 1)
    assert outbox.next_due() == 60
    assert outbox.take(59.9) is None
    gathered = _take(outbox, 60)
    assert gathered.title == "done and 1 more"
    assert gathered.ids == ("1-0", "3-0")
    outbox.sent(gathered, 60)
    assert outbox.next_due() is None


def test_the_same_a_hundred_times_is_one_message_with_a_count() -> None:
    outbox = Outbox(RULES)
    for n in range(100):
        outbox.add(_notice("boom", n=n), 0)
    message = _take(outbox, 0)
    assert message.title == "boom (x100)"
    assert len(message.ids) == 100


def test_what_was_told_is_not_told_again_for_a_while_and_then_with_a_count() -> None:
    outbox = Outbox(RULES)
    outbox.add(_notice("boom", n=0), 0)
    outbox.sent(_take(outbox, 0), 0)
    for n in range(1, 100):
        outbox.add(_notice("boom", n=n), n)
    outbox.add(_notice("other", n=200), 10)
    other = _take(outbox, 10)
    assert other.title == "other"
    outbox.sent(other, 10)
    assert outbox.take(599) is None
    assert _take(outbox, 600).title == "boom (x99)"


def test_between_messages_lies_a_pause_and_a_storm_becomes_one() -> None:
    outbox = Outbox(RULES)
    outbox.add(_notice("U0", n=0), 0)
    outbox.sent(_take(outbox, 0), 0)
    for n in range(1, 41):
        outbox.add(_notice(f"U{n}", n=n, text="x" * 400), 1)
    assert outbox.next_due() == PAUSE
    assert outbox.take(1) is None
    storm = _take(outbox, PAUSE)
    assert storm.title == "U1 and 39 more"
    assert storm.body.count("U") == 7
    assert storm.body.endswith("33 more: rebalancer journal")
    assert len(storm.body) < 3100
    assert len(storm.ids) == 40


def test_a_failure_waits_longer_each_time_and_loses_nothing() -> None:
    outbox = Outbox(RULES)
    outbox.add(_notice("boom", n=1), 0)
    message = _take(outbox, 0)
    outbox.add(_notice("boom", n=2), 0)  # while it is being sent
    outbox.add(_notice("next", n=3), 0)
    assert outbox.failed(message, 0) == FIRST_RETRY
    assert outbox.take(FIRST_RETRY - 0.1) is None
    again = _take(outbox, FIRST_RETRY)
    assert sorted(again.ids) == ["1-0", "2-0", "3-0"]
    assert outbox.failed(again, 5) == 2 * FIRST_RETRY
    for _ in range(10):
        now = outbox.next_due() or 0
        pause = outbox.failed(_take(outbox, now), now)
    assert pause == LAST_RETRY
    now = outbox.next_due() or 0
    outbox.sent(_take(outbox, now), now)
    outbox.add(_notice("later", n=4), now)
    assert outbox.next_due() == now + PAUSE


def test_what_is_too_old_is_given_up() -> None:
    outbox = Outbox(RULES)
    outbox.add(_notice("old", n=1), 0)
    assert outbox.give_up(NOON + 3600) == ()
    assert [n.title for n in outbox.give_up(NOON + 3601)] == ["old"]
    assert len(outbox) == 0
    assert outbox.next_due() is None


def test_a_message_says_what_when_and_what_to_do() -> None:
    outbox = Outbox(RULES)
    outbox.add(_notice("boom", text="because", remedy="rebalancer doctor"), 0)
    message = _take(outbox, 0)
    assert message.body == "because\nTo do: rebalancer doctor\n2026-02-02 12:00:00Z"
