"""What people do: look at the queue, remove, clear, put back."""

from __future__ import annotations

import pytest

from rebalancer.errors import LeaseLostError, PermanentError
from rebalancer.queue import keys, moves
from rebalancer.queue.values import Listed, Page, Requeued
from tests.queue.lab import START, Lab, intent


def _one_in_each_state(lab: Lab) -> None:
    """Events named after their states, and one parked behind the leased one."""
    for name in ("dead", "retrying", "delayed", "leased", "queued"):
        lab.enqueue(f"A-{name}", event_id=name)
    lab.run(moves.bury(lab.leased(), now=START, reason="why", error="what"))
    lab.retry(lab.leased(), delay=60)
    lab.run(moves.delay(lab.leased(), now=START, until=START + 9, reason="closed"))
    lab.leased("w1", ttl=20)
    lab.enqueue("A-leased", "print-orders", event_id="parked", priority="high")
    # Popping the high one parks it; the plain one that comes next is given back.
    lab.run(moves.release(lab.leased("w2"), now=START))


STATES = ("dead", "retrying", "delayed", "leased", "queued")


def test_stats_count_each_state(lab: Lab) -> None:
    _one_in_each_state(lab)
    stats = lab.run(moves.stats(now=START))
    assert (stats.queued, stats.parked, stats.leased) == (2, 1, 1)
    assert (stats.retrying, stats.delayed, stats.dead) == (1, 1, 1)
    assert stats.active == 3
    assert stats.journal > 10
    assert stats.next_received_at == START
    assert (stats.next_retry_at, stats.next_delayed_at) == (START + 60, START + 9)


def test_stats_of_nothing(lab: Lab) -> None:
    stats = lab.run(moves.stats(now=START))
    assert (stats.queued, stats.leased, stats.dead, stats.next_retry_at) == (0, 0, 0, None)


@pytest.mark.parametrize("state", STATES)
def test_show_and_list_agree(lab: Lab, state: str) -> None:
    _one_in_each_state(lab)
    shown = lab.run(moves.show(state))
    assert shown is not None
    assert shown.state == state
    assert shown in lab.run(moves.list_events(state)).items


def test_what_is_shown(lab: Lab) -> None:
    _one_in_each_state(lab)

    def show(event_id: str) -> Listed:
        found = lab.run(moves.show(event_id))
        assert found is not None
        assert found.event is not None
        assert found.event.event_id == event_id
        return found

    assert (show("dead").reason, show("dead").error, show("dead").at) == ("why", "what", START)
    assert (show("retrying").at, show("retrying").due_at) == (START, START + 60)
    assert show("delayed").at == START + 9
    leased = show("leased")
    assert (leased.worker, leased.expires_at) == ("w1", START + 20)
    assert leased.token > 0
    assert show("parked").parked
    assert not show("queued").parked
    assert lab.run(moves.show("never-seen")) is None


def test_the_journal_tells_of_those_that_are_gone(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    lab.enqueue("U1", event_id="second")
    lab.enqueue("U2", event_id="third")
    lab.run(moves.complete(lab.leased(), now=START + 5, result={"drift": 1}))
    lab.run(moves.remove("third", now=START))
    found = {name: lab.run(moves.show(name)) for name in ("first", "second", "third")}
    assert {n: f.state if f else "" for n, f in found.items()} == {
        "first": "completed",
        "second": "merged",
        "third": "removed",
    }
    first, second = found["first"], found["second"]
    assert first is not None
    assert second is not None
    assert (first.outcome, first.at) == ({"drift": 1}, START + 5)
    assert first.event is not None
    assert second.outcome is not None
    assert second.outcome["into"] == "first"


def test_queued_events_are_listed_in_the_order_they_will_run(lab: Lab) -> None:
    for n in range(7):
        lab.enqueue(f"U{n}", event_id=f"e{n}")
    seen: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        page: Page = lab.run(moves.list_events("queued", cursor=cursor, limit=3))
        seen += [item.event_id for item in page.items]
        cursor = page.next
    assert seen == [f"e{n}" for n in range(7)]


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_parked_events_are_listed_before_the_queue(lab: Lab, limit: int) -> None:
    _one_in_each_state(lab)
    lab.enqueue("U9", event_id="last")
    seen: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        page: Page = lab.run(moves.list_events("queued", cursor=cursor, limit=limit))
        seen += [item.event_id for item in page.items]
        cursor = page.next
    assert seen == ["parked", "queued", "last"]


def test_the_newest_dead_come_first(lab: Lab) -> None:
    for n in range(3):
        lab.enqueue("U1", event_id=f"e{n}")
        lab.run(moves.bury(lab.leased(), now=START + n, reason="r", error="e"))
    page = lab.run(moves.list_events("dead", limit=2))
    assert ([item.event_id for item in page.items], page.next) == (["e2", "e1"], 2)


@pytest.mark.parametrize("state", ["completed", "lost", ""])
def test_other_states_are_refused(state: str) -> None:
    with pytest.raises(PermanentError):
        moves.list_events(state)
    with pytest.raises(PermanentError):
        moves.clear([state], now=START)


@pytest.mark.parametrize("state", [*STATES, "parked"])
def test_remove_takes_one_event_out_wherever_it_is(lab: Lab, state: str) -> None:
    _one_in_each_state(lab)
    was = "queued" if state == "parked" else state
    assert lab.run(moves.remove(state, now=START)) == was
    assert lab.run(moves.remove(state, now=START)) is None
    gone = lab.run(moves.show(state))
    assert gone is not None
    assert gone.state == "removed"
    total = lab.run(moves.stats(now=START))
    assert total.queued + total.leased + total.retrying + total.delayed + total.dead == 5
    swept = lab.run(moves.repair(now=START))
    assert swept.moved == ()


def test_removing_what_executes_stops_its_worker_and_frees_the_account(lab: Lab) -> None:
    lab.enqueue("U1", event_id="running")
    lease = lab.leased()
    lab.enqueue("U1", event_id="again")
    lab.enqueue("U1", "print-orders", event_id="parked")
    assert lab.take() is None
    lab.run(moves.remove("running", now=START))
    with pytest.raises(LeaseLostError):
        lab.run(moves.record_intents(lease, [intent(lease)], now=START))
    assert lab.queued() == ["parked", "again"]


def test_clear_empties_the_states_named_and_no_other(lab: Lab) -> None:
    _one_in_each_state(lab)
    assert lab.run(moves.clear(["queued", "dead"], now=START)) == 3
    stats = lab.run(moves.stats(now=START))
    assert (stats.queued, stats.dead) == (0, 0)
    assert (stats.leased, stats.retrying, stats.delayed, stats.active) == (1, 1, 1, 1)
    assert lab.run(moves.clear(["retrying", "delayed"], now=START)) == 2
    assert set(lab.everything()) & {keys.RETRY, keys.DELAYED, keys.DUE} == set()
    assert lab.run(moves.repair(now=START)).moved == ()


def test_clear_frees_the_keys(lab: Lab) -> None:
    _one_in_each_state(lab)
    lab.run(moves.clear(["queued", "retrying", "delayed", "dead"], now=START))
    for state in ("queued", "retrying", "delayed", "dead"):
        assert lab.enqueue(f"A-{state}").status == "queued"


def test_requeue_is_a_fresh_start(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e", n=1)
    lab.retry(lab.leased(), max_attempts=1)
    assert lab.run(moves.requeue("e", now=START)) == Requeued("queued", "e")
    assert lab.dead() == []
    got = lab.leased().event
    assert (got.event_id, got.attempt, got.last_error, got.data) == ("e", 0, "", {"n": 1})


def test_requeue_folds_into_what_serves_the_key_without_overwriting_it(lab: Lab) -> None:
    lab.enqueue("U1", event_id="old", n="old")
    lab.run(moves.bury(lab.leased(), now=START, reason="r", error="e"))
    lab.enqueue("U1", event_id="new", n="new")
    assert lab.run(moves.requeue("old", now=START)) == Requeued("merged", "new")
    got = lab.leased().event
    assert (got.event_id, got.data, got.merged) == ("new", {"n": "new"}, 1)


def test_requeue_behind_an_execution_is_its_rerun(lab: Lab) -> None:
    lab.enqueue("U1", event_id="old")
    lab.run(moves.bury(lab.leased(), now=START, reason="r", error="e"))
    lab.enqueue("U1")
    lab.leased()
    assert lab.run(moves.requeue("old", now=START)) == Requeued("rerun", "old")


def test_requeued_behind_an_execution_it_does_not_overwrite_what_fails(lab: Lab) -> None:
    lab.enqueue("U1", event_id="old", n="old")
    lab.run(moves.bury(lab.leased(), now=START, reason="r", error="e"))
    lab.enqueue("U1", event_id="new", n="new")
    running = lab.leased()
    lab.run(moves.requeue("old", now=START))
    lab.retry(running, max_attempts=0)
    lab.run(moves.promote_retries(now=START + 3600))
    assert lab.leased().event.data == {"n": "new"}


def test_a_newer_signal_overwrites_what_was_requeued(lab: Lab) -> None:
    lab.enqueue("U1", event_id="old", n="old")
    lab.run(moves.bury(lab.leased(), now=START, reason="r", error="e"))
    lab.enqueue("U1", event_id="new", n="new")
    running = lab.leased()
    lab.run(moves.requeue("old", now=START))
    lab.enqueue("U1", event_id="newest", n="newest")
    lab.retry(running, max_attempts=0)
    lab.run(moves.promote_retries(now=START + 3600))
    assert lab.leased().event.data == {"n": "newest"}


def test_requeue_of_what_is_not_dead_changes_nothing(lab: Lab) -> None:
    lab.enqueue("U1", event_id="alive")
    before = lab.everything()
    assert lab.run(moves.requeue("alive", now=START)).status == "absent"
    assert lab.run(moves.requeue('odd " id', now=START)).status == "absent"
    assert lab.everything() == before
