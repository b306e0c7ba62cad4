"""Servers for the queue's tests, and a clock that moves only when told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import redis
from fakeredis import TcpFakeServer

from rebalancer.queue.store import Queue
from tests.queue.lab import Lab
from tests.support.redis_server import RedisServer, redis_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One real server for all tests that leave it running; they find it empty."""
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="session")
def fake_url() -> Iterator[str]:
    """A server written in Python that speaks enough Redis for the whole contract."""
    fake = TcpFakeServer(("127.0.0.1", 0))
    thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"redis://127.0.0.1:{fake.server_address[1]}/0"
    finally:
        fake.shutdown()
        thread.join()
        fake.server_close()


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.redis_server), "fake"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty server of each kind."""
    if request.param == "fake":
        found: str = request.getfixturevalue("fake_url")
    else:
        found = request.getfixturevalue("server").url
    with redis.Redis.from_url(found) as client:
        client.flushall()
    return found


@pytest.fixture
def real_url(server: RedisServer) -> str:
    """An empty real server."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server.url


@pytest.fixture
def lab(url: str) -> Iterator[Lab]:
    """A queue on each kind of server, a clock, and a look at the bare structures."""
    with Queue(url) as queue, redis.Redis.from_url(url) as client:
        yield Lab(queue, client)


@pytest.fixture
def real_lab(real_url: str) -> Iterator[Lab]:
    """A queue on a real server only."""
    with Queue(real_url) as queue, redis.Redis.from_url(real_url) as client:
        yield Lab(queue, client)
