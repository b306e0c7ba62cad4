"""How an execution ends: completed, retried, delayed, released, buried."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rebalancer.errors import LeaseLostError, PermanentError
from rebalancer.queue import keys, moves
from rebalancer.queue.values import Ended, Retried
from tests.queue.lab import START, Lab


def test_complete_leaves_only_the_journal(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    result = {"drift": Decimal("0.012"), "orders": [{"symbol": "SPY", "quantity": 10}]}
    answer = lab.run(moves.complete(lab.leased(), now=START, result=result))
    assert answer == Ended("completed", "e")
    stored = set(lab.everything())
    assert stored == {keys.JOURNAL, keys.FENCE}
    shown = lab.run(moves.show("e"))
    assert shown is not None
    assert shown.state == "completed"
    assert shown.outcome == {
        "drift": "0.012",
        "orders": [{"symbol": "SPY", "quantity": 10}],
    }


def test_retry_waits_with_one_attempt_used(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    answer = lab.retry(lab.leased(), delay=60, error='no "price"')
    assert answer == Retried("retrying", "e", 1, START + 60)
    # The score is when it was added, as ever; when it is due stands beside it.
    assert lab.redis.zrange(keys.RETRY, 0, -1, withscores=True)[0][1] == START
    assert lab.redis.zscore(keys.DUE, "U1:rebalance") == START + 60
    assert lab.active() == set()
    assert lab.run(moves.promote_retries(now=START + 59.9)).next_at == START + 60
    assert lab.run(moves.promote_retries(now=START + 60)).ids == ("e",)
    got = lab.leased().event
    assert (got.attempt, got.last_error) == (1, 'no "price"')


def test_backoff_doubles_up_to_the_cap_and_jitters_over_all_of_it() -> None:
    def waits(jitter: float) -> list[float]:
        return [
            moves.backoff(n, base_delay=60, cap=600, jitter=jitter)
            for n in (1, 2, 3, 4, 5, 999)
        ]

    assert waits(0.5) == [30, 60, 120, 240, 300, 300]
    assert waits(0.0) == [0, 0, 0, 0, 0, 0]


def test_after_the_last_attempt_it_is_dead_with_reason_and_error(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    for attempt in (1, 2):
        lab.retry(lab.leased(), max_attempts=3)
        assert lab.run(moves.promote_retries(now=START + 999)).ids == ("e",)
        assert lab.dead() == [], attempt
    assert lab.retry(lab.leased(), max_attempts=3) == Retried("dead", "e", 3)
    (entry,) = lab.dead()
    assert (entry["reason"], entry["error"]) == ("attempts exhausted", "no connection")
    assert (entry["event"]["event_id"], entry["event"]["attempt"]) == ("e", 3)
    assert (lab.active(), lab.retrying()) == (set(), [])


def test_no_maximum_retries_for_ever(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    for attempt in range(1, 40):
        answer = lab.retry(lab.leased(), max_attempts=0)
        assert (answer.status, answer.attempt) == ("retrying", attempt)
        lab.run(moves.promote_retries(now=START + 999))


def test_delay_uses_no_attempt(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    answer = lab.run(
        moves.delay(lab.leased(), now=START, until=START + 3600, reason="market closed")
    )
    assert answer == Ended("delayed", "e")
    assert lab.redis.zrange(keys.DELAYED, 0, -1, withscores=True)[0][1] == START + 3600
    assert lab.active() == set()
    early = lab.run(moves.promote_delayed(now=START + 3599))
    assert (early.ids, early.next_at) == ((), START + 3600)
    assert lab.run(moves.promote_delayed(now=START + 3600)).ids == ("e",)
    assert lab.leased().event.attempt == 0


def test_release_gives_it_back_as_if_never_taken(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lab.enqueue("U2", event_id="next")
    before = lab.redis.lrange(keys.QUEUE, 0, -1)
    lab.run(moves.release(lab.leased(), now=START))
    assert lab.redis.lrange(keys.QUEUE, 0, -1) == before
    assert lab.active() == {"U1:rebalance", "U2:rebalance"}


def test_a_released_event_goes_before_those_parked_behind_it(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    running = lab.leased()
    lab.enqueue("U1", "print-orders", event_id="parked")
    assert lab.take() is None
    lab.run(moves.release(running, now=START))
    assert lab.queued() == ["e", "parked"]


def test_bury_keeps_the_event_for_a_person(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e", model="a/b")
    answer = lab.run(
        moves.bury(lab.leased(), now=START, reason="unknown command", error="no such: x")
    )
    assert answer == Ended("dead", "e")
    (entry,) = lab.dead()
    assert entry["event"]["data"] == {"model": "a/b"}
    assert (entry["reason"], entry["error"], entry["at"]) == (
        "unknown command",
        "no such: x",
        START,
    )
    assert lab.active() == set()


@pytest.mark.parametrize("how", ["retry", "delay", "release", "reclaim"])
def test_a_signal_during_an_execution_that_did_not_finish_is_folded_in(
    lab: Lab, how: str
) -> None:
    lab.enqueue("U1", event_id="first", n=1)
    lease = lab.leased()
    lab.enqueue("U1", event_id="second", n=2)
    if how == "retry":
        lab.retry(lease)
        assert (lab.retrying(), lab.delayed()) == (["first"], [])
        lab.run(moves.promote_retries(now=START + 999))
    elif how == "delay":
        lab.run(moves.delay(lease, now=START, until=START + 9, reason="closed"))
        assert lab.delayed() == ["first"]
        lab.run(moves.promote_delayed(now=START + 9))
    elif how == "release":
        lab.run(moves.release(lease, now=START))
    else:
        lab.run(moves.reclaim(now=START + 20))
    again = lab.leased()
    assert (again.event.event_id, again.event.data, again.event.merged) == (
        "first",
        {"n": 2},
        1,
    )
    assert lab.run(moves.complete(again, now=START, result={})).follow_up == ""
    assert lab.take() is None


@pytest.mark.parametrize("how", ["retry", "delay"])
def test_a_high_signal_during_a_failing_execution_runs_it_again_at_once(
    lab: Lab, how: str
) -> None:
    lab.enqueue("U1", event_id="first")
    lease = lab.leased()
    lab.enqueue("U1", priority="high")
    if how == "retry":
        status = lab.retry(lease).status
    else:
        status = lab.run(moves.delay(lease, now=START, until=START + 9, reason="closed")).status
    assert status == "queued"
    assert lab.queued() == ["first"]


def test_what_came_while_the_last_attempt_failed_runs_afresh(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    lease = lab.leased()
    lab.enqueue("U1", event_id="second")
    lab.retry(lease, max_attempts=1)
    got = lab.leased().event
    assert (got.event_id, got.attempt) == ("second", 0)


def test_what_came_while_it_was_buried_runs_next(lab: Lab) -> None:
    lab.enqueue("U1", event_id="first")
    lease = lab.leased()
    lab.enqueue("U1", event_id="second")
    ended = lab.run(moves.bury(lease, now=START, reason="r", error="e"))
    assert ended == Ended("dead", "first", follow_up="second")
    assert lab.leased().event.event_id == "second"


def test_a_lease_ends_once(lab: Lab) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    lab.run(moves.complete(lease, now=START, result={}))
    with pytest.raises(LeaseLostError):
        lab.run(moves.release(lease, now=START))
    assert lab.take() is None


def test_keys_of_a_newer_version_survive_every_edit(lab: Lab) -> None:
    raw = (
        b'{"event_id":"e","account_id":"U1","exec_command":"rebalance", "received_at": 1.5,'
        b'"x_list":[] ,"x_big":4611686018427387905,"x_deep":{"a":[{}],"s":"}\\""},'
        b'"data":{}}'
    )
    lab.redis.lpush(keys.QUEUE, raw)
    lab.retry(lab.leased(), error="one")
    lab.run(moves.promote_retries(now=START + 999))
    lab.enqueue("U1", n=[])
    lab.leased()
    lab.run(moves.reclaim(now=START + 9999))
    (stored,) = lab.redis.lrange(keys.QUEUE, 0, -1)
    assert stored == (
        b'{"event_id":"e","account_id":"U1","exec_command":"rebalance","received_at":1.5,'
        b'"x_list":[],"x_big":4611686018427387905,"x_deep":{"a":[{}],"s":"}\\""},'
        b'"data":{"n":[]},"attempt":1,"last_error":"one","source":"cli","priority":"normal",'
        b'"merged":1,"reclaims":1}'
    )


@pytest.mark.parametrize("result", [{"x": float("nan")}, {"x": object()}])
def test_a_result_that_is_no_json_is_refused_before_anything_happens(
    lab: Lab, result: dict[str, object]
) -> None:
    lab.enqueue("U1")
    lease = lab.leased()
    with pytest.raises(PermanentError):
        moves.complete(lease, now=START, result=result)
    lab.run(moves.heartbeat(lease, now=START, ttl=20))
