"""Redis down, killed, slow, read-only, full, or new: typed errors, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rebalancer.errors import (
    ConfigError,
    QueueError,
    QueueFullError,
    QueueReadOnlyError,
    QueueUnavailableError,
)
from rebalancer.queue import keys, moves
from rebalancer.queue.store import AsyncQueue, Queue
from tests.queue.lab import START, Lab, event
from tests.support.redis_server import DURABLE, RedisServer, free_port, redis_server

pytestmark = pytest.mark.redis_server


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own, to be ill-treated."""
    with redis_server(tmp_path / "redis", *DURABLE) as running:
        yield running


@pytest.fixture
def own_lab(own: RedisServer) -> Iterator[Lab]:
    with Queue(own.url) as queue, redis.Redis.from_url(own.url) as client:
        yield Lab(queue, client)


def test_nothing_accepted_is_lost_when_redis_is_killed(own: RedisServer, own_lab: Lab) -> None:
    lab = own_lab
    lab.enqueue("U1", event_id="retrying")
    lab.retry(lab.leased())
    lab.enqueue("U2", event_id="delayed")
    lab.run(moves.delay(lab.leased(), now=START, until=START + 9, reason="closed"))
    lab.enqueue("U3", event_id="dead")
    lab.run(moves.bury(lab.leased(), now=START, reason="r", error="e"))
    lab.enqueue("U4", event_id="leased")
    lease = lab.leased()
    lab.enqueue("U5", event_id="queued")
    lab.run(moves.halt("all", now=START, reason="r"))
    before = lab.everything()
    own.restart()
    # The same clients go on: stale connections and unknown scripts are their business.
    assert lab.enqueue("U6", event_id="after").status == "queued"
    lab.run(moves.remove("after", now=START))
    lab.run(moves.heartbeat(lease, now=START, ttl=20))
    after = lab.everything()
    for stored in (before, after):
        del stored[keys.JOURNAL]
    assert after == before
    lab.run(moves.complete(lease, now=START, result={}))
    assert lab.leased().event.event_id == "queued"


def test_accepted_under_fire_is_still_there(own: RedisServer, own_lab: Lab) -> None:
    """Producers write without pause while the server dies: each answer was a promise."""
    accepted: list[str] = []
    stop = threading.Event()

    def produce(name: str) -> None:
        with Queue(own.url, timeout=1) as queue:
            for n in range(1_000_000):
                one = event(f"{name}-{n}")
                while not stop.is_set():
                    try:
                        queue.run(moves.enqueue(one, now=START))
                    except QueueUnavailableError:
                        continue
                    accepted.append(one.event_id)
                    break
                if stop.is_set():
                    return

    producers = [threading.Thread(target=produce, args=(f"P{n}",)) for n in range(3)]
    for producer in producers:
        producer.start()
    for goal in (100, 300):
        own_lab.wait_until(lambda goal=goal: len(accepted) > goal)  # type: ignore[misc]
        own.restart()
    own_lab.wait_until(lambda: len(accepted) > 500)
    stop.set()
    for producer in producers:
        producer.join()
    own_lab.redis.ping()
    queued = own_lab.queued()
    assert len(queued) == len(set(queued))
    assert set(accepted) <= set(queued)
    # What was sent last may have arrived without its sender hearing of it; no more than that.
    assert len(queued) <= len(accepted) + len(producers)


def test_down_is_said_clearly(tmp_path: Path) -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}/0"
    with Queue(url) as queue, pytest.raises(QueueUnavailableError) as caught:
        queue.ping()
    assert "cannot be reached" in str(caught.value)
    assert "systemctl status redis-server" in str(caught.value)
    assert "secret" not in str(caught.value)
    with Queue(f"unix://{tmp_path}/no.sock") as queue, pytest.raises(QueueUnavailableError):
        queue.ping()


async def test_down_is_said_clearly_to_async_callers() -> None:
    async with AsyncQueue(f"redis://127.0.0.1:{free_port()}/0") as queue:
        with pytest.raises(QueueUnavailableError, match="cannot be reached"):
            await queue.ping()
        with pytest.raises(QueueUnavailableError, match="cannot be reached"):
            await queue.take("w", now=lambda: START, ttl=20, wait=1)


@pytest.mark.parametrize("url", ["", "http://x", "localhost:6379", "redis://:pw@h:1/0?db=x"])
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Queue(url)
    assert "pw" not in str(caught.value)
    with pytest.raises(ConfigError):
        AsyncQueue(url)


async def test_silent_is_unavailable(own: RedisServer) -> None:
    own.freeze()
    try:
        async with AsyncQueue(own.url, timeout=0.1) as queue:
            with pytest.raises(QueueUnavailableError, match="did not answer within"):
                await queue.run(moves.stats(now=START))
    finally:
        own.thaw()


def test_read_only_changes_nothing(own: RedisServer, own_lab: Lab) -> None:
    own_lab.enqueue("U1", event_id="e")
    lease = own_lab.leased()
    before = own_lab.everything()
    own_lab.redis.replicaof("127.0.0.1", free_port())
    for move in (
        moves.enqueue(event("U2"), now=START),
        moves.complete(lease, now=START, result={}),
        moves.reclaim(now=START + 20),
    ):
        with pytest.raises(QueueReadOnlyError, match="refuses writes"):
            own_lab.run(move)
    own_lab.redis.replicaof("NO", "ONE")
    assert own_lab.everything() == before
    own_lab.run(moves.complete(lease, now=START, result={}))


def test_a_full_memory_refuses_signals_whole_and_lets_work_end(
    own: RedisServer, own_lab: Lab
) -> None:
    own_lab.enqueue("U1", event_id="e")
    lease = own_lab.leased()
    own_lab.enqueue("U1", event_id="rerun")
    before = own_lab.everything()
    own_lab.redis.config_set("maxmemory", 1)
    with pytest.raises(QueueFullError, match="out of memory"):
        own_lab.enqueue("U2")
    assert own_lab.everything() == before
    assert own_lab.run(moves.complete(lease, now=START, result={})).follow_up == "rerun"
    own_lab.redis.config_set("maxmemory", 0)
    assert own_lab.leased().event.event_id == "rerun"


def test_a_failing_disk_refuses_signals_whole(own: RedisServer, own_lab: Lab) -> None:
    own_lab.enqueue("U1")
    before = own_lab.everything()
    own_lab.redis.config_set("save", "3600 1")
    # A background save that cannot write makes Redis stop taking writes, as a full disk does.
    (own.folder / "dump.rdb").mkdir()
    own_lab.redis.bgsave()
    own_lab.wait_until(
        lambda: own_lab.redis.info("persistence")["rdb_last_bgsave_status"] == "err"
    )
    with pytest.raises(QueueReadOnlyError, match="MISCONF"):
        own_lab.enqueue("U2")
    assert own_lab.everything() == before


def test_a_script_that_redis_forgot_is_sent_in_full(real_lab: Lab) -> None:
    real_lab.enqueue("U1")
    real_lab.redis.script_flush()
    assert real_lab.enqueue("U2").status == "queued"


async def test_a_script_that_redis_forgot_is_sent_in_full_by_async_callers(
    real_url: str, real_lab: Lab
) -> None:
    async with AsyncQueue(real_url) as queue:
        for n in range(2):
            real_lab.redis.script_flush()
            answer = await queue.run(moves.enqueue(event(f"U{n}"), now=START))
            assert answer.status == "queued"


def test_a_structure_of_another_type_is_named(real_lab: Lab) -> None:
    real_lab.redis.set(keys.QUEUE, "overwritten")
    with pytest.raises(QueueError, match="another type"):
        real_lab.enqueue("U1")


def test_a_wrong_password_is_named(own: RedisServer, own_lab: Lab) -> None:
    own_lab.redis.config_set("requirepass", "right")
    for login in ("", ":wrong@"):
        with (
            Queue(f"redis://{login}127.0.0.1:{own.port}/0") as queue,
            pytest.raises(QueueUnavailableError, match="refuses the login"),
        ):
            queue.ping()
    with Queue(f"redis://:right@127.0.0.1:{own.port}/0") as queue:
        queue.ping()


def test_a_unix_socket_works(tmp_path: Path) -> None:
    path = tmp_path / "r.sock"
    with (
        redis_server(tmp_path / "redis", "--unixsocket", str(path)),
        Queue(f"unix://{path}") as queue,
    ):
        assert queue.run(moves.enqueue(event(), now=START)).status == "queued"


def test_threads_share_a_queue(real_url: str, real_lab: Lab) -> None:
    with Queue(real_url) as queue:

        def produce(name: str) -> None:
            for n in range(50):
                queue.run(moves.enqueue(event(f"{name}-{n}"), now=START))

        threads = [threading.Thread(target=produce, args=(f"T{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(real_lab.queued())) == 200
