"""A signal comes in: queued, merged, rerun; first in first out, high priority first."""

from __future__ import annotations

import json

import pytest

from rebalancer.core.event import Event
from rebalancer.errors import PermanentError
from rebalancer.queue import codec, keys, moves
from rebalancer.queue.values import Ended, Enqueued
from tests.queue.lab import START, Lab, event


def test_normal_events_run_in_the_order_they_came(lab: Lab) -> None:
    for account in ("U1", "U2", "U3"):
        lab.enqueue(account, event_id=account)
    assert lab.queued() == ["U1", "U2", "U3"]
    assert [lab.leased().event.event_id for _ in range(3)] == ["U1", "U2", "U3"]


def test_a_high_event_runs_first(lab: Lab) -> None:
    lab.enqueue("U1", event_id="normal")
    assert lab.enqueue("U2", event_id="high", priority="high").position == 1
    assert lab.queued() == ["high", "normal"]


def test_position_counts_from_the_dequeue_end(lab: Lab) -> None:
    assert [lab.enqueue(f"U{n}").position for n in range(1, 4)] == [1, 2, 3]


def test_elements_are_the_events_json(lab: Lab) -> None:
    sent = event("U7", "print-orders", note="ä", deep={"empty": [], "also": {}}, n=2**62 + 1)
    lab.run(moves.enqueue(sent, now=START))
    raw = lab.redis.lindex(keys.QUEUE, 0)
    assert isinstance(raw, bytes)
    assert json.loads(raw)["account_id"] == "U7"
    assert codec.decode(raw) == sent
    assert lab.active() == {"U7:print-orders"}


def test_a_second_signal_merges_into_the_queued_one(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first", model="old", keep=[])
    lab.enqueue("U2")
    answer = lab.enqueue("U1", event_id="second", model="new", empty=[])
    assert answer == Enqueued("merged", "first", 1)
    got = lab.leased().event
    assert (got.event_id, got.merged, got.data) == ("first", 1, {"model": "new", "empty": []})


def test_a_high_signal_brings_the_queued_one_to_the_front(lab: Lab) -> None:
    lab.enqueue("U1", event_id="one")
    lab.enqueue("U2", event_id="two")
    assert lab.enqueue("U2", priority="high") == Enqueued("merged", "two", 1)
    assert lab.queued() == ["two", "one"]
    assert lab.leased().event.priority == "high"


def test_a_merge_keeps_the_place_in_the_queue(lab: Lab) -> None:
    for account in ("U1", "U2", "U3"):
        lab.enqueue(account, event_id=account)
    assert lab.enqueue("U2") == Enqueued("merged", "U2", 2)
    assert lab.queued() == ["U1", "U2", "U3"]


def test_merging_a_normal_signal_leaves_a_high_one_high(lab: Lab) -> None:
    lab.enqueue("U1", priority="high")
    lab.enqueue("U1")
    assert lab.leased().event.priority == "high"


def test_a_signal_merges_into_a_retrying_event_which_goes_on_waiting(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    lab.retry(lab.leased())
    before = lab.redis.zrange(keys.DUE, 0, -1, withscores=True)
    assert lab.enqueue("U1", model="new") == Enqueued("merged", "first", 0)
    assert lab.retrying() == ["first"]
    assert lab.redis.zrange(keys.DUE, 0, -1, withscores=True) == before
    assert lab.active() == set()


def test_a_high_signal_calls_a_retrying_event_into_the_queue(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    lab.retry(lab.leased())
    lab.enqueue("U2", event_id="other")
    assert lab.enqueue("U1", priority="high") == Enqueued("merged", "first", 1)
    assert lab.queued() == ["first", "other"]
    assert lab.retrying() == []
    assert lab.redis.zcard(keys.DUE) == 0
    assert lab.leased().event.attempt == 1


def test_a_high_signal_calls_a_delayed_event_into_the_queue(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    until = START + 3600
    lab.run(moves.delay(lab.leased(), now=START, until=until, reason="closed"))
    assert lab.enqueue("U1") == Enqueued("merged", "first", 0)
    assert lab.redis.zrange(keys.DELAYED, 0, -1, withscores=True)[0][1] == until
    assert lab.enqueue("U1", priority="high") == Enqueued("merged", "first", 1)
    assert (lab.queued(), lab.delayed()) == (["first"], [])


def test_signals_for_an_executing_key_cause_one_rerun(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    lease = lab.leased()
    assert lab.enqueue("U1", event_id="second", n=2) == Enqueued("rerun", "second", 0)
    assert lab.enqueue("U1", event_id="third", n=3) == Enqueued("merged", "second", 0)
    assert lab.delayed() == ["second"]
    # It may not overtake: only the end of the execution moves it.
    assert lab.run(moves.promote_delayed(now=START + 999)).ids == ()
    assert lab.take() is None
    ended = lab.run(moves.complete(lease, now=START, result={}))
    assert ended == Ended("completed", "first", follow_up="second")
    rerun = lab.leased()
    got = rerun.event
    assert (got.event_id, got.data, got.merged) == ("second", {"n": 3}, 1)
    lab.run(moves.complete(rerun, now=START, result={}))
    assert lab.take() is None


def test_another_command_of_the_account_is_another_key(lab: Lab) -> None:
    lab.enqueue("U1", "rebalance")
    assert lab.enqueue("U1", "print-orders").status == "queued"
    assert lab.active() == {"U1:rebalance", "U1:print-orders"}


def test_the_same_event_again_gives_the_first_answer(lab: Lab) -> None:
    first = event("U1", event_id="same")
    answer = lab.run(moves.enqueue(first, now=START))
    lab.enqueue("U2")
    assert lab.run(moves.enqueue(first, now=START + 5)) == answer
    assert len(lab.queued()) == 2


@pytest.mark.parametrize("status", ["merged", "rerun"])
def test_a_folded_signal_again_gives_the_first_answer(lab: Lab, status: str) -> None:
    lab.enqueue("U1", event_id="first")
    lease = lab.leased() if status == "rerun" else None
    second = event("U1", event_id="second")
    answer = lab.run(moves.enqueue(second, now=START))
    assert answer.status == status
    if lease:
        lab.run(moves.complete(lease, now=START, result={}))
    lab.run(moves.complete(lab.leased(), now=START, result={}))
    assert lab.run(moves.enqueue(second, now=START + 60)) == answer
    assert lab.take() is None


def test_the_same_event_again_after_it_completed_does_not_run_twice(lab: Lab) -> None:
    first = event("U1", event_id="same")
    lab.run(moves.enqueue(first, now=START))
    lab.run(moves.complete(lab.leased(), now=START, result={}))
    # The same answer, save that it is not in the queue any more.
    assert lab.run(moves.enqueue(first, now=START + 60)) == Enqueued("queued", "same", 0)
    assert lab.take() is None


@pytest.mark.parametrize("how", ["retry", "delay", "bury", "remove", "clear"])
def test_the_same_event_again_does_nothing_wherever_it_is_by_now(lab: Lab, how: str) -> None:
    first = event("U1", event_id="same")
    lab.run(moves.enqueue(first, now=START))
    if how == "remove":
        lab.run(moves.remove("same", now=START))
    elif how == "clear":
        lab.run(moves.clear(["queued"], now=START))
    elif how == "bury":
        lab.run(moves.bury(lab.leased(), now=START, reason="r", error="e"))
    elif how == "delay":
        lab.run(moves.delay(lab.leased(), now=START, until=START + 9, reason="r"))
    else:
        lab.retry(lab.leased())
    before = lab.everything()
    assert lab.run(moves.enqueue(first, now=START + 60)) == Enqueued("queued", "same", 0)
    assert lab.everything() == before


@pytest.mark.parametrize(
    "bad",
    [
        Event("", "U1", "rebalance", START),
        Event("has space", "U1", "rebalance", START),
        Event('quote"', "U1", "rebalance", START),
        Event("e", "", "rebalance", START),
        Event("e", "U1:x", "rebalance", START),
        Event("e", "U1", "re balance", START),
        Event("e", "U1", "rebalance", float("nan")),
        Event("e", "U1", "rebalance", START, data={"w": float("inf")}),
        Event("e", "U1", "rebalance", START, data={"w": "\ud800"}),
        Event("e", "U1", "rebalance", START, data={"w": object()}),
    ],
    ids=lambda event: repr(event).partition(" object at ")[0],
)
def test_what_cannot_be_written_down_is_refused_at_once(bad: Event) -> None:
    with pytest.raises(PermanentError):
        moves.enqueue(bad, now=START)
