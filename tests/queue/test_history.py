"""Records: appended with the ending, once, in one chain; what they tell is told once."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.chain import GENESIS, Head, Verifier
from rebalancer.core.order import Fill, OrderReport
from rebalancer.errors import LeaseLostError, QueueError
from rebalancer.queue import history, keys, moves
from rebalancer.queue.history import Opening, Sealed
from rebalancer.queue.move import Move
from rebalancer.queue.values import Lease
from rebalancer.queue.wire import ChainMovedError
from tests.queue.lab import START, Lab, intent
from tests.support.redis_server import DURABLE, RedisServer

_numbers = itertools.count(1)


def opened(lab: Lab, lease: Lease, *, keep: float | None = None) -> Opening:
    account_id = lease.event.account_id
    return lab.run(history.open_record(account_id, now=lab.clock, keep=keep))


def sealed(lab: Lab, lease: Lease, **content: Any) -> Sealed:
    """A record for the place that is free now."""
    opening = opened(lab, lease)
    event = {"event_id": lease.event.event_id, "account_id": lease.event.account_id}
    body = {"at": lab.clock, "event": event, **content}
    return history.seal(body, opening.head, tuple(opening.outcomes))


def leased(lab: Lab, account: str = "U1") -> Lease:
    lab.enqueue(account, event_id=f"h{next(_numbers)}")
    return lab.leased()


def completed(lab: Lab, account: str = "U1") -> Sealed:
    lease = leased(lab, account)
    record = sealed(lab, lease)
    lab.run(moves.complete(lease, now=lab.clock, result={}, record=record))
    return record


def fault(lab: Lab) -> str:
    ends = lab.run(history.ends())
    verifier = Verifier(ends.start)
    for link in lab.run(history.oldest()):
        if found := verifier.fault(link):
            return found
    return verifier.end(ends.head)


def settled(lab: Lab, lease: Lease, symbol: str, shares: int = 10) -> str:
    one = intent(lease, symbol)
    ref = one.order.order_ref
    lab.run(moves.record_intents(lease, [one], now=lab.clock))
    size, price = Decimal(shares), Decimal("12.30")
    fill = Fill(f"x.{symbol}", ref, "U1", symbol, 1, "BUY", size, price, "USD", START)
    report = OrderReport(ref, "filled", size, Decimal(0), price, fills=(fill,))
    lab.run(moves.settle_intent(lease, report, now=lab.clock))
    return ref


ENDINGS: dict[str, Callable[[Lease, Sealed], Move[Any]]] = {
    "complete": lambda lease, r: moves.complete(lease, now=START, result={}, record=r),
    "delay": lambda lease, r: moves.delay(lease, now=START, until=9.0, reason="w", record=r),
    "release": lambda lease, r: moves.release(lease, now=START, record=r),
    "bury": lambda lease, r: moves.bury(lease, now=START, reason="w", error="e", record=r),
    "retry": lambda lease, r: moves.retry(
        lease, now=START, error="e", base_delay=1, cap=1, max_attempts=0, jitter=0, record=r
    ),
    "the last retry": lambda lease, r: moves.retry(
        lease, now=START, error="e", base_delay=1, cap=1, max_attempts=1, jitter=0, record=r
    ),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_every_ending_takes_its_record_along_once(lab: Lab, how: str) -> None:
    lease = leased(lab)
    record = sealed(lab, lease, words='"quoted", ünïcode, \x00')
    move = ENDINGS[how](lease, record)
    first = lab.run(move)
    assert lab.run(move) == first  # a resend: the same answer, and no second record
    [link] = lab.run(history.oldest())
    assert (link.seq, link.hash) == (1, record.hash)
    assert link.record == json.loads(zlib.decompress(record.packed))
    assert record.prev == GENESIS
    assert (link.event_id, link.account_id) == (lease.event.event_id, "U1")
    assert lab.run(history.ends()).head == Head(1, record.hash)
    assert fault(lab) == ""


@pytest.mark.parametrize("how", ENDINGS)
def test_a_record_that_comes_second_changes_nothing(lab: Lab, how: str) -> None:
    slow = leased(lab, "U2")
    late = sealed(lab, slow)
    completed(lab, "U1")
    before = lab.everything()
    with pytest.raises(ChainMovedError):
        lab.run(ENDINGS[how](slow, late))
    assert lab.everything() == before
    lab.run(ENDINGS[how](slow, sealed(lab, slow)))
    assert [link.account_id for link in lab.run(history.oldest())] == ["U1", "U2"]
    assert fault(lab) == ""


def test_who_lost_the_lease_records_nothing(lab: Lab) -> None:
    lease = leased(lab)
    record = sealed(lab, lease)
    lab.run(moves.reclaim(now=START + 60))
    with pytest.raises(LeaseLostError):
        lab.run(moves.complete(lease, now=START + 60, result={}, record=record))
    assert lab.run(history.oldest()) == ()


def test_the_end_of_an_order_is_told_by_one_record(lab: Lab) -> None:
    lease = leased(lab)
    refs = {settled(lab, lease, "SPY"), settled(lab, lease, "BND")}
    opening = opened(lab, lease)
    assert set(opening.outcomes) == refs
    told = {outcome["intent"]["order"]["symbol"] for outcome in opening.outcomes.values()}
    assert told == {"SPY", "BND"}
    record = history.seal({"at": START, "event": {}}, opening.head, tuple(opening.outcomes))
    lab.run(moves.complete(lease, now=START, result={}, record=record))
    assert opened(lab, leased(lab)).outcomes == {}


def test_what_a_run_without_record_settled_is_told_by_the_next_of_the_account(lab: Lab) -> None:
    lease = leased(lab)
    ref = settled(lab, lease, "SPY")
    lab.run(moves.complete(lease, now=START, result={}))
    assert opened(lab, leased(lab, "U2")).outcomes == {}
    assert set(opened(lab, leased(lab)).outcomes) == {ref}


def test_an_end_that_comes_after_the_record_was_written_waits_for_the_next(lab: Lab) -> None:
    lease = leased(lab)
    first = settled(lab, lease, "SPY")
    record = sealed(lab, lease)
    second = settled(lab, lease, "BND")
    assert record.order_refs == (first,)
    lab.run(moves.complete(lease, now=START, result={}, record=record))
    assert set(opened(lab, leased(lab)).outcomes) == {second}


def test_foreign_bytes_among_the_ends_stop_nobody(lab: Lab) -> None:
    lab.redis.hset(keys.outcomes("U1"), "rb:x", b"\xff{")
    lease = leased(lab)
    assert "unreadable" in opened(lab, lease).outcomes["rb:x"]
    record = sealed(lab, lease)
    lab.run(moves.complete(lease, now=START, result={}, record=record))
    assert opened(lab, leased(lab)).outcomes == {}


def test_pages_from_either_end(lab: Lab) -> None:
    for _ in range(5):
        completed(lab)

    def seqs(move: Move[tuple[Any, ...]]) -> list[int]:
        return [link.seq for link in lab.run(move)]

    assert seqs(history.newest(limit=2)) == [5, 4]
    assert seqs(history.newest(before=4, limit=2)) == [3, 2]
    assert seqs(history.newest(before=1)) == []
    assert seqs(history.oldest(limit=2)) == [1, 2]
    assert seqs(history.oldest(after=2)) == [3, 4, 5]


# Keeping and forgetting -------------------------------------------------------------------


def test_old_records_are_forgotten_and_the_rest_is_whole(lab: Lab) -> None:
    for _ in range(3):
        completed(lab)
    lab.clock += 100
    last = completed(lab)
    lease = leased(lab)
    assert opened(lab, lease, keep=1000).head.seq == 4
    assert len(lab.run(history.oldest())) == 4
    assert opened(lab, lease, keep=50).head == Head(4, last.hash)
    assert [link.seq for link in lab.run(history.oldest())] == [4]
    assert lab.run(history.ends()).start.seq == 3
    assert fault(lab) == ""


def test_all_of_them_forgotten_the_chain_goes_on(lab: Lab) -> None:
    completed(lab)
    lab.clock += 100
    opened(lab, leased(lab), keep=50)
    assert lab.run(history.oldest()) == ()
    assert fault(lab) == ""
    assert completed(lab, "U2").seq == 2
    assert fault(lab) == ""


# Tampering --------------------------------------------------------------------------------


def rewritten(lab: Lab, change: Callable[[list[list[Any]]], list[list[Any]]]) -> None:
    """Do to the stream what its commands do not let anybody do."""
    rows = [[entry_id, fields] for entry_id, fields in lab.redis.xrange(keys.HISTORY)]
    lab.redis.delete(keys.HISTORY)
    for number, (_, fields) in enumerate(change(rows), 1):
        lab.redis.xadd(keys.HISTORY, fields, id=f"{number}-0")


def test_an_edit_shows(lab: Lab) -> None:
    for _ in range(3):
        completed(lab)

    def edit(rows: list[list[Any]]) -> list[list[Any]]:
        text = zlib.decompress(rows[1][1][b"record"])
        rows[1][1][b"record"] = zlib.compress(text.replace(b'"U1"', b'"U9"'))
        return rows

    rewritten(lab, edit)
    assert fault(lab) == "record 2 was changed: its hash does not fit its content"


def test_a_reordering_shows(lab: Lab) -> None:
    for _ in range(3):
        completed(lab)
    rewritten(lab, lambda rows: [rows[0], rows[2], rows[1]])
    assert fault(lab) == "record 2 calls itself 3: it was moved"


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("1-0", "record 1 is missing before record 2"),
        ("2-0", "record 2 is missing before record 3"),
        ("3-0", "the records after 2 are missing; the last was 3"),
    ],
)
def test_a_removal_shows_and_goes_on_showing(lab: Lab, gone: str, told: str) -> None:
    for _ in range(3):
        completed(lab)
    lab.redis.xdel(keys.HISTORY, gone)
    assert fault(lab) == told
    assert completed(lab).seq == 4
    assert "missing" in fault(lab)


def test_a_history_that_was_thrown_away_is_missed(lab: Lab) -> None:
    for _ in range(2):
        completed(lab)
    lab.redis.delete(keys.HISTORY)
    assert fault(lab) == "the records after 0 are missing; the last was 2"
    assert completed(lab).seq == 3
    assert fault(lab) == "record 1-2 is missing before record 3"


def test_without_its_head_the_chain_goes_on_where_it_was(lab: Lab) -> None:
    completed(lab)
    lab.redis.delete(keys.HISTORY_HEAD)
    assert completed(lab).seq == 2
    assert fault(lab) == ""


def test_with_head_and_last_record_gone_runs_still_end(lab: Lab) -> None:
    for _ in range(3):
        completed(lab)
    lab.redis.xdel(keys.HISTORY, "3-0")
    lab.redis.delete(keys.HISTORY_HEAD)
    assert completed(lab).seq == 4
    assert fault(lab) == "record 3 is missing before record 4"


def test_a_key_of_another_kind_fails_closed(lab: Lab) -> None:
    lease = leased(lab)
    record = sealed(lab, lease)
    lab.redis.set(keys.HISTORY, "mine")
    with pytest.raises(QueueError):
        lab.run(moves.complete(lease, now=START, result={}, record=record))
    assert lab.processing() == [lease.event.event_id]


# Torn writes ------------------------------------------------------------------------------


def _last_file(server: RedisServer) -> Any:
    return max((server.folder / "appendonlydir").glob("*.incr.aof"))


@pytest.mark.redis_server
@pytest.mark.parametrize("cut", [1, 40, 400, 1200])
def test_a_torn_write_leaves_record_and_ending_both_or_neither(tmp_path: Any, cut: int) -> None:
    from rebalancer.queue.store import Queue

    server = RedisServer(tmp_path, *DURABLE).start()
    try:
        import redis

        with Queue(server.url) as queue, redis.Redis.from_url(server.url) as client:
            lab = Lab(queue, client)
            completed(lab)
            lease = leased(lab)
            lab.run(moves.complete(lease, now=START, result={}, record=sealed(lab, lease)))
        server.kill()
        file = _last_file(server)
        file.write_bytes(file.read_bytes()[:-cut])
        server.start()
        with Queue(server.url) as queue, redis.Redis.from_url(server.url) as client:
            lab = Lab(queue, client)
            assert fault(lab) == ""
            recorded = [link.event_id for link in lab.run(history.oldest())]
            running = lab.processing()
            assert (lease.event.event_id in recorded) != (lease.event.event_id in running)
            again = completed(lab, "U2")
            assert again.seq == len(recorded) + 1
            assert fault(lab) == ""
    finally:
        server.kill()
