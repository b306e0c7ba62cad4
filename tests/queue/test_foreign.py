"""What hands and other programs put into the structures: it dies, is adopted, or mended.

It never blocks the queue and never vanishes.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from rebalancer.queue import keys, moves
from rebalancer.queue.codec import encode
from tests.queue.lab import START, Lab, event

GARBAGE = [
    b"",
    b"hello",
    b"\xff\xfe\x00",
    b'"text"',
    b"[1,2]",
    b"{}",
    b'{"event_id":"e"}',
    b'{"event_id":"e","account_id":"U1"}',
    b'{"event_id":"e","account_id":"U1","exec_command":7,"received_at":1}',
    b'{"event_id":"a b","account_id":"U1","exec_command":"rebalance","received_at":1}',
    b'{"event_id":"e","account_id":"U 1","exec_command":"rebalance","received_at":1}',
    b'{"event_id":"e","account_id":"U1","exec_command":"rebalance","received_at":1',
    b"[" * 2000,
]

#: Fine for Lua, not for Python: these are leased first and buried by their token.
HALF = [
    b'{"event_id":"e","account_id":"U1","exec_command":"rebalance"}',
    b'{"event_id":"e","account_id":"U1","exec_command":"rebalance","received_at":"now"}',
    b'{"event_id":"e","account_id":"U1","exec_command":"rebalance","received_at":1,"data":[]}',
    b'{"event_id":"e","account_id":"U","exec_command":"x","received_at":1,"priority":"urgent"}',
    b'{"event_id":"e","account_id":"U1","exec_command":"x","received_at":1,"attempt":-1}',
    b'{"event_id":"e","account_id":"U1","exec_command":"x","received_at":1,"source":"\xff"}',
]


def _foreign(event_id: str, account: str = "U1", **data: Any) -> bytes:
    return encode(event(account, event_id=event_id, **data))


@pytest.mark.parametrize("raw", [*GARBAGE, *HALF], ids=repr)
def test_garbage_in_the_queue_dies_and_does_not_block(lab: Lab, raw: bytes) -> None:
    lab.redis.lpush(keys.QUEUE, raw)
    lab.enqueue("U2", event_id="good")
    assert lab.leased().event.event_id == "good"
    _assert_buried(lab, raw)
    assert lab.active() == {"U2:rebalance"}


@pytest.mark.parametrize("raw", GARBAGE, ids=repr)
def test_garbage_in_processing_dies(lab: Lab, raw: bytes) -> None:
    lab.redis.lpush(keys.PROCESSING, raw)
    assert lab.run(moves.reclaim(now=START)).moved[0].fate == "dead"
    _assert_buried(lab, raw)


@pytest.mark.parametrize("raw", GARBAGE, ids=repr)
def test_garbage_that_a_blocking_pop_brings_dies(lab: Lab, raw: bytes) -> None:
    lab.redis.lpush(keys.QUEUE, raw)
    assert lab.run(moves.lease(lab.pop(), "w", now=START, ttl=20)) is None
    _assert_buried(lab, raw)


@pytest.mark.parametrize("raw", GARBAGE, ids=repr)
@pytest.mark.parametrize("place", [keys.RETRY, keys.DELAYED])
def test_garbage_that_waits_dies(lab: Lab, place: str, raw: bytes) -> None:
    lab.redis.zadd(place, {raw: START + 9999})
    lab.enqueue("U2", event_id="good")
    assert lab.run(moves.repair(now=START)).moved[0].fate == "dead"
    _assert_buried(lab, raw)
    assert lab.leased().event.event_id == "good"


@pytest.mark.parametrize("raw", GARBAGE, ids=repr)
def test_garbage_that_is_due_dies_without_a_repair(lab: Lab, raw: bytes) -> None:
    lab.redis.zadd(keys.DELAYED, {raw: START - 1})
    assert lab.run(moves.promote_delayed(now=START)).moved[0].fate == "dead"
    _assert_buried(lab, raw)


def _assert_buried(lab: Lab, raw: bytes) -> None:
    (item,) = lab.run(moves.list_events("dead")).items
    assert item.reason == "unreadable"
    assert item.error
    try:
        assert item.raw == raw.decode()
    except UnicodeDecodeError:
        assert item.raw.encode("latin-1") == raw
    assert item.event is None
    assert lab.run(moves.requeue(item.event_id, now=START)).status == "unreadable"
    assert lab.run(moves.remove(item.event_id, now=START)) == "dead"
    assert lab.run(moves.stats(now=START)).dead == 0


def test_garbage_in_the_dead_letter_is_shown_and_can_be_cleared(lab: Lab) -> None:
    lab.redis.zadd(keys.DEAD, {b"hello": 1, b"{}": 2, b'{"event_id":7}': 3, b"\xff": 4})
    page = lab.run(moves.list_events("dead"))
    assert [item.raw for item in page.items] == ["\ufffd", '{"event_id":7}', "{}", "hello"]
    assert lab.run(moves.show("e")) is None
    assert lab.run(moves.requeue("e", now=START)).status == "absent"
    assert lab.run(moves.clear(["dead"], now=START)) == 4


def test_listing_shows_garbage_instead_of_failing(lab: Lab) -> None:
    lab.redis.lpush(keys.QUEUE, b"one")
    lab.redis.zadd(keys.RETRY, {b"two": 2})
    lab.redis.zadd(keys.DELAYED, {b"three": 3})
    for state, raw in (("queued", "one"), ("retrying", "two"), ("delayed", "three")):
        (item,) = lab.run(moves.list_events(state)).items
        assert (item.raw, item.event) == (raw, None)
    assert lab.run(moves.stats(now=START)).queued == 1


def test_an_event_pushed_past_enqueue_is_adopted(lab: Lab) -> None:
    lab.redis.lpush(keys.QUEUE, _foreign("foreign"))
    assert lab.leased().event.event_id == "foreign"
    assert lab.active() == {"U1:rebalance"}


def test_an_event_written_by_hand_is_understood(lab: Lab) -> None:
    raw = json.dumps(
        {
            "event_id": "x1",
            "account_id": "U1",
            "exec_command": "rebalance",
            "received_at": START,
            "data": {"model": [1, 2]},
        },
        indent=2,
    )
    lab.redis.lpush(keys.QUEUE, raw)
    lab.enqueue("U1", event_id="later", n=1)
    lab.run(moves.repair(now=START))
    got = lab.leased().event
    assert lab.take("w2") is None
    assert {got.event_id, *lab.queued()} <= {"x1", "later"}
    assert got.merged == 1


def test_a_foreign_event_for_a_served_key_merges(lab: Lab) -> None:
    lab.enqueue("U1", event_id="ours", n=1)
    lab.redis.rpush(keys.QUEUE, _foreign("foreign", n=2))
    got = lab.leased().event
    assert (got.event_id, got.data, got.merged) == ("ours", {"n": 2}, 1)
    assert lab.queued() == []


def test_a_foreign_event_for_an_executing_key_is_its_rerun(lab: Lab) -> None:
    lab.enqueue("U1", event_id="ours")
    lease = lab.leased()
    lab.redis.lpush(keys.QUEUE, _foreign("foreign"))
    assert lab.take("w2") is None
    assert lab.run(moves.complete(lease, now=START, result={})).follow_up == "foreign"


@pytest.mark.parametrize("when", ["queued", "leased"])
def test_a_second_copy_of_an_event_dies_and_does_not_run_twice(lab: Lab, when: str) -> None:
    lab.enqueue("U1", event_id="e")
    raw = lab.redis.lindex(keys.QUEUE, 0)
    assert isinstance(raw, bytes)
    if when == "queued":
        lab.redis.lpush(keys.QUEUE, raw)
        lease = lab.leased()
    else:
        lease = lab.leased()
        lab.redis.lpush(keys.QUEUE, raw)
    assert lab.take("w2") is None
    (entry,) = lab.dead()
    assert entry["reason"] == "second copy"
    lab.run(moves.complete(lease, now=START, result={}))
    assert lab.take() is None


def test_a_foreign_event_in_the_retry_set_is_due_a_delay_after_its_score(lab: Lab) -> None:
    lab.redis.zadd(keys.RETRY, {_foreign("foreign"): START})
    lab.run(moves.repair(now=START, default_delay=60))
    assert lab.run(moves.promote_retries(now=START + 59)).ids == ()
    assert lab.run(moves.promote_retries(now=START + 60)).ids == ("foreign",)
    assert lab.leased().event.event_id == "foreign"


def test_a_foreign_event_in_the_delayed_set_runs_at_its_time(lab: Lab) -> None:
    lab.redis.zadd(keys.DELAYED, {_foreign("foreign"): START + 5})
    assert lab.run(moves.promote_delayed(now=START + 5)).ids == ("foreign",)
    assert lab.leased().event.event_id == "foreign"


@pytest.mark.parametrize("place", [keys.RETRY, keys.DELAYED])
def test_a_second_waiting_event_for_a_key_merges(lab: Lab, place: str) -> None:
    lab.enqueue("U1", event_id="ours", n=1)
    lab.retry(lab.leased())
    lab.redis.zadd(place, {_foreign("foreign", n=2): START})
    lab.run(moves.repair(now=START))
    assert (lab.retrying(), lab.delayed()) == (["ours"], [])
    lab.run(moves.promote_retries(now=START + 999))
    assert lab.leased().event.data == {"n": 2}


def test_a_stuck_deduplication_key_stops_nobody_and_is_freed(lab: Lab) -> None:
    lab.redis.sadd(keys.ACTIVE, "U1:rebalance", "nonsense", b"\xff")
    assert lab.enqueue("U1").status == "queued"
    lab.run(moves.complete(lab.leased(), now=START, result={}))
    swept = lab.run(moves.repair(now=START))
    assert {moved.fate for moved in swept.moved} == {"repaired"}
    assert lab.active() == set()


def test_a_lost_deduplication_key_is_restored(lab: Lab) -> None:
    lab.enqueue("U1")
    lab.redis.delete(keys.ACTIVE)
    lab.run(moves.repair(now=START))
    assert lab.active() == {"U1:rebalance"}


def test_a_lost_index_is_rebuilt(lab: Lab) -> None:
    lab.enqueue("U1", event_id="a")
    lab.enqueue("U2", event_id="b")
    lab.retry(lab.leased())
    lab.enqueue("U3", event_id="c")
    lab.run(moves.delay(lab.leased(), now=START, until=START + 9, reason="closed"))
    before = lab.everything()
    lab.redis.delete(keys.INDEX, keys.DUE)
    lab.run(moves.repair(now=START, default_delay=60))
    after = lab.everything()
    assert after[keys.INDEX] == before[keys.INDEX]
    assert after[keys.DUE] == before[keys.DUE]


def test_a_spoilt_index_is_rebuilt(lab: Lab) -> None:
    lab.enqueue("U1", event_id="a")
    good = lab.redis.hgetall(keys.INDEX)
    lab.redis.hset(
        keys.INDEX,
        mapping={
            "active U1:rebalance": "garbage",
            "waiting U9:x": "garbage",
            "active U8:x": _foreign("ghost", "U8"),
            "other": "garbage",
        },
    )
    lab.run(moves.repair(now=START))
    assert lab.redis.hgetall(keys.INDEX) == good


def test_an_event_taken_out_by_hand_frees_its_key(lab: Lab) -> None:
    lab.enqueue("U1", event_id="a")
    lab.redis.delete(keys.QUEUE)
    assert lab.enqueue("U1", event_id="b").status == "queued"
    assert lab.leased().event.event_id == "b"


def test_an_executing_event_taken_out_by_hand_lets_its_worker_end(lab: Lab) -> None:
    lab.enqueue("U1", event_id="a")
    lease = lab.leased()
    lab.redis.delete(keys.PROCESSING)
    lab.run(moves.complete(lease, now=START, result={}))
    assert lab.enqueue("U1", event_id="b").status == "queued"


def test_a_spoilt_lease_gives_its_event_back(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lab.leased()
    lab.redis.hset(keys.LEASES, "U1", "garbage")
    lab.run(moves.reclaim(now=START))
    lab.run(moves.reclaim(now=START + 1))
    assert lab.leased().event.event_id == "e"


def test_a_lost_lease_gives_its_event_and_the_parked_ones_back(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lab.leased()
    lab.enqueue("U1", "print-orders", event_id="parked")
    assert lab.take() is None
    lab.redis.delete(keys.LEASES)
    lab.run(moves.reclaim(now=START))
    lab.run(moves.reclaim(now=START + 1))
    assert set(lab.queued()) == {"e", "parked"}


def test_repair_leaves_a_sound_queue_as_it_is(lab: Lab) -> None:
    for n in range(5):
        lab.enqueue(f"U{n}")
    lab.retry(lab.leased())
    lab.run(moves.delay(lab.leased(), now=START, until=START + 9, reason="closed"))
    running = lab.leased()
    lab.enqueue(running.event.account_id)
    lab.enqueue(running.event.account_id, "print-orders", priority="high")
    lab.pop()
    before = lab.everything()
    assert lab.run(moves.repair(now=START)).moved == ()
    assert lab.everything() == {**before, keys.SWEEPS: {b"repair": str(START).encode()}}
