"""Sweeps: what is due moves, once, in batches, from both timers and by hand."""

from __future__ import annotations

import pytest

from rebalancer.errors import PermanentError
from rebalancer.queue import keys, moves, sweeping
from rebalancer.sweeper import sweeps
from tests.queue.lab import START, Lab


def _scatter(lab: Lab) -> None:
    """One event in each place that a sweep looks at."""
    for account in ("U1", "U2", "U3"):
        lab.enqueue(account, event_id=account)
    lab.retry(lab.leased(), delay=60)
    lab.run(moves.delay(lab.leased(), now=START, until=START + 60, reason="closed"))
    lab.leased(ttl=20)


def test_all_moves_what_is_due(lab: Lab) -> None:
    _scatter(lab)
    found = sweeps.run(lab.queue, ["all"], START + 60)
    assert [(swept.kind, swept.ids) for swept in found] == [
        ("repair", ()),
        ("leases", ("U3",)),
        ("retry", ("U1",)),
        ("delayed", ("U2",)),
    ]
    assert sorted(lab.queued()) == ["U1", "U2", "U3"]


def test_a_second_sweep_finds_nothing_left(lab: Lab) -> None:
    _scatter(lab)
    sweeps.run(lab.queue, ["all"], START + 60)
    before = lab.everything()
    found = sweeps.run(lab.queue, ["all"], START + 60)
    assert all(not swept.moved for swept in found)
    assert lab.everything() == before


def test_each_kind_moves_only_its_own(lab: Lab) -> None:
    _scatter(lab)
    assert [s.ids for s in sweeps.run(lab.queue, ["retry"], START + 60)] == [(), ("U1",)]
    assert lab.delayed() == ["U2"]
    assert [s.ids for s in sweeps.run(lab.queue, ["delayed"], START + 60)] == [(), ("U2",)]
    assert lab.processing() == ["U3"]


def test_nothing_moves_before_its_time_and_the_time_is_told(lab: Lab) -> None:
    _scatter(lab)
    found = {s.kind: s for s in sweeps.run(lab.queue, ["all"], START + 19)}
    assert all(not swept.moved for swept in found.values())
    assert found["leases"].next_at == START + 20
    assert found["retry"].next_at == START + 60
    assert found["delayed"].next_at == START + 60


def test_more_than_a_batch_is_swept_in_one_go(lab: Lab) -> None:
    many = sweeping.BATCH * 2 + 1
    for n in range(many):
        lab.enqueue(f"U{n}")
        lab.run(moves.delay(lab.leased(), now=START, until=START + 1, reason="closed"))
    swept = sweeps.run(lab.queue, ["delayed"], START + 1)[-1]
    assert (len(swept.ids), swept.more) == (many, False)
    assert lab.redis.scard(keys.ACTIVE) == many


def test_high_ones_are_promoted_to_the_front(lab: Lab) -> None:
    for name in ("U1", "U2"):
        lab.enqueue(name, event_id=name, priority="high" if name == "U2" else "normal")
    for _ in range(2):
        lab.retry(lab.leased())
    lab.enqueue("U3", event_id="U3")
    sweeps.run(lab.queue, ["retry"], START + 999)
    assert lab.queued() == ["U2", "U3", "U1"]


def test_a_clock_set_back_restarts_the_backoff(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lab.retry(lab.leased(), delay=60)
    back = START - 86_400
    assert sweeps.run(lab.queue, ["retry"], back)[-1].next_at == back + 60
    assert sweeps.run(lab.queue, ["retry"], back + 60)[-1].ids == ("e",)


def test_an_unknown_sweep_is_refused(lab: Lab) -> None:
    with pytest.raises(PermanentError, match="no such sweep: everything"):
        sweeps.run(lab.queue, ["everything"], START)


def test_a_sweep_leaves_its_time_every_ten_seconds(lab: Lab) -> None:
    assert lab.run(moves.sweeps()) == {}
    sweeps.run(lab.queue, ["retry"], START)
    assert lab.run(moves.sweeps()) == {"repair": START, "retry": START}
    sweeps.run(lab.queue, ["all"], START + 5)
    assert lab.run(moves.sweeps())["retry"] == START
    sweeps.run(lab.queue, ["all"], START + 10)
    assert set(lab.run(moves.sweeps()).values()) >= {START + 10}
    # The clock was set back: better an early time than one that never comes.
    sweeps.run(lab.queue, ["delayed"], START - 100)
    assert lab.run(moves.sweeps())["delayed"] == START - 100
