"""Streams of messages: heard, dropped, resumed, refused; and no signal lost or doubled."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rebalancer.broker.channel import Channel, Pace
from rebalancer.broker.channel_presets import Endpoint
from rebalancer.broker.daemon import Source
from rebalancer.ingest import Audience
from rebalancer.queue import channels, moves
from rebalancer.queue.channels import Place
from rebalancer.queue.move import command
from rebalancer.queue.store import AsyncQueue
from tests.broker.stage import Stage, eventually, running
from tests.support.redis_server import RedisServer, redis_server
from tests.support.sse_server import Ably, Item, Ntfy, SseServer, Turn, serving

pytestmark = pytest.mark.redis_server

TRADED = {"U1000001": "core", "U1000002": "core", "U1000003": "bonds"}
PACE = Pace(first=0.02, longest=0.05, refused=0.05)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def redis(shared: RedisServer) -> RedisServer:
    async with AsyncQueue(shared.url) as queue:
        await queue.run(command("FLUSHALL", parse=bool))
    return shared


@pytest.fixture
async def server() -> AsyncIterator[SseServer]:
    async with serving() as found:
        yield found


def channel_of(server: SseServer, preset: str = "generic", **changes: Any) -> Channel:
    audience = Audience(TRADED, lambda account: "" if account in TRADED else f"no {account}")
    endpoint = Endpoint(preset, server.url, {"generic": "", "ably": "core"}.get(preset, "t"))
    channel = Channel("c", endpoint, audience, silence=5.0, pace=PACE)
    return dataclasses.replace(channel, **changes)


def signal(account: str = "U1000001", **more: Any) -> str:
    return json.dumps({"exec": "rebalance", "account_id": account, **more})


def numbered(first: int, count: int) -> list[Item]:
    """Messages that each are an event of their own name."""
    return [
        Item(f"{n:04}", signal(event_id=f"e{n:04}"))
        for n in range(first, first + count)
    ]


async def connected(server: SseServer, count: int = 1) -> None:
    async def streams() -> int:
        return server.open

    await eventually(streams, lambda found: found == count)


async def asked(server: SseServer, count: int) -> None:
    async def requests() -> int:
        return len(server.requests)

    await eventually(requests, lambda found: found >= count)


async def counted(stage: Stage, wanted: dict[str, int], source: str = "channel:c") -> None:
    await eventually(lambda: stage.counts(source), lambda found: found == wanted)


async def heard(stage: Stage) -> list[str]:
    """The ids of all signals that the journal knows, in order."""
    entries = [
        entry for kind in ("queued", "merged", "rerun") for entry in await stage.told(kind, 0)
    ]
    return [entry.event_id for entry in sorted(entries, key=lambda one: one.id)]


async def place(stage: Stage, good: Callable[[Place], bool]) -> Place:
    def load() -> Awaitable[Place]:
        return stage.queue.run(channels.load_place("c"))

    return await eventually(load, good)


async def test_a_message_becomes_a_signal(redis: RedisServer, server: SseServer) -> None:
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(Item("1", signal(priority="high")))
        await stage.queued(1)
        page = await stage.queue.run(moves.list_events("queued"))
        [event] = [item.event for item in page.items]
        assert event is not None
        assert event.event_id.startswith("channel.")
        assert (event.source, event.priority) == ("channel:c", "high")
        assert (await place(stage, lambda found: bool(found.id))).id == "1"
        daemons = await eventually(
            lambda: stage.queue.run(moves.daemons()), lambda d: "broker" in d
        )
        assert daemons["broker"].info["channel:c"]["connected"] is True
    assert "last-event-id" not in server.requests[0].headers
    assert server.requests[0].headers["accept"] == "text/event-stream"


async def test_a_strategy_reaches_its_accounts(redis: RedisServer, server: SseServer) -> None:
    async with running(redis, channel_of(server, strategy="core")) as stage:
        await connected(server)
        await server.publish(Item("1", '{"exec": "rebalance"}'))
        found = await stage.queued(2)
        assert {name.rpartition(".")[2] for name in found} == {"U1000001", "U1000002"}
        await server.publish(Item("2", '[{"exec": "print-equity", "strategy": "bonds"}]'))
        await stage.queued(3)
