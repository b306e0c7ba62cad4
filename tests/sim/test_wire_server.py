"""The socket server: bad neighbours, restarts, latency, and what survives a kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from rebalancer.sim.hub import MAX_SESSIONS
from rebalancer.sim.protocol.wire import Value, frame, split
from rebalancer.sim.server import MAX_UNREAD, SimServer, serve
from rebalancer.sim.vocabulary import Fault
from tests.support.sim_client import order_row
from tests.support.sim_gateway import DEADLINE, SPY, SimProcess, sim_gateway, small_world, until


class Peer:
    """A client on a socket, a message at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, *fields: Value) -> None:
        self.writer.write(frame(fields))

    async def hear(self) -> list[str]:
        async with asyncio.timeout(DEADLINE):
            size = int.from_bytes(await self.reader.readexactly(4), "big")
            return split(await self.reader.readexactly(size))

    async def hear_until(self, number: int) -> list[str]:
        while (said := await self.hear())[0] != str(number):
            pass
        return said

    async def gone(self) -> bool:
        """Wait until the gateway has hung up."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(DEADLINE):
                await self.reader.read()
        return True


@contextlib.asynccontextmanager
async def peer(port: int, client_id: int | None = 1) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    made = Peer(reader, writer)
    try:
        if client_id is not None:
            writer.write(b"API\0\0\0\0\x09v157..178")
            assert (await made.hear())[0] == "178"
            made.say(71, 2, client_id, "")
            for _ in range(5):
                await made.hear()
        yield made
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[SimServer]:
    async with sim_gateway() as running:
        yield running


# Bad neighbours -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"API\0\xff\xff\xff\xff", os.urandom(4000)]
)
async def test_strangers_are_cut_off_and_nobody_notices(server: SimServer, data: bytes) -> None:
    async with peer(server.port) as good, peer(server.port, None) as stranger:
        stranger.writer.write(data)
        assert await stranger.gone()
        good.say(49, 1)
        assert (await good.hear())[0] == "49"


async def test_a_length_beyond_reason_ends_only_that_connection(server: SimServer) -> None:
    async with peer(server.port) as good, peer(server.port, 2) as bad:
        bad.writer.write(b"\x7f\xff\xff\xff" + b"x" * 100)
        assert (await bad.hear())[:4] == ["4", "2", "-1", "507"]
        assert await bad.gone()
        good.say(49, 1)
        assert (await good.hear())[0] == "49"


async def test_who_does_not_read_is_cut_off_alone(server: SimServer) -> None:
    async with peer(server.port) as good, peer(server.port, 2) as lazy:
        session = server.hub.holder(2)
        assert session is not None
        answer = frame((49, 1, "x" * 100_000))
        for _ in range(2 * MAX_UNREAD // len(answer) + 200):
            session.outbox.put(answer, server.now(), "live")
        server.wake()
        await until(lambda: server.hub.holder(2) is None)
        assert await lazy.gone()
        good.say(49, 1)
        assert (await good.hear())[0] == "49"


async def test_a_socket_that_never_says_a_word_takes_no_place_for_ever() -> None:
    times = [1767798000.0]
    async with sim_gateway(clock=lambda: times[0]) as server, peer(server.port, None) as silent:
        await until(lambda: server.hub.sessions)
        times[0] += 31
        server.wake()
        assert await silent.gone()
        assert server.hub.sessions == []


async def test_connections_beyond_the_limit_are_refused(server: SimServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        good = await stack.enter_async_context(peer(server.port))
        for _ in range(MAX_SESSIONS - 1):
            await stack.enter_async_context(peer(server.port, None))
        await until(lambda: len(server.hub.sessions) == MAX_SESSIONS)
        one_more = await stack.enter_async_context(peer(server.port, None))
        assert await one_more.gone()
        good.say(49, 1)
        assert (await good.hear())[0] == "49"


async def test_small_answers_are_not_held_back(server: SimServer) -> None:
    async with peer(server.port):
        [connection] = server._connections
        assert connection._transport is not None
        raw = connection._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_it_listens_on_the_given_host_only(server: SimServer) -> None:
    assert server._listener is not None
    assert [each.getsockname()[0] for each in server._listener.sockets] == ["127.0.0.1"]


# Time ---------------------------------------------------------------------------------------


async def test_latency_is_a_round_trip_and_requests_overlap() -> None:
    async with sim_gateway(latency=0.15) as server, peer(server.port) as client:
        begun = time.monotonic()
        for _ in range(10):
            client.say(49, 1)
        for _ in range(10):
            await client.hear()
        took = time.monotonic() - begun
        assert 0.15 <= took < 0.15 * 10


async def test_without_work_the_server_sleeps(server: SimServer) -> None:
    async with peer(server.port):
        server.wake()
        moment = server.hub.next_wakeup(server.now())
        assert moment is None or moment > server.now() + 60


async def test_a_clock_that_is_set_back_does_not_turn_time_back() -> None:
    times = [1767798000.0]
    async with sim_gateway(clock=lambda: times[0]) as server, peer(server.port) as client:
        times[0] -= 3600
        client.say(49, 1)
        assert (await client.hear())[2] == "1767798000"


async def test_a_faster_world() -> None:
    times = [1767798000.0]
    world = small_world()
    world = replace(world, clock=replace(world.clock, start=1767000000.0, rate=60.0))
    async with (
        sim_gateway(world, clock=lambda: times[0]) as server,
        peer(server.port) as client,
    ):
        times[0] += 10
        client.say(49, 1)
        assert (await client.hear())[2] == "1767000600"


# Faults over the socket ---------------------------------------------------------------------


async def test_a_restart_refuses_connections_and_comes_back_on_its_port() -> None:
    times = [1767798000.0]
    async with sim_gateway(clock=lambda: times[0]) as server:
        port = server.port
        async with peer(port) as client:
            server.inject(Fault("restart", "+0", 1, (("seconds", "30"),)))
            assert await client.gone()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        times[0] += 30
        server.wake()
        await until(lambda: server._listener is not None)
        async with peer(port) as client:
            client.say(49, 1)
            assert (await client.hear())[0] == "49"


async def test_half_open_stops_reading_and_stays(server: SimServer) -> None:
    async with peer(server.port) as good, peer(server.port, 2) as client:
        server.inject(Fault("half_open", "reqCurrentTime"))
        client.say(49, 1)
        await until(lambda: (held := server.hub.holder(2)) is not None and held.deaf)
        client.say(49, 1)
        good.say(61, 1)
        await good.hear_until(62)
        assert not client.reader.at_eof()


async def test_a_direct_change_of_the_exchange_is_told(server: SimServer) -> None:
    async with peer(server.port) as client:
        client.say(1, 11, 5, SPY, *("",) * 11, 0, "", 0, 0, "")
        await client.hear_until(46)
        server.tell(server.exchange.set_price("SPY", Decimal(510), server.now()))
        while (said := await client.hear())[:4] != ["1", "6", "5", "1"]:
            pass
        assert said[4] == "510"


# State --------------------------------------------------------------------------------------


async def _executions(port: int) -> list[list[str]]:
    async with peer(port) as client:
        client.say(7, 3, 9, 0, "", "", "", "", "", "")
        said = []
        while (each := await client.hear())[0] != "55":
            said.append(each)
        return [each for each in said if each[0] == "11"]


async def test_what_was_filled_survives_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with sim_gateway(state_file=state) as server, peer(server.port) as client:
        client.writer.write(frame(order_row(1, orderRef="kept")))
        await client.hear_until(59)
        assert "kept" in state.read_text()
    async with sim_gateway(state_file=state) as server:
        [fill] = await _executions(server.port)
        assert fill[26] == "kept"


async def test_it_is_saved_before_the_client_hears_of_it(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with sim_gateway(state_file=state) as server, peer(server.port) as client:
        client.writer.write(frame(order_row(1)))
        await client.hear_until(5)
        saved = json.loads(state.read_text())
        assert server.exchange.to_dict() == saved["exchange"]


async def test_time_goes_on_while_it_is_away(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    times = [1767798000.0]
    world = small_world()
    world = replace(world, clock=replace(world.clock, start=1767000000.0, rate=2.0))
    async with sim_gateway(world, clock=lambda: times[0], state_file=state):
        times[0] += 5
    times[0] += 100
    async with sim_gateway(world, clock=lambda: times[0], state_file=state) as server:
        assert server.now() == 1767000000.0 + 2 * 105


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"exchange": {}, "times": {}}', "\0"])
async def test_a_damaged_state_file_is_refused(tmp_path: Path, text: str) -> None:
    state = tmp_path / "state.json"
    state.write_text(text)
    with pytest.raises(ValueError, match=r"state\.json holds no saved state"):
        await serve(small_world(), state_file=state)


async def test_no_host_is_not_every_host() -> None:
    with pytest.raises(ValueError, match="no host"):
        await serve(small_world(), host="")


async def test_every_host_only_when_asked() -> None:
    server = await serve(small_world(), host="0.0.0.0")
    assert server._listener is not None
    assert server._listener.sockets[0].getsockname()[0] == "0.0.0.0"
    await server.close()


async def test_the_ipv6_wildcard_takes_ipv4_as_the_gateway_does() -> None:
    server = await serve(small_world(), host="::")
    for address in ("127.0.0.1", "::1"):
        _, writer = await asyncio.open_connection(address, server.port)
        writer.close()
    await server.close()


async def test_a_process_killed_outright_comes_back_with_its_fills(tmp_path: Path) -> None:
    with SimProcess(state_file=tmp_path / "state.json") as process:
        async with peer(process.port) as client:
            client.writer.write(frame(order_row(1, orderRef="kept")))
            await client.hear_until(59)
            process.kill()
        await asyncio.to_thread(process.start)
        [fill] = await _executions(process.port)
        assert fill[26] == "kept"


async def test_a_process_ends_when_asked() -> None:
    with SimProcess() as process:
        async with peer(process.port):
            assert await asyncio.to_thread(process.stop) == 0
