"""The journal, snapshots and signs of life."""

from __future__ import annotations

import threading

from rebalancer.queue import journal, keys, moves
from rebalancer.queue.store import Queue
from tests.queue.lab import START, Lab


def test_every_transition_is_told_once(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lab.enqueue("U1", event_id="m")
    lab.retry(lab.leased())
    lab.run(moves.promote_retries(now=START + 999))
    lab.run(moves.delay(lab.leased(), now=START, until=START + 1, reason="closed"))
    lab.run(moves.promote_delayed(now=START + 1))
    lab.run(moves.release(lab.leased(), now=START))
    lab.leased()
    lab.run(moves.reclaim(now=START + 20))
    lab.run(moves.complete(lab.leased(), now=START, result={}))
    assert lab.kinds("e") == [
        "queued",
        "leased",
        "retrying",
        "promoted",
        "leased",
        "delayed",
        "promoted",
        "leased",
        "released",
        "leased",
        "reclaimed",
        "leased",
        "completed",
    ]
    assert lab.kinds("m") == ["merged"]


def test_notes_and_progress(lab: Lab) -> None:
    lab.enqueue("U1", event_id="e")
    lease = lab.leased()
    start = lab.run(journal.last_id())
    lab.run(moves.note("gateway-lost", {"port": 4002}, now=START))
    lab.run(moves.note_event(lease, "plan", {"orders": 2}, now=START + 1))
    lab.run(moves.note_event("e", "seen", {}, now=START + 2))
    found = lab.run(journal.read(start))
    assert [(e.kind, e.event_id, e.account_id, e.at) for e in found] == [
        ("gateway-lost", "", "", START),
        ("plan", "e", "U1", START + 1),
        ("seen", "e", "", START + 2),
    ]
    assert found[0].data == {"port": 4002}


def test_reading_on_and_the_tail(lab: Lab) -> None:
    for n in range(5):
        lab.run(moves.note(f"n{n}", {}, now=START))
    first = lab.run(journal.read(limit=2))
    rest = lab.run(journal.read(first[-1].id))
    assert [e.kind for e in (*first, *rest)] == [f"n{n}" for n in range(5)]
    assert [e.kind for e in lab.run(journal.tail(2))] == ["n3", "n4"]
    assert lab.run(journal.read(rest[-1].id)) == ()


def test_an_empty_journal(lab: Lab) -> None:
    assert lab.run(journal.last_id()) == journal.START
    assert lab.run(journal.tail()) == ()


def test_watching_waits_for_what_happens_next(lab: Lab, url: str) -> None:
    lab.enqueue("U1")
    start = lab.run(journal.last_id())
    assert lab.queue.watch(start, wait=0.01) == ()
    seen: list[str] = []

    def watch() -> None:
        with Queue(url) as other:
            seen.extend(entry.kind for entry in other.watch(start, wait=10))

    watcher = threading.Thread(target=watch)
    watcher.start()
    lab.run(moves.note("now", {}, now=START))
    watcher.join(10)
    assert seen == ["now"]


def test_lines_of_others_do_no_harm(lab: Lab) -> None:
    lab.redis.xadd(keys.JOURNAL, {"hello": b"\xff", "at": "soon", "data": "[]"})
    (entry,) = lab.run(journal.read())
    assert (entry.kind, entry.at) == ("", 0.0)
    assert entry.data["raw"]["hello"] == "\ufffd"


def test_the_journal_is_bounded(real_lab: Lab) -> None:
    pipe = real_lab.redis.pipeline(transaction=False)
    for _ in range(50_300):
        pipe.xadd(keys.JOURNAL, {"kind": "old"})
    pipe.execute()
    real_lab.enqueue("U1")
    # Redis cuts whole blocks of about a hundred entries.
    assert real_lab.redis.xlen(keys.JOURNAL) <= 50_100


def test_snapshots_replace_each_other(lab: Lab) -> None:
    assert lab.run(moves.load_snapshot("U1")) is None
    lab.run(moves.save_snapshot("U1", {"cash": "10"}, now=START))
    lab.run(moves.save_snapshot("U1", {"cash": "11"}, now=START + 1))
    assert lab.run(moves.load_snapshot("U1")) == {"cash": "11", "saved_at": START + 1}
    lab.redis.hset(keys.SNAPSHOTS, "U1", "garbage")
    assert lab.run(moves.load_snapshot("U1")) is None


def test_daemons_show_their_last_sign_of_life(lab: Lab) -> None:
    lab.run(moves.heartbeat_daemon("processor", {"pid": 1}, now=START))
    lab.run(moves.heartbeat_daemon("processor", {"pid": 2}, now=START + 5))
    lab.redis.hset(keys.DAEMONS, "foreign", "garbage")
    found = lab.run(moves.daemons())
    assert {n: (d.at, d.info) for n, d in found.items()} == {
        "processor": (START + 5, {"pid": 2})
    }
