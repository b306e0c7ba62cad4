"""Another session of the login: left in peace, and noticed when it has ended."""

from __future__ import annotations

import pytest

from rebalancer.errors import GatewayUnavailableError, StaleDataError
from rebalancer.gateway import connection as module
from rebalancer.gateway import trading
from rebalancer.gateway.market import quotes
from tests.gateway.conftest import Desk, Start, fault, order
from tests.support.sim_gateway import until


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE", 0.05)
    monkeypatch.setattr(module, "HEARTBEAT", 0.3)


async def priced(desk: Desk, symbol: str = "SPY") -> None:
    instruments = await desk.contracts.resolve((symbol,))
    await quotes(desk.connection, tuple(instruments.values()), deadline=2.0)


async def test_who_is_refused_a_price_makes_everybody_stand_back(start: Start) -> None:
    desk = await start()
    instruments = await desk.contracts.resolve(("SPY",))
    desk.server.inject(fault("competing_session", "reqMktData", seconds="0.6", keep="yes"))
    with pytest.raises(StaleDataError, match="10197"):
        await quotes(desk.connection, tuple(instruments.values()), deadline=2.0)
    assert not desk.connection.is_ready
    assert desk.connection.is_connected
    assert "standing back: 10197" in desk.connection.state
    with pytest.raises(GatewayUnavailableError, match="10197"):
        await desk.connection.ready(0.05)
    with pytest.raises(GatewayUnavailableError, match="10197"):
        trading.place(desk.connection, [order()], instruments)
    await desk.connection.ready(5.0)
    assert (desk.connection.generation, desk.connection.rival.said) == (1, "")
    assert "standing back" not in desk.connection.state
    await priced(desk)
    assert desk.server.exchange.open_orders() == ()


async def test_what_was_warm_is_not_believed_when_it_has_ended(start: Start) -> None:
    desk = await start()
    await priced(desk)
    session = desk.connection.session
    desk.server.inject(fault("competing_session", seconds="0.4", keep="yes"))
    await until(lambda: not desk.connection.is_ready)
    with pytest.raises(GatewayUnavailableError):
        await priced(desk)
    await desk.connection.ready(5.0)
    # The session was not broken: what was read in it still holds.
    assert desk.connection.session is session


async def test_it_is_not_forgotten_when_the_connection_drops(start: Start) -> None:
    desk = await start()
    await priced(desk)
    desk.server.inject(fault("competing_session", seconds="0.8"))
    await until(lambda: bool(desk.connection.rival.said))
    await until(lambda: desk.connection.generation == 2 and desk.connection.is_connected)
    assert not desk.connection.is_ready
    await desk.connection.ready(5.0)
    assert desk.connection.rival.said == ""


async def test_without_a_price_ever_asked_for_the_next_who_asks_finds_out(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("error", code="10197"))
    await until(lambda: not desk.connection.is_ready)
    await desk.connection.ready(5.0)
    await priced(desk)


async def test_it_is_over_when_prices_are_missing_for_another_reason(start: Start) -> None:
    desk = await start()
    await priced(desk)
    desk.server.inject(fault("no_data", symbol="SPY", code="354"))
    desk.server.inject(fault("error", code="10197"))
    await until(lambda: not desk.connection.is_ready)
    await desk.connection.ready(5.0)


async def test_words_count_as_the_code_does(start: Start) -> None:
    desk = await start()
    await priced(desk)
    words = "Trading TWS session is connected from a different IP address"
    desk.server.inject(fault("error", code="420", text=words))
    await until(lambda: bool(desk.connection.rival.said))
    assert "420: Trading TWS session" in desk.connection.rival.said
    assert not desk.connection.is_ready
    await desk.connection.ready(5.0)


async def test_an_order_that_was_sent_is_followed_to_its_end(start: Start) -> None:
    desk = await start()
    await priced(desk)
    instruments = await desk.contracts.resolve(("SPY",))
    desk.server.inject(fault("late_fill", "placeOrder", seconds="0.3"))
    tickets = trading.place(desk.connection, [order()], instruments)
    desk.server.inject(fault("competing_session", seconds="0.8", keep="yes"))
    await until(lambda: not desk.connection.is_ready)
    (report,) = await trading.wait(tickets, deadline=3.0)
    assert report.status == "filled"
    assert not desk.connection.is_ready
