from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rebalancer.sim.vocabulary import Fault
from tests.processor.chaos import (
    Arena,
    Moment,
    arena,
    clean_run,
    running,
    wounds,
)
from tests.support.redis_server import DURABLE, RedisServer, redis_server

pytestmark = pytest.mark.redis_server


@pytest.fixture
def redis(tmp_path: Path):
    with redis_server(tmp_path / "redis", *DURABLE) as server:
        yield server


@pytest.fixture
async def system(tmp_path: Path, redis: RedisServer) -> AsyncIterator[Arena]:
    clean = await clean_run(tmp_path / "clean", redis)
    async with arena(tmp_path, redis) as made:
        made.clean = clean
        yield made


STEPS = ("leased", "planned", "pass", "intents", "settled", "replanned", "completed")


def slow_fills(seconds: float = 0.1) -> Fault:
    return Fault("late_fill", "placeOrder", 0, (("seconds", str(seconds)),))


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_a_step_of_the_journal(system: Arena, step: str) -> None:
    system.sim.inject(slow_fills(0.05))
    victim = system.victim()
    async with running(victim):
        events = await system.both()
        await system.until(step, events[0])
        await victim.end()
        victim.start()
        await system.settle_down(events)
    assert await wounds(system, events, system.clean) == []


MOMENTS: list[tuple[Moment, int]] = [
    (moment, nth) for moment in ("received", "taken", "filled") for nth in range(1, 7)
]


@pytest.mark.parametrize("style", ["at once", "later", "cut"])
@pytest.mark.parametrize(("moment", "nth"), MOMENTS)
async def test_killed_while_the_gateway(
    system: Arena, moment: Moment, nth: int, style: str
) -> None:
    if style == "later":
        system.sim.inject(slow_fills(0.05))
    victim = system.victim()

    def spring() -> None:
        victim.kill()
        system.exchange.deaf = style == "cut"

    system.exchange.trap(moment, nth, spring)
    async with running(victim):
        events = await system.both()
        await victim.dead()
        system.exchange.deaf = False
        await victim.end()
        victim.start()
        await system.settle_down(events)
    assert await wounds(system, events, system.clean) == []
