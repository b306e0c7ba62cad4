from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from rebalancer.queue.store import AsyncQueue
from tests.processor.system import System
from tests.support.redis_server import RedisServer, redis_server
from tests.support.sim_gateway import sim_gateway

pytest.register_assert_rewrite("tests.processor.failure_modes")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def system(tmp_path: Path, redis: RedisServer) -> AsyncIterator[System]:
    async with sim_gateway() as sim, AsyncQueue(redis.url, timeout=2.0) as queue:
        yield System(tmp_path, redis, sim, queue)
