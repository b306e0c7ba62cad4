"""Readers of the journal that are given everything, and counts of what was put down."""

from __future__ import annotations

import pytest

from rebalancer.core.metrics import Sample
from rebalancer.queue import followers, journal, keys, measures, moves
from rebalancer.queue.followers import Bounds
from rebalancer.queue.store import AsyncQueue
from tests.queue.lab import START, Lab

pytestmark = pytest.mark.redis_server


def _note(lab: Lab, kind: str) -> None:
    lab.run(moves.note(kind, {}, now=START))


async def _news(url: str, name: str = "me") -> list[str]:
    async with AsyncQueue(url) as queue:
        return [entry.kind for entry in await queue.news(name, wait=0.01)]


async def test_a_reader_is_given_what_comes_after_it_began(
    real_lab: Lab, real_url: str
) -> None:
    _note(real_lab, "before")
    real_lab.run(followers.follow("me", now=START))
    _note(real_lab, "a")
    _note(real_lab, "b")
    real_lab.run(followers.follow("me", now=START))
    assert await _news(real_url) == ["a", "b"]
    assert await _news(real_url) == []
    [me] = real_lab.run(followers.followers())
    last = real_lab.run(journal.last_id())
    assert (me.name, me.pending, me.position, me.behind) == ("me", 2, last, 0)


async def test_what_is_not_acknowledged_is_given_again(real_lab: Lab, real_url: str) -> None:
    real_lab.run(followers.follow("me", now=START))
    for kind in "abc":
        _note(real_lab, kind)
    assert await _news(real_url) == ["a", "b", "c"]
    found, gone = real_lab.run(followers.pending("me"))
    assert [entry.kind for entry in found] == ["a", "b", "c"]
    assert gone == ()
    real_lab.run(followers.acknowledge("me", [found[1].id]))
    real_lab.redis.xtrim(keys.JOURNAL, maxlen=1, approximate=False)
    left, gone = real_lab.run(followers.pending("me"))
    assert [entry.kind for entry in left] == ["c"]
    assert gone == (found[0].id,)
    after, _ = real_lab.run(followers.pending("me", found[2].id))
    assert after == ()


async def test_readers_do_not_share(real_lab: Lab, real_url: str) -> None:
    for name in ("notify:one", "notify:two", "other"):
        real_lab.run(followers.follow(name, now=START))
    _note(real_lab, "a")
    assert await _news(real_url, "notify:one") == ["a"]
    assert await _news(real_url, "notify:two") == ["a"]
    found = real_lab.run(followers.followers("notify:"))
    assert [each.name for each in found] == ["notify:one", "notify:two"]
    real_lab.run(followers.unfollow("notify:one"))
    assert [each.name for each in real_lab.run(followers.followers("notify:"))] == [
        "notify:two"
    ]


def test_nobody_follows_a_journal_that_is_not_there(real_lab: Lab) -> None:
    assert real_lab.run(followers.followers()) == ()
    assert real_lab.run(followers.bounds()) == Bounds("", "", 0, 0)


def test_the_journal_tells_whether_it_forgot_something(real_lab: Lab) -> None:
    for kind in "abc":
        _note(real_lab, kind)
    ids = [entry.id for entry in real_lab.run(journal.read())]
    assert not real_lab.run(followers.bounds()).forgot_after(journal.START)
    real_lab.redis.xtrim(keys.JOURNAL, maxlen=1, approximate=False)
    kept = real_lab.run(followers.bounds())
    assert (kept.first, kept.last, kept.length, kept.ever) == (ids[2], ids[2], 1, 3)
    assert kept.forgot_after(journal.START)
    assert kept.forgot_after(ids[0])
    assert not kept.forgot_after(ids[2])


def test_counting_again_counts_only_what_is_new(real_lab: Lab) -> None:
    real_lab.enqueue("U1", event_id="e")
    real_lab.enqueue("U1", event_id="f")
    for _ in range(1000):
        _note(real_lab, "kind")
    assert real_lab.run(measures.count(now=START))
    assert not real_lab.run(measures.count(now=START))
    assert not real_lab.run(measures.count(now=START))
    found = dict(real_lab.run(measures.counts()))
    assert (found.pop(".counted"), found.pop(".lost")) == (1002, 0)
    assert found == {
        "queued": 1,
        "queued cli": 1,
        "merged": 1,
        "merged cli": 1,
        "kind": 1000,
    }


def test_foreign_entries_are_counted_as_nothing_in_particular(real_lab: Lab) -> None:
    real_lab.redis.xadd(keys.JOURNAL, {"hello": "x"})
    real_lab.redis.xadd(keys.JOURNAL, {"kind": "queued", "data": "no event"})
    real_lab.run(measures.count(now=START))
    found = real_lab.run(measures.counts())
    assert (found[""], found["queued"], found["queued unknown"]) == (1, 1, 1)


def test_measures_add_up_and_gauges_are_replaced(real_lab: Lab) -> None:
    samples = [Sample("a", 1.5), Sample("a", 2), Sample("b", 7, latest=True)]
    real_lab.run(measures.measure(samples, now=START))
    real_lab.run(measures.measure([Sample("b", 8, latest=True)], now=START))
    real_lab.redis.hset(keys.MEASURES, "c", "garbage")
    assert real_lab.run(measures.measured()) == {"a": 3.5, "b": 8}
