"""One server for all tests that leave it running; they find its Redis empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rebalancer.queue.store import Queue
from tests.api.server import Api, Server, serving
from tests.support.redis_server import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NOTIFY_SOCKET", raising=False)
        with serving(tmp_path_factory.mktemp("api"), redis) as running:
            yield running


@pytest.fixture
def api(server: Server, redis: RedisServer) -> Iterator[Api]:
    with Queue(redis.url) as queue:
        found = Api(server, queue)
        found.clean()
        yield found
        found.close()
