"""Pence and pounds, pairs and rates: what of it crosses the gateway's edge, and how."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ib_async import Contract, Execution, OrderState
from ib_async import Order as IbOrder

from rebalancer.core.account import Account, Instrument
from rebalancer.core.order import Order
from rebalancer.errors import StaleDataError
from rebalancer.gateway import convert, trading
from rebalancer.gateway.book import Book
from rebalancer.gateway.snapshot import take_snapshot
from rebalancer.sim.scenario import load_world
from rebalancer.sim.vocabulary import OrderView
from rebalancer.sim.world import Clock, Holding, World
from tests.gateway.conftest import Desk, Start, fault

EURO, STERLING = "DU1000001", "DU1000002"
ISF = "ISF@LSEETF/GBP"


def europe(**changes: Any) -> World:
    return replace(load_world("europe"), clock=Clock(always_open=True), **changes)


async def snapshot(desk: Desk, account: str, *symbols: str) -> Account:
    return await take_snapshot(desk.connection, desk.contracts, account, symbols, deadline=4.0)


def order(
    instrument: Instrument, action: Any, quantity: int, limit: str, account: str
) -> Order:
    return Order(
        order_ref=f"rb:e1:1:{instrument.symbol}",
        account_id=account,
        symbol=instrument.symbol,
        con_id=instrument.con_id,
        action=action,
        quantity=quantity,
        order_type="LMT",
        limit_price=Decimal(limit),
    )


# Pence ---------------------------------------------------------------------------------------


async def test_pence_are_pounds_on_our_side(start: Start) -> None:
    desk = await start(europe())
    account = await snapshot(desk, STERLING, ISF)
    quote, instrument = account.quotes[ISF], account.instruments[ISF]
    assert (quote.bid, quote.ask) == (Decimal("9.4625"), Decimal("9.463"))
    assert quote.close == Decimal("9.4625")
    assert (instrument.currency, instrument.min_tick) == ("GBP", Decimal("0.0005"))
    (held,) = account.positions
    assert (held.quantity, held.avg_cost) == (1000, Decimal("9.4625"))
    # And the snapshot adds up: 50,000 pounds, 1,000 euros, 9,462.50 pounds of shares.
    assert abs(account.net_liquidation - Decimal("60308.65")) < 1


async def test_orders_carry_pence_and_fills_come_back_in_pounds(start: Start) -> None:
    desk = await start(europe())
    found = await desk.contracts.resolve((ISF,))
    wanted = order(found[ISF], "BUY", 10, "9.5", STERLING)
    tickets = trading.place(desk.connection, [wanted], found)
    (report,) = await trading.wait(tickets, deadline=3.0)
    (sent,) = _orders(desk)
    assert sent.order.limit_price == 950
    assert (report.status, report.avg_price) == ("filled", Decimal("9.463"))
    assert [fill.price for fill in report.fills] == [Decimal("9.463")]
    # Found again after a restart, with the contract read anew.
    again = await trading.find(desk.connection, STERLING, [wanted.order_ref])
    assert again[wanted.order_ref].avg_price == Decimal("9.463")


async def test_a_working_order_is_shown_and_moved_in_pounds(start: Start) -> None:
    desk = await start(europe())
    found = await desk.contracts.resolve((ISF,))
    wanted = order(found[ISF], "BUY", 10, "9", STERLING)
    (ticket,) = trading.place(desk.connection, [wanted], found)
    await trading.wait([ticket], deadline=0.1)
    (shown,) = await trading.open_orders(desk.connection, STERLING)
    assert shown.limit_price == 9
    trading.reprice(desk.connection, {ticket: Decimal("9.1")}, found)
    await trading.wait([ticket], deadline=0.1)
    (sent,) = _orders(desk)
    assert sent.order.limit_price == 910


def _orders(desk: Desk) -> list[OrderView]:
    exchange = desk.server.exchange
    return list(exchange.orders_by_ref(f"rb:e1:1:{ISF}"))


@pytest.mark.parametrize(
    ("told", "magnifier", "near", "meant"),
    [
        ("9.46", 1, "9.5", "9.46"),
        ("9.46", 100, "9.5", "9.46"),
        ("946", 100, "9.5", "9.46"),
        ("94.7", 100, "9.5", "94.7"),  # ten times off either way: the documentation is believed
        ("5.1", 100, "9.5", "5.1"),
        ("510", 100, "9.5", "5.1"),
        ("946", 100, None, "946"),
    ],
)
def test_of_two_readings_the_nearer_one_is_meant(
    told: str, magnifier: int, near: str | None, meant: str
) -> None:
    nearby = None if near is None else Decimal(near)
    assert convert.paid(Decimal(told), magnifier, nearby) == Decimal(meant)


@pytest.mark.parametrize(
    ("limit", "near", "told"), [("9.5", None, 946.0), (None, "9.4", 946.0), (None, None, 9.46)]
)
def test_a_gateway_that_tells_fills_in_pence_is_understood(
    limit: str | None, near: str | None, told: float
) -> None:
    """By the order's limit, else by the market; only without either it has to be right."""
    known = None if near is None else Decimal(near)
    book = Book(lambda _: None, lambda _: known)
    book.magnifiers[5] = 100
    contract = Contract(conId=5, symbol="ISF", secType="STK", currency="GBP")
    kind, pence = ("MKT", 0.0) if limit is None else ("LMT", float(Decimal(limit) * 100))
    placed = IbOrder(
        permId=1, action="BUY", totalQuantity=1, orderType=kind, lmtPrice=pence, orderRef="r"
    )
    book.opened(contract, placed, OrderState(status="Submitted"))
    fill = Execution(
        execId="a.b.01",
        time=datetime(2026, 4, 15, 14, tzinfo=UTC),
        side="BOT",
        shares=1.0,
        price=told,
        permId=1,
        orderRef="r",
    )
    book.executed(contract, fill)
    (track,) = book.by_ref("r")
    assert [each.price for each in book.fills(track)] == [Decimal("9.46")]
    assert track.limit_price == (None if limit is None else Decimal(limit))


# Price steps ---------------------------------------------------------------------------------


async def test_the_step_is_that_of_the_price(start: Start) -> None:
    desk = await start(europe())
    account = await snapshot(desk, EURO, "VWCE@IBIS2/EUR", "EUNL@IBIS2/EUR", "SPY", ISF)
    steps = {symbol: i.min_tick for symbol, i in account.instruments.items()}
    assert steps == {
        "VWCE@IBIS2/EUR": Decimal("0.02"),
        "EUNL@IBIS2/EUR": Decimal("0.02"),
        "SPY": Decimal("0.01"),
        # 946 pence: the step of what is above 1,000 is too far away to matter.
        ISF: Decimal("0.0005"),
    }


# Pairs and rates -----------------------------------------------------------------------------


async def test_a_currency_never_held_has_the_rate_of_its_pair(start: Start) -> None:
    desk = await start(europe())
    account = await snapshot(desk, EURO, "SPY", ISF)
    assert set(account.cash) == {"EUR"}
    assert abs(account.rates["USD"] * Decimal("1.10") - 1) < Decimal("0.001")
    assert abs(account.rates["GBP"] * Decimal("0.84615") - 1) < Decimal("0.001")
    account = await snapshot(desk, STERLING, "SPY")
    assert abs(account.rates["USD"] * Decimal("1.30") - 1) < Decimal("0.001")


async def test_a_rate_that_nobody_tells_is_no_rate(start: Start) -> None:
    desk = await start(europe())
    desk.server.inject(fault("no_data", symbol="EUR.USD"))
    with pytest.raises(StaleDataError, match=r"fx:EUR\.USD"):
        await snapshot(desk, EURO, "SPY")


async def test_a_pair_is_converted_and_is_no_holding(start: Start) -> None:
    desk = await start(europe())
    found = await desk.contracts.resolve(("fx:EUR.USD",))
    pair = found["fx:EUR.USD"]
    assert (pair.sec_type, pair.exchange, pair.currency) == ("CASH", "IDEALPRO", "USD")
    sell = order(pair, "SELL", 5000, "1.0995", EURO)
    tickets = trading.place(desk.connection, [sell], found)
    (report,) = await trading.wait(tickets, deadline=3.0)
    assert (report.status, report.filled) == ("filled", 5000)
    # Small as it is, the broker says that it is an odd lot; it is filled all the same.
    assert "odd lot" in report.reason
    account = await snapshot(desk, EURO)
    assert {row.con_id for row in desk.server.exchange.positions(EURO)} > {pair.con_id}
    assert {position.symbol for position in account.positions} == {"VWCE@IBIS2/EUR"}
    assert account.cash["USD"] == Decimal("5500.00")
    # 2 dollars of commission, in the account's own currency.
    assert account.cash["EUR"] == Decimal("94998.18")


# Cross listings ------------------------------------------------------------------------------


def milan(world: World) -> World:
    """The euro account holds the Milan listing of what is also listed in Frankfurt."""
    vwce = world.listings[0]
    other = replace(vwce, con_id=900000777, primary_exchange="BVME.ETF")
    euro = replace(world.accounts[0], holdings=(Holding(900000777, Decimal(7), Decimal(1)),))
    return replace(
        world, listings=(*world.listings, other), accounts=(euro, *world.accounts[1:])
    )


async def test_another_listing_of_a_named_one_is_another_thing(start: Start) -> None:
    desk = await start(milan(europe()))
    account = await snapshot(desk, EURO, "VWCE@IBIS2/EUR")
    assert {p.symbol for p in account.positions} == {"VWCE@BVME.ETF/EUR"}


async def test_two_listings_may_be_named_side_by_side(start: Start) -> None:
    desk = await start(milan(europe()))
    both = ("VWCE@IBIS2/EUR", "VWCE@BVME.ETF/EUR")
    account = await snapshot(desk, EURO, *both)
    assert set(account.quotes) == set(both)
    assert {p.symbol for p in account.positions} == {"VWCE@BVME.ETF/EUR"}
