"""How a worker comes to its next event, waiting or not, in threads and in tasks."""

from __future__ import annotations

import asyncio
import threading

import pytest

from rebalancer.queue import keys, moves
from rebalancer.queue.store import AsyncQueue, Queue
from rebalancer.queue.values import Lease
from tests.queue.lab import START, Lab, event


def _blocked(lab: Lab) -> bool:
    return bool(lab.redis.info("clients")["blocked_clients"])


def _wait_for_one(url: str, lab: Lab, found: list[Lease]) -> threading.Thread:
    """A worker that waits in a thread and puts what it gets into ``found``."""

    def wait() -> None:
        with Queue(url) as queue:
            # The stand-in for Redis now and then ends a blocking pop early, with nothing.
            for _ in range(100):
                if lease := queue.take("w9", now=lab.now, ttl=20, wait=1):
                    found.append(lease)
                    return

    worker = threading.Thread(target=wait)
    worker.start()
    return worker


def test_a_waiting_worker_gets_what_arrives(lab: Lab, url: str) -> None:
    found: list[Lease] = []
    worker = _wait_for_one(url, lab, found)
    lab.enqueue("U1", event_id="e")
    worker.join(10)
    assert [lease.event.event_id for lease in found] == ["e"]


async def test_a_waiting_task_gets_what_arrives(lab: Lab, url: str) -> None:
    async with AsyncQueue(url) as queue:

        async def wait() -> Lease:
            while not (lease := await queue.take("w1", now=lab.now, ttl=20, wait=1)):
                pass
            return lease

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        await queue.run(moves.enqueue(event("U1", event_id="e"), now=START))
        lease = await asyncio.wait_for(waiting, 10)
    assert lease.event.event_id == "e"


async def test_nothing_came(lab: Lab, url: str) -> None:
    async with AsyncQueue(url) as queue:
        assert await queue.take("w1", now=lab.now, ttl=20, wait=0.02) is None
    assert lab.queue.take("w1", now=lab.now, ttl=20, wait=0.02) is None


def test_waiting_parks_what_cannot_run_and_waits_on(lab: Lab, url: str) -> None:
    lab.enqueue("U1", event_id="running")
    running = lab.leased()
    found: list[Lease] = []
    worker = _wait_for_one(url, lab, found)
    lab.enqueue("U1", "print-orders", event_id="parked")
    lab.wait_until(lambda: bool(lab.redis.hlen(keys.PARKED)))
    assert found == []
    lab.run(moves.complete(running, now=START, result={}))
    worker.join(10)
    assert [lease.event.event_id for lease in found] == ["parked"]


def test_garbage_that_arrives_does_not_end_the_wait(lab: Lab, url: str) -> None:
    found: list[Lease] = []
    worker = _wait_for_one(url, lab, found)
    lab.redis.lpush(keys.QUEUE, b"garbage")
    lab.redis.lpush(
        keys.QUEUE, b'{"event_id":"half","account_id":"U1","exec_command":"rebalance"}'
    )
    lab.wait_until(lambda: lab.redis.zcard(keys.DEAD) == 2)
    lab.enqueue("U1", event_id="good")
    worker.join(10)
    assert [lease.event.event_id for lease in found] == ["good"]


@pytest.mark.redis_server
def test_a_waiting_worker_wakes_when_the_lease_of_a_dead_one_expires(
    real_lab: Lab, real_url: str
) -> None:
    real_lab.enqueue("U1", event_id="crashed")
    real_lab.leased("w1", ttl=0.3)
    with Queue(real_url) as queue:
        # The clock of this test stands while Redis waits; it goes on at each look.
        looks = iter(range(1000))
        lease = queue.take("w2", now=lambda: START + next(looks) * 0.1, ttl=20, wait=30)
    assert lease is not None
    assert lease.event.event_id == "crashed"


@pytest.mark.redis_server
async def test_a_cancelled_wait_lets_go(real_lab: Lab, real_url: str) -> None:
    async with AsyncQueue(real_url) as queue:
        waiting = asyncio.ensure_future(queue.take("w", now=real_lab.now, ttl=20, wait=60))
        await asyncio.to_thread(real_lab.wait_until, lambda: _blocked(real_lab))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(real_lab.wait_until, lambda: not _blocked(real_lab))
        await queue.run(moves.enqueue(event("U1", event_id="e"), now=START))
        assert real_lab.queued() == ["e"]


@pytest.mark.redis_server
async def test_many_tasks_share_a_queue_and_each_event_runs_once(
    real_lab: Lab, real_url: str
) -> None:
    ran: list[str] = []
    busy: set[str] = set()

    async def work(queue: AsyncQueue, name: str) -> None:
        while lease := await queue.take(name, now=real_lab.now, ttl=20, wait=0.3):
            account = lease.event.account_id
            assert account not in busy, "two commands of one account at once"
            busy.add(account)
            await asyncio.sleep(0.001)
            busy.remove(account)
            ran.append(lease.event.event_id)
            await queue.run(moves.complete(lease, now=START, result={}))

    sent = [
        event(f"U{n % 7}", command)
        for n in range(40)
        for command in ("rebalance", "print-orders", "print-equity")
    ]
    async with AsyncQueue(real_url) as queue:
        carriers = set()
        workers = [asyncio.ensure_future(work(queue, f"w{n}")) for n in range(8)]
        for one in sent:
            answer = await queue.run(moves.enqueue(one, now=START))
            carriers.add(answer.event_id)
        await asyncio.gather(*workers)
    assert len(ran) == len(set(ran))
    assert set(ran) == carriers
    assert real_lab.active() == set()
    assert real_lab.processing() == []
