"""A reply is lost, the move is sent again: done once, and the same answer.

Each case runs on two equal servers, once undisturbed and once with the first reply lost;
answers and everything stored must agree.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.approval import Proposal
from rebalancer.core.metrics import count
from rebalancer.core.order import OrderReport
from rebalancer.core.reconcile import Difference, Shown
from rebalancer.errors import QueueUnavailableError
from rebalancer.queue import (
    approvals,
    door,
    followers,
    journal,
    keys,
    measures,
    moves,
    signals,
)
from rebalancer.queue.move import Move, command
from rebalancer.queue.store import AsyncQueue, Queue
from rebalancer.queue.values import Lease
from tests.queue.lab import START, Lab, event, intent
from tests.support.redis_server import RedisServer
from tests.support.tcp_proxy import Loss, TcpProxy, tcp_proxy

pytestmark = pytest.mark.redis_server

Case = Callable[[Lab], Move[Any]]


def _running(lab: Lab) -> Lease:
    """One event executes, its rerun waits, another of the account is parked."""
    lab.enqueue("U1", event_id="running", n=1)
    lease = lab.leased()
    lab.enqueue("U1", event_id="rerun", n=2)
    lab.enqueue("U1", "print-orders", event_id="parked")
    assert lab.take() is None
    return lease


def _dead(lab: Lab) -> None:
    lab.enqueue("U1", event_id="dead")
    lab.run(moves.bury(lab.leased(), now=START, reason="r", error="e"))


def _orphan(lab: Lab) -> Move[Any]:
    lab.enqueue("U1", event_id="e")
    return moves.lease(lab.pop(), "w1", now=START, ttl=20)


def _merge(lab: Lab) -> Move[Any]:
    lab.enqueue("U1", event_id="first")
    return moves.enqueue(event("U1", event_id="second", n=1), now=START)


def _counted(_lab: Lab) -> Move[Any]:
    seen = ("a schedule", START - 1)
    return moves.enqueue(event("U1", event_id="e"), now=START, counted=True, seen=seen)


def _counted_merge(lab: Lab) -> Move[Any]:
    lab.enqueue("U1", event_id="first")
    return moves.enqueue(event("U1", event_id="second", n=1), now=START, counted=True)


def _turn_away(lab: Lab) -> Move[Any]:
    lab.run(signals.begin_schedules(["s"], now=START - 9, begin=START - 9))
    return signals.turn_away(
        "missed", "schedule", {"n": 2}, now=START, request="r", count=2, seen=("s", START - 1)
    )


def _begin_schedules(lab: Lab) -> Move[Any]:
    lab.run(signals.begin_schedules(["gone", "s"], now=START - 9, begin=START - 9))
    return signals.begin_schedules(["s", "new"], now=START, begin=START - 5)


def _rerun(lab: Lab) -> Move[Any]:
    lab.enqueue("U1", event_id="first")
    lab.leased()
    return moves.enqueue(event("U1", event_id="second"), now=START)


def _take(lab: Lab) -> Move[Any]:
    lab.enqueue("U1", event_id="a")
    lab.enqueue("U2", event_id="b")
    return moves.take("w1", now=START, ttl=20)


def _retry(lab: Lab, *, max_attempts: int) -> Move[Any]:
    return moves.retry(
        _running(lab),
        now=START,
        error="e",
        base_delay=60,
        cap=600,
        max_attempts=max_attempts,
        jitter=0.5,
    )


def _reclaim(lab: Lab) -> Move[Any]:
    _running(lab)
    return moves.reclaim(now=START + 20)


def _promote_retries(lab: Lab) -> Move[Any]:
    lab.enqueue("U1", event_id="e")
    lab.retry(lab.leased())
    return moves.promote_retries(now=START + 60)


def _promote_delayed(lab: Lab) -> Move[Any]:
    lab.enqueue("U1", event_id="e")
    lab.run(moves.delay(lab.leased(), now=START, until=START + 9, reason="r"))
    return moves.promote_delayed(now=START + 9)


def _repair(lab: Lab) -> Move[Any]:
    lab.redis.lpush(keys.QUEUE, b"garbage")
    return moves.repair(now=START)


def _remove(lab: Lab) -> Move[Any]:
    _running(lab)
    return moves.remove("running", now=START)


def _requeue(lab: Lab) -> Move[Any]:
    _dead(lab)
    return moves.requeue("dead", now=START)


def _clear(lab: Lab) -> Move[Any]:
    _running(lab)
    _dead_letter = ["queued", "delayed", "dead", "retrying"]
    return moves.clear(_dead_letter, now=START)


def _record(lab: Lab) -> Move[Any]:
    lease = _running(lab)
    lab.run(moves.halt("symbol:AGG", now=START, reason="r"))
    return moves.record_intents(lease, [intent(lease), intent(lease, "AGG")], now=START)


def _settle(lab: Lab) -> Move[Any]:
    lease = _running(lab)
    sent = intent(lease)
    lab.run(moves.record_intents(lease, [sent], now=START))
    report = OrderReport(
        sent.order.order_ref, "filled", Decimal(10), Decimal(0), Decimal("512.3")
    )
    return moves.settle_intent(lease, report, now=START)


def _hold(_lab: Lab) -> Move[Any]:
    shown = Shown(7, "rb:x:1:A", "U1", 1, "A", 1, "BUY", None, Decimal(1), working=False)
    found = Difference("unknown", shown.order_ref, None, (shown,))
    return moves.hold("U1", [found], reason="r", now=START)


def _accept(lab: Lab) -> Move[Any]:
    lab.run(_hold(lab))
    return moves.accept("U1", reason="r", now=START)


def _proposal() -> Proposal:
    zero = Decimal(0)
    return Proposal("U1", "running", "0123456789ab", "t", zero, zero, (), START, START + 60)


def _propose(lab: Lab) -> Move[Any]:
    return approvals.propose(_running(lab), _proposal(), {"lines": []}, now=START)


def _approve(lab: Lab) -> Move[Any]:
    lease = _running(lab)
    lab.run(approvals.propose(lease, _proposal(), {"lines": []}, now=START))
    lab.run(moves.delay(lease, now=START, until=START + 60, reason="waits"))
    return approvals.approve("U1", "0123456789ab", by="me", now=START + 1)


def _reject(lab: Lab) -> Move[Any]:
    lease = _running(lab)
    lab.run(approvals.propose(lease, _proposal(), {"lines": []}, now=START))
    lab.run(moves.delay(lease, now=START, until=START + 60, reason="waits"))
    return approvals.reject("U1", "0123456789ab", now=START + 1)


def _claim(lab: Lab) -> Move[Any]:
    lab.run(door.claim("other", "ab", now=START, keep=60))
    return door.claim("key", "ab", now=START, keep=60)


_SESSION = door.Session("reader", "t", START + 60)


def _resume(lab: Lab) -> Move[Any]:
    lab.run(moves.halt("all", now=START, reason="r"))
    return moves.resume("all", now=START)


def _following(lab: Lab) -> tuple[str, ...]:
    lab.run(followers.follow("me", now=START))
    lab.run(moves.note("kind", {}, now=START))
    read = ("GROUP", "me", "reader", "STREAMS", keys.JOURNAL, ">")
    given = lab.run(command("XREADGROUP", *read, parse=lambda reply: reply[0][1]))
    return tuple(entry_id.decode() for entry_id, _ in given)


def _acknowledge(lab: Lab) -> Move[Any]:
    return followers.acknowledge("me", _following(lab))


def _unfollow(lab: Lab) -> Move[Any]:
    _following(lab)
    return followers.unfollow("me")


CASES: dict[str, Case] = {
    "enqueue": lambda _lab: moves.enqueue(event("U1", event_id="e"), now=START),
    "enqueue a merge": _merge,
    "enqueue and count": _counted,
    "enqueue and count a merge": _counted_merge,
    "turn away": _turn_away,
    "begin schedules": _begin_schedules,
    "enqueue a rerun": _rerun,
    "take": _take,
    "lease": _orphan,
    "heartbeat": lambda lab: moves.heartbeat(_running(lab), now=START + 5, ttl=20),
    "complete": lambda lab: moves.complete(_running(lab), now=START, result={"a": 1}),
    "retry": lambda lab: _retry(lab, max_attempts=0),
    "retry for the last time": lambda lab: _retry(lab, max_attempts=1),
    "delay": lambda lab: moves.delay(_running(lab), now=START, until=START + 9, reason="r"),
    "release": lambda lab: moves.release(_running(lab), now=START),
    "bury": lambda lab: moves.bury(_running(lab), now=START, reason="r", error="e"),
    "reclaim": _reclaim,
    "repair": _repair,
    "promote retries": _promote_retries,
    "promote delayed": _promote_delayed,
    "remove": _remove,
    "requeue": _requeue,
    "clear": _clear,
    "begin pass": lambda lab: moves.begin_pass(_running(lab), now=START),
    "record intents": _record,
    "settle intent": _settle,
    "halt": lambda _lab: moves.halt("all", now=START, reason="r"),
    "resume": _resume,
    "propose a plan": _propose,
    "approve a plan": _approve,
    "reject a plan": _reject,
    "claim a key": _claim,
    "count a failed login": lambda _lab: door.strike("::1", now=START, window=60, limit=1),
    "open a session": lambda _lab: door.open_session("d", _SESSION, now=START),
    "hold": _hold,
    "accept": _accept,
    "note": lambda _lab: moves.note("kind", {"a": 1}, now=START),
    "follow the journal": lambda _lab: followers.follow("me", now=START),
    "acknowledge": _acknowledge,
    "unfollow": _unfollow,
    "measure": lambda _lab: measures.measure([count("rebalancer_x", by=2)], now=START),
    "save a snapshot": lambda _lab: moves.save_snapshot("U1", {"a": 1}, now=START),
    "sign of life": lambda _lab: moves.heartbeat_daemon("d", {}, now=START),
}


@dataclass
class Line:
    """A lab on a real server, and a second client behind a proxy that loses replies."""

    lab: Lab
    proxy: TcpProxy
    url: str

    def clean(self) -> None:
        self.lab.redis.flushall()


@pytest.fixture
def line(server: RedisServer, real_lab: Lab) -> Iterator[Line]:
    with tcp_proxy(server.port) as proxy:
        yield Line(real_lab, proxy, f"redis://127.0.0.1:{proxy.port}/0")


def _undisturbed(line: Line, case: Case) -> tuple[Any, dict[str, Any]]:
    answer = line.lab.run(case(line.lab))
    stored = line.lab.everything()
    line.clean()
    return answer, stored


@pytest.mark.parametrize("name", CASES)
def test_a_resend_does_it_once_and_gives_the_same_answer(line: Line, name: str) -> None:
    expected = _undisturbed(line, CASES[name])
    move = CASES[name](line.lab)
    with Queue(line.url) as queue:
        queue.ping()
        line.proxy.lose_next_reply("drop")
        answer = queue.run(move)
    assert (answer, line.lab.everything()) == expected


@pytest.mark.parametrize("name", ["enqueue", "take", "complete", "record intents"])
async def test_the_async_client_resends_as_well(line: Line, name: str) -> None:
    expected = _undisturbed(line, CASES[name])
    move = CASES[name](line.lab)
    async with AsyncQueue(line.url) as queue:
        await queue.ping()
        line.proxy.lose_next_reply("drop")
        answer = await queue.run(move)
    assert (answer, line.lab.everything()) == expected


@pytest.mark.parametrize("name", ["enqueue", "take", "complete"])
def test_silence_is_taken_for_a_lost_reply(line: Line, name: str) -> None:
    expected = _undisturbed(line, CASES[name])
    move = CASES[name](line.lab)
    with Queue(line.url, timeout=0.1) as queue:
        queue.ping()
        line.proxy.lose_next_reply("stall")
        answer = queue.run(move)
    assert (answer, line.lab.everything()) == expected


@pytest.mark.parametrize("name", CASES)
def test_a_stalled_server_does_it_once_however_often_it_was_asked(
    server: RedisServer, line: Line, name: str
) -> None:
    """Two sends wait in a server that stands still; a third comes after it went on."""
    expected = _undisturbed(line, CASES[name])
    move = CASES[name](line.lab)
    with Queue(server.url, timeout=0.05) as queue:
        queue.ping()
        server.freeze()
        try:
            with pytest.raises(QueueUnavailableError, match="did not answer within 0.05 s"):
                queue.run(move)
        finally:
            server.thaw()
    with Queue(server.url) as queue:
        assert queue.run(move) == expected[0]
    assert line.lab.everything() == expected[1]


@pytest.mark.parametrize("how", ["drop", "stall"])
def test_a_blocking_pop_is_never_sent_again(line: Line, how: Loss) -> None:
    """Each send would pop one more; what was popped unheard of comes back instead."""
    failures: list[Exception] = []

    def take() -> None:
        with Queue(line.url, timeout=0.2) as queue:
            try:
                queue.take("w1", now=line.lab.now, ttl=20, wait=0.5)
            except QueueUnavailableError as error:
                failures.append(error)

    worker = threading.Thread(target=take)
    worker.start()
    line.lab.wait_until(lambda: line.lab.redis.info("clients")["blocked_clients"] == 1)
    line.proxy.lose_next_reply(how)
    line.lab.enqueue("U1", event_id="a")
    line.lab.enqueue("U2", event_id="b")
    worker.join(5)
    assert [type(error) for error in failures] == [QueueUnavailableError]
    assert (line.lab.processing(), line.lab.queued()) == (["a"], ["b"])
    line.lab.run(moves.reclaim(now=START))
    line.lab.run(moves.reclaim(now=START + 1))
    assert line.lab.queued() == ["a", "b"]


async def test_a_cancelled_take_leaves_nothing_leased(real_lab: Lab, real_url: str) -> None:
    async with AsyncQueue(real_url) as queue:
        for delay in range(40):
            real_lab.redis.flushall()
            real_lab.enqueue("U1", event_id="e")
            taking = asyncio.ensure_future(queue.take("w", now=real_lab.now, ttl=20, wait=0))
            for _ in range(delay):
                await asyncio.sleep(0)
            taking.cancel()
            try:
                lease = await taking
            except asyncio.CancelledError:
                assert real_lab.redis.hlen(keys.LEASES) == 0, delay
                assert real_lab.queued() == ["e"], delay
            else:
                assert lease is not None
                break
        else:
            pytest.fail("the take never came to its end")


def test_a_lost_note_is_noted_once(line: Line) -> None:
    with Queue(line.url) as queue:
        queue.ping()
        line.proxy.lose_next_reply("drop")
        queue.run(moves.note("once", {}, now=START))
    assert [e.kind for e in line.lab.run(journal.read())] == ["once"]
