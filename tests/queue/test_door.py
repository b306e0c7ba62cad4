"""What the API remembers of its callers."""

from __future__ import annotations

from rebalancer.core.approval import Proposal
from rebalancer.core.event import Event
from rebalancer.queue import approvals, door, journal, keys, moves
from rebalancer.queue.move import named
from tests.queue.lab import START, Lab
from tests.queue.test_resend import _proposal


def _claim(lab: Lab, fingerprint: str) -> door.Claim:
    return lab.run(door.claim("key", fingerprint, now=START, keep=60))


def test_a_key_is_of_one_request(lab: Lab) -> None:
    assert _claim(lab, "ab").status == "mine"
    assert _claim(lab, "ab").status == "mine"
    assert _claim(lab, "cd").status == "other"
    lab.run(door.answered("key", "ab", b"what\nit was", keep=60))
    assert _claim(lab, "ab") == door.Claim("answered", b"what\nit was")
    assert _claim(lab, "cd").status == "other"
    assert 0 < lab.redis.ttl(keys.idempotency("key")) <= 60


def test_a_named_move_is_done_once_however_often_it_is_built(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    first = lab.run(named(moves.remove("e", now=START), "mine"))
    assert (first, lab.run(named(moves.remove("e", now=START), "mine"))) == ("queued", "queued")
    assert lab.run(named(moves.remove("e", now=START), "another")) is None


def test_moves_with_a_natural_name_keep_it(lab: Lab) -> None:
    enqueue = moves.enqueue(lab_event(), now=START)
    assert named(enqueue, "mine") == enqueue
    assert named(moves.halts(), "mine") == moves.halts()


def lab_event() -> Event:
    return Event("e", "U1", "rebalance", START)


def test_failures_are_counted_in_a_window_and_told_once(lab: Lab) -> None:
    counts = [lab.run(door.strike("::1", now=START, window=60, limit=2)) for _ in range(3)]
    assert counts == [1, 2, 3]
    assert 0 < lab.redis.ttl(keys.failures("::1")) <= 60
    assert [e.kind for e in lab.run(journal.read())] == ["alert"]


def test_a_session_is_found_until_it_ends(lab: Lab) -> None:
    session = door.Session("reader", "t", START + 60)
    lab.run(door.open_session("d", session, now=START))
    assert lab.run(door.find_session("d")) == session
    assert lab.run(door.find_session("other")) is None
    lab.run(door.end_session("d"))
    assert lab.run(door.find_session("d")) is None
    lab.redis.set(keys.session("d"), "no JSON")
    assert lab.run(door.find_session("d")) is None


def _proposed(lab: Lab) -> Proposal:
    lab.enqueue("U1", event_id="running")
    lease = lab.leased()
    found = _proposal()
    lab.run(approvals.propose(lease, found, {"lines": []}, now=START))
    lab.run(moves.delay(lease, now=START, until=START + 60, reason="waits"))
    return found


def test_a_dropped_plan_takes_its_event_along(lab: Lab) -> None:
    found = _proposed(lab)
    said = lab.run(approvals.reject("U1", found.plan_hash, now=START + 1))
    assert said.status == "rejected"
    assert lab.run(approvals.pending()) == {}
    assert lab.delayed() == []
    assert lab.kinds("running")[-2:] == ["declined", "removed"]
    assert lab.run(approvals.reject("U1", found.plan_hash, now=START)).status == "unknown"


def test_another_plan_is_not_dropped(lab: Lab) -> None:
    found = _proposed(lab)
    said = lab.run(approvals.reject("U1", "ffffffffffff", now=START + 1))
    assert said == approvals.Answered("other", found.plan_hash)
    assert set(lab.run(approvals.pending())) == {"U1"}
    assert lab.delayed() == ["running"]
