"""One connection, kept alive: when it may be used, and what is said when it may not."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from rebalancer.errors import GatewayUnavailableError, WrongGatewayError
from rebalancer.gateway import connection as module
from rebalancer.sim.world import Clock
from tests.gateway.conftest import CLIENT, ONE, TWO, Connect, Start, far_end, fault, wide_world
from tests.support.sim_gateway import sim_gateway, small_world, until


async def test_a_ready_connection_knows_its_accounts(start: Start) -> None:
    desk = await start()
    connection = desk.connection
    assert connection.is_ready
    assert connection.accounts == {ONE, TWO}
    assert connection.generation == 1
    assert connection.last_error == ""
    assert "2 accounts" in connection.state
    connection.check_account(ONE, "paper")


async def test_wrong_mode_and_unknown_account_are_refused(start: Start) -> None:
    connection = (await start()).connection
    with pytest.raises(WrongGatewayError, match="configured as live"):
        connection.check_account(ONE, "live")
    with pytest.raises(WrongGatewayError, match="is a live account"):
        connection.check_account("U1000001", "paper")
    with pytest.raises(WrongGatewayError, match="not managed by the login"):
        connection.check_account("DU9999999", "paper")


async def test_nothing_listens(connect: Connect) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        connection = connect(unused.getsockname()[1])
        with pytest.raises(GatewayUnavailableError, match="start IB Gateway"):
            await connection.ready(0.2)
    assert not connection.is_ready
    with pytest.raises(GatewayUnavailableError, match="cannot connect"):
        connection.check_account(ONE, "paper")
    with pytest.raises(GatewayUnavailableError, match="cannot connect"):
        _ = connection.session


async def test_it_accepts_but_never_answers(connect: Connect) -> None:
    async with far_end(b"") as port:
        connection = connect(port, timeout=0.1)
        with pytest.raises(GatewayUnavailableError, match="does not answer within 0.1 s"):
            await connection.ready(0.3)


async def test_it_hangs_up_on_the_hello(connect: Connect) -> None:
    async with far_end(None) as port:
        connection = connect(port, timeout=30.0)
        await until(lambda: "waiting" in connection.state)
    assert "closed the connection" in connection.last_error


async def test_it_sends_garbage(connect: Connect) -> None:
    async with far_end(b"\x00\x00\x00\x04ab\x00\x00HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        connection = connect(port, timeout=0.2)
        with pytest.raises(GatewayUnavailableError, match="cannot connect"):
            await connection.ready(0.5)


@pytest.mark.parametrize("end", ["positionEnd", "accountUpdateMultiEnd", "currentTime"])
async def test_an_unanswered_start_up_is_an_error(start: Start, end: str) -> None:
    world = replace(wide_world(), faults=(fault("drop", message=end),))
    desk = await start(world, ready=False, timeout=0.2)
    with pytest.raises(GatewayUnavailableError, match=r"cannot connect|no full answer|no time"):
        await desk.connection.ready(0.6)
    assert desk.connection.generation == 0


async def test_an_empty_start_up_is_an_error(start: Start) -> None:
    world = replace(wide_world(), faults=(fault("empty_start", "startApi"),))
    desk = await start(world, ready=False)
    await until(lambda: "no balance" in desk.connection.last_error)
    await desk.connection.ready(5.0)  # the next start is complete
    assert desk.connection.generation == 1


async def test_a_client_id_in_use_is_waited_for(start: Start, connect: Connect) -> None:
    desk = await start()
    second = connect(desk.server.port, CLIENT)
    await until(lambda: "326" in second.last_error)
    with pytest.raises(GatewayUnavailableError, match=r"326: .*end the other program"):
        await second.ready(0.01)
    await desk.connection.close()
    # The same id, as soon as it is free: orders placed under it stay ours.
    await until(lambda: second.is_ready or desk.connection.is_ready)
    assert second.client_id == CLIENT


async def test_a_dropped_connection_comes_back(start: Start) -> None:
    desk = await start()
    lost = asyncio.create_task(desk.connection.lost())
    session = desk.connection.session
    desk.server.inject(fault("disconnect"))
    assert "closed the connection" in await lost
    with pytest.raises(GatewayUnavailableError, match="closed the connection"):
        session.check()
    await desk.connection.ready(5.0)
    assert desk.connection.generation == 2


async def test_a_restart_is_outlasted(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("restart", seconds="0.3"))
    await until(lambda: "nothing listens" in desk.connection.last_error)
    await desk.connection.ready(5.0)
    assert desk.connection.generation == 2


async def test_notices_are_notices(start: Start) -> None:
    desk = await start()
    for code in ("2103", "2104", "2105", "2106", "2107", "2108", "2119", "2157", "2158"):
        desk.server.inject(fault("error", code=code))
    # Notices and answers share the wire: after this answer all of them were read.
    await desk.contracts.resolve(("SPY",))
    assert desk.connection.is_ready
    assert desk.connection.generation == 1


@pytest.mark.parametrize(
    ("lost", "back"), [("1100", "1102"), ("1100", "1101"), ("2110", "1102")]
)
async def test_a_loss_of_ibkr_pauses_and_its_return_is_proven(
    start: Start,
    lost: str,
    back: str,
) -> None:
    desk = await start()
    session = desk.connection.session
    desk.server.inject(fault("error", code=lost))
    await until(lambda: not desk.connection.is_ready)
    assert lost in session.over
    assert lost in desk.connection.last_error
    await until(lambda: "paused" in desk.connection.state)
    desk.server.inject(fault("error", code=back))
    await desk.connection.ready(5.0)
    assert desk.connection.generation == 2
    assert desk.connection.session is not session


async def test_a_return_without_a_loss_is_a_loss_too(start: Start) -> None:
    desk = await start()
    session = desk.connection.session
    desk.server.inject(fault("error", code="1101"))
    await until(lambda: bool(session.over))
    await desk.connection.ready(5.0)
    assert desk.connection.generation == 2


async def test_a_loss_that_does_not_end_is_cleared_up_by_connecting_anew(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.05)
    desk = await start()
    desk.server.inject(fault("error", code="1100"))
    await until(lambda: desk.connection.generation == 2)


async def test_a_silent_socket_is_noticed(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    desk = await start(timeout=0.3)
    desk.server.inject(fault("half_open"))
    await until(lambda: "does not answer" in desk.connection.last_error)
    # The gateway has not noticed yet: for it the client id is still in use.
    await until(lambda: "326" in desk.connection.last_error)
    desk.server.inject(fault("disconnect"))
    await until(lambda: desk.connection.generation == 2)


async def test_broken_frames_end_the_connection(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.05)
    desk = await start(timeout=0.3)
    desk.server.inject(fault("garbage"))
    await until(lambda: desk.connection.generation == 2)


async def test_hours_are_judged_by_the_gateways_clock(connect: Connect) -> None:
    opening = 1777300200.0  # 2026-04-27 14:30 UTC
    async with sim_gateway(small_world(clock=Clock(start=opening, always_open=True))) as server:
        connection = connect(server.port)
        await connection.ready(5.0)
        assert connection.now() == pytest.approx(server.now(), abs=1.5)


async def test_a_small_difference_of_clocks_is_none(start: Start) -> None:
    desk = await start()
    assert desk.connection.clock_offset == 0.0


async def test_a_closed_connection_says_so(start: Start) -> None:
    desk = await start()
    lost = asyncio.create_task(desk.connection.lost())
    await asyncio.sleep(0)
    await desk.connection.close()
    assert await lost == "the connection was closed"
