"""Prices by events: as soon as they are there, never what only looks like one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.core.account import Instrument
from rebalancer.errors import GatewayUnavailableError, StaleDataError
from rebalancer.gateway import market
from rebalancer.gateway.faults import FAULTS
from rebalancer.gateway.market import latest, quotes
from tests.gateway.conftest import Desk, Start, fault
from tests.support.sim_gateway import until

SYMBOLS = ("SPY", "AAPL", "BND")


async def instruments(desk: Desk, *symbols: str) -> list[Instrument]:
    return list((await desk.contracts.resolve(symbols or SYMBOLS)).values())


async def test_prices_are_the_middle_of_bid_and_ask(start: Start) -> None:
    desk = await start()
    found = await quotes(desk.connection, await instruments(desk), deadline=2.0)
    assert set(found) == set(SYMBOLS)
    spy = found["SPY"]
    assert spy.bid is not None
    assert spy.ask is not None
    assert spy.price == (spy.bid + spy.ask) / 2
    assert spy.kind == "live"
    assert spy.close == Decimal(500)
    assert spy.at > 0


async def test_the_second_time_nothing_is_asked(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk)
    await quotes(desk.connection, wanted, deadline=2.0)
    before = desk.sent()
    await asyncio.gather(*(quotes(desk.connection, wanted, deadline=2.0) for _ in range(24)))
    assert desk.sent() == before


async def test_a_warm_price_follows_the_market(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk, "SPY")
    await quotes(desk.connection, wanted, deadline=2.0)
    desk.server.tell(desk.server.exchange.set_price("SPY", Decimal(510), desk.server.now()))
    await desk.contracts.resolve(("BND",))  # its answer comes after the ticks
    found = await quotes(desk.connection, wanted, deadline=2.0)
    assert abs(found["SPY"].price - 510) < 1


async def test_nothing_to_price_is_no_question(start: Start) -> None:
    desk = await start()
    assert await quotes(desk.connection, [], deadline=0.0) == {}


@pytest.mark.parametrize("kind", ["price_nan", "price_minus_one"])
async def test_what_is_no_price_is_refused(start: Start, kind: str) -> None:
    desk = await start()
    desk.server.inject(fault(kind, symbol="SPY"))
    with pytest.raises(StaleDataError, match=r"no usable price for SPY: nothing within 0\.2 s"):
        await quotes(desk.connection, await instruments(desk), deadline=0.2)


async def test_an_optional_price_may_be_missing(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("price_nan", symbol="SPY"))
    found = await quotes(
        desk.connection,
        await instruments(desk),
        deadline=0.2,
        optional={"SPY"},
    )
    assert set(found) == {"AAPL", "BND"}


@pytest.mark.parametrize("code", [354, 10168, 10197])
async def test_a_refusal_is_told_at_once_with_code_and_remedy(start: Start, code: int) -> None:
    desk = await start()
    for symbol in ("SPY", "BND"):
        desk.server.inject(fault("no_data", symbol=symbol, code=str(code)))
    with pytest.raises(StaleDataError) as caught:
        await quotes(desk.connection, await instruments(desk), deadline=30.0)
    said = str(caught.value)
    assert said.count(f"{code}:") == 2
    assert "SPY" in said
    assert "BND" in said
    assert "AAPL" not in said
    assert FAULTS[code].remedy in said


async def test_delayed_prices_only_where_allowed(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(market, "DOUBT", 0.05)
    desk = await start()
    desk.server.inject(fault("delayed_data", symbol="SPY"))
    wanted = await instruments(desk, "SPY")
    with pytest.raises(StaleDataError, match=r"SPY: .*allow_delayed_prices"):
        await quotes(desk.connection, wanted, deadline=30.0)
    found = await quotes(desk.connection, wanted, deadline=2.0, allow_delayed=True)
    assert found["SPY"].kind == "delayed"
    # Those who do not allow them are not served from the line of one who does.
    with pytest.raises(StaleDataError, match="SPY"):
        await quotes(desk.connection, wanted, deadline=30.0)


async def test_live_prices_serve_those_who_would_take_delayed_ones(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk, "SPY")
    found = await quotes(desk.connection, wanted, deadline=2.0, allow_delayed=True)
    assert found["SPY"].kind == "live"


async def test_more_instruments_than_lines(start: Start) -> None:
    desk = await start()
    desk.connection.session.lines.limit = 1
    wanted = await instruments(desk)
    both = await asyncio.gather(
        quotes(desk.connection, wanted, deadline=2.0),
        quotes(desk.connection, list(reversed(wanted)), deadline=2.0),
    )
    assert [set(found) for found in both] == [set(SYMBOLS)] * 2
    assert len(desk.connection.session.lines.ids()) == 1


async def test_lines_that_others_use_are_done_without(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk)
    refusing = fault(
        "error", "reqMktData", code="101", text="Max number of tickers", instead="yes"
    )
    desk.server.inject(replace(refusing, count=2))
    found = await quotes(desk.connection, wanted, deadline=2.0)
    assert set(found) == set(SYMBOLS)
    assert desk.connection.session.lines.limit == 1


async def test_a_broken_data_farm_makes_warm_prices_doubtful(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk, "SPY")
    await quotes(desk.connection, wanted, deadline=2.0)
    before = desk.connection.session.lines.ids()
    desk.server.inject(fault("error", code="2103"))
    await desk.contracts.resolve(("BND",))
    await quotes(desk.connection, wanted, deadline=2.0)
    assert desk.connection.session.lines.ids() != before
    assert desk.connection.generation == 1


async def test_a_lost_connection_wakes_who_waits_for_prices(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk, "SPY")
    desk.server.inject(fault("price_nan", symbol="SPY"))
    waiting = asyncio.create_task(quotes(desk.connection, wanted, deadline=60.0))
    await asyncio.sleep(0)
    desk.server.inject(fault("disconnect"))
    with pytest.raises(GatewayUnavailableError, match="closed the connection"):
        await waiting


async def test_prices_after_a_restored_connection_are_new_ones(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk, "SPY")
    await quotes(desk.connection, wanted, deadline=2.0)
    desk.server.inject(fault("outage", seconds="0.01", end="1101"))
    await until(lambda: desk.connection.generation == 2)
    found = await quotes(desk.connection, wanted, deadline=2.0)
    assert found["SPY"].price > 0


async def test_the_latest_prices_are_those_of_the_lines_that_stand(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk)
    assert latest(desk.connection, wanted) == ({}, {})
    found = await quotes(desk.connection, wanted, deadline=2.0)
    before = desk.sent()
    assert latest(desk.connection, wanted) == (found, {})
    desk.server.tell(desk.server.exchange.set_price("SPY", Decimal(510), desk.server.now()))
    await until(lambda: abs(latest(desk.connection, wanted)[0]["SPY"].price - 510) < 1)
    assert desk.sent() == before


async def test_a_line_that_gives_no_price_any_more_says_why(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk)
    await quotes(desk.connection, wanted, deadline=2.0)
    desk.server.inject(fault("price_nan", symbol="SPY"))
    desk.server.tell(desk.server.exchange.set_price("SPY", Decimal(501), desk.server.now()))
    await until(lambda: "SPY" not in latest(desk.connection, wanted)[0])
    assert latest(desk.connection, wanted)[1] == {"SPY": "nobody bids or asks"}
    desk.server.inject(fault("error", code="2103"))
    await until(lambda: len(latest(desk.connection, wanted)[1]) == 3)
    assert latest(desk.connection, wanted)[0] == {}


async def test_a_price_older_than_wanted_is_asked_for_anew(start: Start) -> None:
    desk = await start()
    wanted = await instruments(desk, "SPY")
    first = await quotes(desk.connection, wanted, deadline=2.0)
    before = desk.connection.session.lines.ids()
    again = await quotes(desk.connection, wanted, deadline=2.0, max_age=1e-9)
    assert desk.connection.session.lines.ids() != before
    assert again["SPY"].at > first["SPY"].at
