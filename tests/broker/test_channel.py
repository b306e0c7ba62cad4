"""Streams of messages: heard, dropped, resumed, refused; and no signal lost or doubled."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rebalancer.broker.channel import Channel, Pace
from rebalancer.broker.channel_presets import Endpoint
from rebalancer.ingest import Audience
from rebalancer.queue import channels, moves
from rebalancer.queue.channels import Place
from rebalancer.queue.move import command
from rebalancer.queue.store import AsyncQueue
from tests.broker.stage import Stage, eventually, running
from tests.support.redis_server import RedisServer, redis_server
from tests.support.sse_server import Ably, Dialect, Item, Ntfy, SseServer, Turn, serving

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
    return [Item(f"{n:04}", signal(event_id=f"e{n:04}")) for n in range(first, first + count)]


async def connected(server: SseServer, count: int = 1) -> None:
    async def streams() -> int:
        return server.open

    await eventually(streams, lambda found: found == count)


async def asked(server: SseServer, count: int) -> None:
    async def requests() -> int:
        return len(server.requests)

    await eventually(requests, lambda found: found >= count)


async def counted(stage: Stage, wanted: dict[str, int], source: str = "channel.c") -> None:
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
        assert (event.source, event.priority) == ("channel.c", "high")
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


async def test_dropped_in_the_middle_nothing_is_lost_or_doubled(
    redis: RedisServer, server: SseServer
) -> None:
    """Cut in mid-message, twice; then replayed in another order, and each twice."""
    block = 90
    server.turns += [
        Turn(cut_after=4 * block + 17),
        Turn(cut_after=3 * block + 60),
        Turn(replay=lambda items: items[::-1] + items),
        Turn(replay=lambda items: items + items),
    ]
    items = numbered(0, 24)
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(*items[:12])
        await asked(server, 3)
        await connected(server)
        await server.publish(*items[12:])
        server.drop()
        await asked(server, 4)
        await counted(stage, {"accepted": 1, "merged": 23})
        assert sorted(await heard(stage)) == [f"e{n:04}" for n in range(24)]
    lasts = [request.headers.get("last-event-id") for request in server.requests]
    assert lasts[0] is None
    assert None not in lasts[1:]


async def test_a_new_broker_goes_on_from_where_the_old_one_was(
    redis: RedisServer, server: SseServer
) -> None:
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(*numbered(0, 2))
        await counted(stage, {"accepted": 1, "merged": 1})
    await connected(server, 0)
    await server.publish(*numbered(2, 2))
    async with running(redis, channel_of(server)) as stage:
        await counted(stage, {"accepted": 1, "merged": 3})
        assert await stage.told("gap", 0) == []
    assert server.requests[-1].headers["last-event-id"] == "0001"


async def test_a_place_is_not_taken_to_another_stream(
    redis: RedisServer, server: SseServer
) -> None:
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(*numbered(0, 1))
        await place(stage, lambda found: found.id == "0000")
    async with serving() as other, running(redis, channel_of(other)):
        await connected(other)
        assert "last-event-id" not in other.requests[0].headers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "unreadable"),
        ("", "unreadable"),
        ("[]", "an empty list"),
        ('"rebalance"', "a signal is an object, not str"),
        (signal(amount=5), "unknown key 'amount'"),
        (signal("U7"), "no U7"),
        ('{"exec": "rebalance"}', "either an account_id or a strategy"),
        ('{"exec": "sell-all", "account_id": "U1000001"}', "unknown exec_command"),
        (
            f'{{"exec": "rebalance", "account_id": "U1000001", "data": {"[" * 9000}',
            "nested too deeply",
        ),
        ("x" * 70_000, "it is too long"),
    ],
)
async def test_what_can_never_run_is_put_down_once(
    redis: RedisServer, server: SseServer, text: str, said: str
) -> None:
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(Item("1", text or "\n"), *numbered(2, 1))
        await stage.queued(1)
        [entry] = await stage.told("rejected")
        assert said in entry.data["reason"]
        assert entry.data["source"] == "channel.c"
        assert len(entry.data["signal"]) <= 500
        server.drop()
        await asked(server, 2)
        await connected(server)
        assert await stage.counts("channel.c") == {"accepted": 1, "rejected": 1}
    assert server.requests[-1].headers["last-event-id"] == "0002"


async def test_a_message_without_an_id_needs_an_event_id(
    redis: RedisServer, server: SseServer
) -> None:
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(Item("", signal()), Item("", signal(event_id="mine")))
        assert await stage.queued(1) == ["mine"]
        [entry] = await stage.told("rejected")
        assert "neither the message has an id" in entry.data["reason"]
        for _ in range(2):
            server.drop()
            await connected(server, 0)
            await connected(server)
        [alert] = await stage.told("alert")
        assert alert.data["title"] == "Channel c cannot be resumed"


async def test_garbage_comments_and_other_events_are_passed_over(
    redis: RedisServer, server: SseServer
) -> None:
    noise = (
        b"\xef\xbb\xbf:\r\r\nnonsense\n\xff\xfe: x\nevent: presence\ndata: {}\n\nretry: x\n\n"
    )
    server.otherwise = Turn(before=noise)
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(*numbered(0, 1))
        await stage.queued(1)
        assert await stage.counts("channel.c") == {"accepted": 1}


async def test_a_stream_that_falls_silent_is_connected_again(redis: RedisServer) -> None:
    async with (
        serving(Dialect(whole=True)) as server,
        running(redis, channel_of(server, silence=0.1)) as stage,
    ):
        await asked(server, 3)
        await server.publish(*numbered(0, 1))
        await stage.queued(1)
        assert await stage.counts("channel.c") == {"accepted": 1}


@pytest.mark.parametrize("status", [204, 301, 401, 403, 404])
async def test_what_is_refused_is_told_once_and_tried_again(
    redis: RedisServer, server: SseServer, status: int
) -> None:
    async with serving() as good:
        server.turns += [Turn(status, {"Location": good.url})] * 3
        other = channel_of(good, label="other")
        async with running(redis, channel_of(server), other) as stage:
            await connected(good)
            await good.publish(*numbered(0, 1))
            await stage.queued(1)
            await connected(server)
            await server.publish(*numbered(1, 1))
            await counted(stage, {"merged": 1})
            [alert] = await stage.told("alert")
            assert alert.data["title"] == "Channel c is refused"
            assert f"HTTP {status}" in alert.data["text"]
        assert len(good.requests) == 1


async def test_what_is_no_event_stream_is_refused(
    redis: RedisServer, server: SseServer
) -> None:
    server.turns += [Turn(kind="text/html", ends=True)]
    async with running(redis, channel_of(server)) as stage:
        [alert] = await stage.told("alert")
        assert "text/html, identity; not text/event-stream" in alert.data["text"]


async def test_a_busy_server_is_waited_for(redis: RedisServer, server: SseServer) -> None:
    server.turns += [Turn(503), Turn(429, {"Retry-After": "1"}), Turn(500)]
    began = time.monotonic()
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        assert time.monotonic() - began >= 1.0
        assert await stage.told("alert", 0) == []


async def test_the_server_s_own_pause_is_kept(redis: RedisServer, server: SseServer) -> None:
    server.turns += [Turn(before=b"retry: 700\n\n", ends=True)]
    began = time.monotonic()
    async with running(redis, channel_of(server)):
        await asked(server, 2)
        assert time.monotonic() - began >= 0.7


async def test_one_that_cannot_be_reached_is_told_once(
    redis: RedisServer, server: SseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rebalancer.broker.channel.TELL", 0.1)
    server.turns += [Turn(503)] * 12
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(*numbered(0, 1))
        await stage.queued(1)
        [alert] = await stage.told("alert")
        assert alert.data["title"] == "Channel c is not heard"


async def test_one_that_never_answers_is_told(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rebalancer.broker.channel.TELL", 0.2)
    monkeypatch.setattr("rebalancer.broker.channel.LASTED", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = Endpoint("generic", f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        audience = Audience(TRADED, lambda _account: "")
        async with running(
            redis, Channel("c", endpoint, audience, silence=0.1, pace=PACE)
        ) as s:
            [alert] = await s.told("alert")
            assert alert.data["title"] == "Channel c is not heard"


async def test_a_place_that_is_gone_is_said_and_left(
    redis: RedisServer, server: SseServer
) -> None:
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        await server.publish(*numbered(0, 1))
        await place(stage, lambda found: found.id == "0000")
        server.turns.append(Turn(410))
        server.drop()
        [gap] = await stage.told("gap")
        assert "the service has lost our place" in gap.data["reason"]
        [alert] = await stage.told("alert")
        assert alert.data["title"] == "Signals of channel c may be lost"
        await connected(server)
        await server.publish(*numbered(1, 1))
        await counted(stage, {"accepted": 1, "merged": 1, "gap": 1})
    assert "last-event-id" not in server.requests[-1].headers


async def test_an_absence_too_long_is_said(redis: RedisServer, server: SseServer) -> None:
    ahead = 0.0

    def clock() -> float:
        return time.time() + ahead

    async with running(redis, channel_of(server), clock=clock) as stage:
        await connected(server)
        await server.publish(*numbered(0, 1))
        await place(stage, lambda found: found.id == "0000")
    ahead = 7200.0
    for _ in range(2):  # and once is enough
        async with running(redis, channel_of(server), clock=clock) as stage:
            [gap] = await stage.told("gap")
            assert "messages are kept for 3600 s" in gap.data["reason"]
            await place(stage, lambda found: found.at > time.time() + 7000)


async def test_redis_down_holds_the_stream_back(redis: RedisServer, tmp_path: Path) -> None:
    items = numbered(0, 300)
    with redis_server(tmp_path / "own", "--appendfsync", "always") as own:
        async with serving() as server, running(own, channel_of(server)) as stage:
            await connected(server)
            await server.publish(*items[:10])
            await counted(stage, {"accepted": 1, "merged": 9})
            await asyncio.to_thread(own.kill)
            await server.publish(*items[10:])

            async def waiting() -> bool:
                return stage.broker.intake.waiting_since is not None

            await eventually(waiting, bool)
            await asyncio.to_thread(own.start)
            await counted(stage, {"accepted": 1, "merged": 299})
            assert len(server.requests) == 1


async def test_ably(redis: RedisServer, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("app.key:secret\n")
    async with serving(Ably()) as server:
        channel = channel_of(server, "ably", strategy="core", credential=key)
        async with running(redis, channel) as stage:
            await connected(server)
            await server.publish(Item("a:1", '{"exec": "rebalance"}', "core"))
            await stage.queued(2)
            server.drop()
            await asked(server, 2)
            await connected(server)
            lost = {"code": 80008, "statusCode": 400, "message": "unable to recover"}
            await server.say(f"event: error\ndata: {json.dumps(lost)}\n\n".encode())
            [gap] = await stage.told("gap")
            assert "Ably says 80008" in gap.data["reason"]
            await asked(server, 3)
            await connected(server)
            expired = {"code": 40142, "statusCode": 401, "message": "expired"}
            await server.say(f"event: error\ndata: {json.dumps(expired)}\n\n".encode())
            alerts = await stage.told("alert", 2)
            assert "Ably says 40142: expired" in alerts[-1].data["text"]
            assert await stage.counts("channel.c") == {"accepted": 2, "gap": 1}
    first, second, third = server.requests[:3]
    assert first.query == {"v": "1.2", "channels": "core"}
    assert second.query["lastEvent"] == "a:1"
    assert third.query["rewind"] == "100"  # it heard a:1 again, which changed nothing
    assert first.headers["authorization"] == "Basic YXBwLmtleTpzZWNyZXQ="


async def test_ntfy(redis: RedisServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("tk_abc\n")
    old = Item("old0000000", signal(event_id="old"), "t", time.time() - 3 * 86_400)
    async with serving(Ntfy()) as server:
        server.otherwise = Turn(before=b'event: open\ndata: {"event":"open","topic":"t"}\n\n')
        channel = channel_of(server, "ntfy", credential=token)
        async with running(redis, channel) as stage:
            await connected(server)
            server.drop()
            await asked(server, 2)
            await connected(server)
            await server.publish(Item("aaaaaaaaaa", signal(event_id="a"), "t"), old)
            await server.publish(Item("bbbbbbbbbb", signal(event_id="b"), "t"))
            await counted(stage, {"accepted": 1, "merged": 1, "rejected": 1})
            [entry] = await stage.told("rejected")
            assert "72 h old" in entry.data["reason"]
            server.forget()
            server.drop()
            await asked(server, 3)
    first, second, third = server.requests[:3]
    assert (first.path, first.query) == ("/t/sse", {})
    assert abs(int(second.query["since"]) - time.time()) < 60
    assert third.query == {"since": "bbbbbbbbbb"}
    assert first.headers["authorization"] == "Bearer tk_abc"


async def test_a_secret_that_cannot_be_read_is_told(
    redis: RedisServer, server: SseServer, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    async with running(redis, channel_of(server, credential=secret)) as stage:
        [alert] = await stage.told("alert")
        assert "no such file" in alert.data["text"]
        secret.write_text("now it is there")
        await connected(server)


async def test_no_secret_is_logged(
    redis: RedisServer, server: SseServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = tmp_path / "secret"
    secret.write_text("user:hunter2")
    server.turns += [Turn(503), Turn(401)]
    endpoint = Endpoint("generic", f"{server.url}/?token=hunter3")
    channel = channel_of(server, endpoint=endpoint, credential=secret)
    async with running(redis, channel) as stage:
        await connected(server)
        told = json.dumps([entry.data for entry in await stage.told("alert")])
    ours = " ".join(r.getMessage() for r in caplog.records if r.name.startswith("rebalancer"))
    for text in (ours, told):
        assert "hunter" not in text
        assert "HTTP 401" in text


async def test_a_flood_with_drops_at_random_loses_and_doubles_nothing(
    redis: RedisServer, server: SseServer
) -> None:
    chance = random.Random(20261126)
    items = numbered(0, 400)
    server.turns += [
        Turn(
            cut_after=chance.randint(0, 6000),
            replay=lambda found: sorted(
                found + found[:5], key=lambda item: (item.id, chance.random())
            ),
        )
        for _ in range(25)
    ]
    async with running(redis, channel_of(server)) as stage:
        await connected(server)
        for start in range(0, 400, 40):
            await server.publish(*items[start : start + 40])
        await counted(stage, {"accepted": 1, "merged": 399})
        assert sorted(await heard(stage)) == [f"e{n:04}" for n in range(400)]
