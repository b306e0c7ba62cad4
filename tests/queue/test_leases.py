"""Leases: who may execute, one command per account, fencing, and taking back."""

from __future__ import annotations

import pytest

from rebalancer.errors import LeaseLostError
from rebalancer.queue import keys, moves, sweeping
from rebalancer.queue.values import Lease
from tests.queue.lab import START, Lab, intent


def test_a_lease_holds_the_event_and_its_key(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lease = lab.leased("w1", ttl=20)
    assert (lease.worker, lease.expires_at) == ("w1", START + 20)
    assert (lab.queued(), lab.processing()) == ([], ["e"])
    assert lab.active() == {"U1:rebalance"}


def test_tokens_grow(lab: Lab) -> None:
    lab.enqueue("U1")
    first = lab.leased()
    lab.run(moves.release(first, now=START))
    assert lab.leased().token > first.token


def test_one_account_executes_one_command_at_a_time(lab: Lab) -> None:
    lab.enqueue("U1", "rebalance", event_id="a")
    lab.enqueue("U1", "print-orders", event_id="b")
    lab.enqueue("U2", "rebalance", event_id="c")
    first, second = lab.leased("w1"), lab.leased("w2")
    assert [first.event.event_id, second.event.event_id] == ["a", "c"]
    assert lab.take("w3") is None
    assert lab.active() == {"U1:rebalance", "U1:print-orders", "U2:rebalance"}
    lab.run(moves.complete(first, now=START, result={}))
    assert lab.queued() == ["b"]
    assert lab.leased("w3").event.event_id == "b"


def test_parked_events_return_in_order_high_ones_first(lab: Lab) -> None:
    lab.enqueue("U1", "rebalance")
    running = lab.leased()
    lab.enqueue("U1", "print-orders", event_id="p1")
    lab.enqueue("U1", "print-equity", event_id="p2")
    assert lab.take() is None
    lab.enqueue("U1", "cancel-orders", event_id="p3", priority="high")
    assert lab.take() is None
    lab.enqueue("U2", event_id="other")
    lab.run(moves.complete(running, now=START, result={}))
    assert lab.queued() == ["p3", "p1", "p2", "other"]


def test_a_signal_for_a_parked_event_merges_into_it(lab: Lab) -> None:
    lab.enqueue("U1", "rebalance")
    running = lab.leased()
    lab.enqueue("U1", "print-orders", event_id="parked")
    assert lab.take() is None
    answer = lab.enqueue("U1", "print-orders", n=2, priority="high")
    assert (answer.status, answer.event_id) == ("merged", "parked")
    lab.run(moves.complete(running, now=START, result={}))
    got = lab.leased().event
    assert (got.event_id, got.data, got.priority) == ("parked", {"n": 2}, "high")


def test_a_signal_between_pop_and_lease_is_in_the_lease(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e", n=1)
    raw = lab.pop()
    lab.enqueue("U1", n=2)
    lease = lab.run(moves.lease(raw, "w1", now=START, ttl=20))
    assert lease is not None
    assert lab.processing() == ["e"]
    assert isinstance(lease, Lease)
    assert lease.event.data == {"n": 2}


def test_a_heartbeat_holds_the_lease(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased(ttl=20)
    lab.run(moves.heartbeat(lease, now=START + 15, ttl=20))
    assert lab.run(moves.reclaim(now=START + 34)).ids == ()
    assert lab.run(moves.reclaim(now=START + 35)).ids == (lease.event.event_id,)


def test_an_expired_lease_goes_back_to_the_dequeue_end(lab: Lab) -> None:
    lab.enqueue("U1", event_id="crashed")
    lab.leased(ttl=20)
    lab.enqueue("U2", event_id="later")
    assert lab.run(moves.reclaim(now=START + 19.9)).next_at == START + 20
    swept = lab.run(moves.reclaim(now=START + 20))
    assert [(m.event_id, m.fate) for m in swept.moved] == [("crashed", "queued")]
    assert lab.queued() == ["crashed", "later"]


def test_a_worker_that_comes_back_gets_its_own_at_once(lab: Lab) -> None:
    lab.enqueue("U1", event_id="mine")
    lab.enqueue("U2", event_id="others")
    lab.leased("w1")
    lab.leased("w2")
    assert lab.run(moves.reclaim(now=START + 1, worker="w1")).ids == ("mine",)
    assert lab.leased("w1").event.event_id == "mine"


def test_a_worker_that_was_taken_over_can_change_nothing(lab: Lab) -> None:
    lab.enqueue("U1")
    old = lab.leased("w1")
    lab.run(moves.reclaim(now=START + 30))
    new = lab.leased("w2")
    before = lab.everything()
    for move in (
        moves.heartbeat(old, now=START, ttl=20),
        moves.complete(old, now=START, result={}),
        moves.delay(old, now=START, until=START + 1, reason="closed"),
        moves.release(old, now=START),
        moves.bury(old, now=START, reason="r", error="e"),
        moves.begin_pass(old, now=START),
        moves.record_intents(old, [intent(old)], now=START),
    ):
        with pytest.raises(LeaseLostError):
            lab.run(move)
    with pytest.raises(LeaseLostError):
        lab.retry(old)
    assert lab.everything() == before
    lab.run(moves.complete(new, now=START, result={}))


def test_what_was_popped_and_never_leased_comes_back(lab: Lab) -> None:
    lab.enqueue("U1", event_id="orphan")
    raw = lab.pop()
    first = lab.run(moves.reclaim(now=START, grace=1))
    assert (first.ids, first.next_at) == ((), START + 1)
    assert lab.run(moves.reclaim(now=START + 0.9, grace=1)).ids == ()
    assert lab.run(moves.reclaim(now=START + 1, grace=1)).ids == ("orphan",)
    assert lab.queued() == ["orphan"]
    # The late worker finds it is not its own any more.
    assert lab.run(moves.lease(raw, "slow", now=START + 1, ttl=20)) is None
    assert lab.leased().event.event_id == "orphan"
    assert lab.run(moves.lease(raw, "slow", now=START + 1, ttl=20)) is None
    assert lab.redis.hlen(keys.ORPHANS) == 0


def test_a_lease_in_time_ends_the_orphans_term(lab: Lab) -> None:
    lab.enqueue("U1")
    raw = lab.pop()
    lab.run(moves.reclaim(now=START))
    assert lab.run(moves.lease(raw, "w", now=START + 0.5, ttl=20))
    assert lab.run(moves.reclaim(now=START + 5)).ids == ()
    assert lab.redis.hlen(keys.ORPHANS) == 0


def test_taking_repairs_what_a_crash_left_when_idle(lab: Lab) -> None:
    lab.enqueue("U1", event_id="crashed")
    lab.leased("w1", ttl=20)
    lab.clock += 20
    assert lab.leased("w2").event.event_id == "crashed"


def test_an_event_that_always_takes_its_worker_down_is_buried(lab: Lab) -> None:
    lab.enqueue("U1", event_id="poison")
    lab.enqueue("U1", "print-orders", event_id="innocent")
    for n in range(20):
        lab.leased(f"w{n}")
        lab.run(moves.reclaim(now=START, worker=f"w{n}"))
    lab.leased("last")
    swept = lab.run(moves.reclaim(now=START, worker="last"))
    assert [(m.event_id, m.fate) for m in swept.moved] == [("poison", "dead")]
    assert [entry["reason"] for entry in lab.dead()] == ["its worker died too often"]
    assert lab.leased().event.event_id == "innocent"


def test_a_clock_set_back_does_not_keep_a_dead_workers_event(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lab.leased(ttl=20)
    back = START - 86_400
    swept = lab.run(moves.reclaim(now=back))
    assert (swept.ids, swept.next_at) == ((), back + 20)
    assert lab.run(moves.reclaim(now=back + 20)).ids == ("e",)


def test_a_clock_set_back_does_not_take_a_living_workers_event(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lease = lab.leased('host/1 "ä"', ttl=20)
    back = START - 86_400
    lab.run(moves.reclaim(now=back))
    lab.run(moves.heartbeat(lease, now=back + 15, ttl=20))
    assert lab.run(moves.reclaim(now=back + 30)).ids == ()
    lab.run(moves.complete(lease, now=back + 30, result={}))


def test_a_token_given_out_twice_does_not_let_the_old_worker_in(lab: Lab) -> None:
    """Redis may lose its last second when it crashes, and with it the count of tokens."""
    lab.enqueue("U1", event_id="e")
    old = lab.leased("w1")
    lab.run(moves.reclaim(now=START + 20))
    lab.redis.set(keys.FENCE, old.token - 1)
    new = lab.leased("w2")
    assert (new.token, new.event.event_id) == (old.token, old.event.event_id)
    with pytest.raises(LeaseLostError):
        lab.run(moves.complete(old, now=START, result={}))
    lab.run(moves.complete(new, now=START, result={}))


def test_a_clock_set_ahead_takes_a_lease_away_but_breaks_nothing(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    old = lab.leased(ttl=20)
    assert lab.run(moves.reclaim(now=START + 86_400)).ids == ("e",)
    with pytest.raises(LeaseLostError):
        lab.run(moves.complete(old, now=START, result={}))
    assert lab.leased().event.event_id == "e"


def test_an_orphans_stamp_from_the_future_is_taken_anew(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lab.pop()
    lab.run(moves.reclaim(now=START))
    back = START - 86_400
    assert lab.run(moves.reclaim(now=back)).ids == ()
    assert lab.run(moves.reclaim(now=back + 1)).ids == ("e",)


def test_reclaim_moves_a_bounded_batch(lab: Lab) -> None:
    for n in range(sweeping.BATCH + 1):
        lab.enqueue(f"U{n}")
        lab.leased()
    first = lab.run(moves.reclaim(now=START + 20))
    second = lab.run(moves.reclaim(now=START + 20))
    assert (len(first.ids), first.more) == (sweeping.BATCH, True)
    assert (len(second.ids), second.more) == (1, False)
