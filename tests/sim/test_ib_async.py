"""Unmodified ib_async against the simulator, over TCP."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import ib_async
import pytest

from rebalancer.sim.server import SimServer
from rebalancer.sim.vocabulary import Fault
from tests.support.sim_gateway import AAPL, BND, SPY, sim_gateway, small_world, until


@pytest.fixture
async def server() -> AsyncIterator[SimServer]:
    async with sim_gateway() as running:
        yield running


@asynccontextmanager
async def _client(server: SimServer, client_id: int = 7) -> AsyncIterator[ib_async.IB]:
    client = ib_async.IB()
    client.RequestTimeout = 5
    await client.connectAsync(
        "127.0.0.1", server.port, clientId=client_id, timeout=5, raiseSyncErrors=True
    )
    try:
        yield client
    finally:
        client.disconnect()
        await until(lambda: server.hub.holder(client_id) is None)


@pytest.fixture
async def ib(server: SimServer) -> AsyncIterator[ib_async.IB]:
    async with _client(server) as client:
        yield client


async def test_start_up_brings_accounts_positions_and_values(ib: ib_async.IB) -> None:
    assert ib.managedAccounts() == ["DU1000001", "DU1000002"]
    assert [(p.account, p.contract.symbol, p.position) for p in ib.positions()] == [
        ("DU1000001", "AAPL", 10.0)
    ]
    liquidation = {
        value.account: value.value
        for value in ib.accountValues()
        if value.tag == "NetLiquidation"
    }
    assert liquidation == {"DU1000001": "102000.00", "DU1000002": "50000.00"}


def spy() -> ib_async.Stock:
    return ib_async.Stock("SPY", "SMART", "USD", conId=SPY)


def order(action: str, quantity: float, **fields: Any) -> ib_async.Order:
    known = {"orderType": "MKT", "tif": "DAY", "account": "DU1000001"}
    return ib_async.Order(action=action, totalQuantity=quantity, **{**known, **fields})


async def test_time(ib: ib_async.IB, server: SimServer) -> None:
    assert abs((await ib.reqCurrentTimeAsync()).timestamp() - server.now()) < 5


async def test_summary_and_updates_of_both_kinds(ib: ib_async.IB) -> None:
    summary = await ib.accountSummaryAsync()
    assert {row.account for row in summary} >= {"DU1000001", "DU1000002"}
    await ib.reqAccountUpdatesAsync("DU1000001")
    assert [(item.contract.symbol, item.marketValue) for item in ib.portfolio("DU1000001")] == [
        ("AAPL", 2000.0)
    ]
    await ib.reqAccountUpdatesMultiAsync("DU1000002")
    values = ib.accountValues("DU1000002")
    assert any(row.tag == "TotalCashValue" and row.value == "50000.00" for row in values)


async def test_contract_details(ib: ib_async.IB) -> None:
    [details] = await ib.reqContractDetailsAsync(ib_async.Stock("AAPL", "SMART", "USD"))
    assert details.contract is not None
    assert (details.contract.conId, details.contract.primaryExchange) == (AAPL, "NASDAQ")
    assert (details.minTick, details.timeZoneId) == (0.01, "US/Eastern")
    assert (details.longName, details.stockType) == ("APPLE INC", "COMMON")
    assert ";" in details.liquidHours
    assert details.tradingHours
    [rule] = await ib.reqMarketRuleAsync(int(details.marketRuleIds.split(",")[0])) or []
    assert (rule.lowEdge, rule.increment) == (0.0, 0.01)
    contract = ib_async.Stock("BND", "SMART", "USD")
    assert await ib.qualifyContractsAsync(contract) == [contract]
    assert contract.conId == BND


async def test_unknown_contract_and_matching_symbols(ib: ib_async.IB) -> None:
    assert await ib.reqContractDetailsAsync(ib_async.Stock("NOPE", "SMART", "USD")) == []
    found = await ib.reqMatchingSymbolsAsync("AAP") or []
    assert [each.contract.symbol for each in found if each.contract] == ["AAPL"]


async def test_snapshot_and_stream(ib: ib_async.IB, server: SimServer) -> None:
    [ticker] = await ib.reqTickersAsync(spy())
    assert (ticker.bid, ticker.ask, ticker.close) == (500.0, 500.01, 500.0)
    assert (ticker.bidSize, ticker.marketDataType) == (10000.0, 1)
    stream = ib.reqMktData(spy())
    await until(lambda: stream.bid == 500.0)
    server.tell(server.exchange.set_price("SPY", Decimal(505), server.now()))
    await until(lambda: stream.bid == 505.0)
    ib.cancelMktData(spy())


async def test_delayed_data_comes_with_its_notice() -> None:
    world = small_world()
    listings = tuple(replace(listing, data="delayed") for listing in world.listings)
    async with sim_gateway(replace(world, listings=listings)) as server, _client(server) as ib:
        codes: list[int] = []
        ib.errorEvent += lambda _, code, *__: codes.append(code)
        ib.reqMarketDataType(3)
        [ticker] = await ib.reqTickersAsync(spy())
        assert codes == [10167]
        assert (ticker.marketDataType, ticker.bid) == (3, 500.0)


@pytest.mark.parametrize(
    ("kind", "price"), [("price_nan", math.nan), ("price_minus_one", -1.0)]
)
async def test_prices_that_are_none(server: SimServer, kind: str, price: float) -> None:
    async with _client(server) as ib:
        server.inject(Fault(kind, "+0", 1, (("symbol", "SPY"),)))
        ticker = ib.reqMktData(spy())
        await until(lambda: ticker.ticks)
        assert str(ticker.last) == str(price)


async def test_an_order_from_placing_to_commission(ib: ib_async.IB) -> None:
    trade = ib.placeOrder(spy(), order("BUY", 10, orderRef="rb:1:1:SPY"))
    await until(lambda: trade.fills and trade.fills[0].commissionReport.execId)
    assert [entry.status for entry in trade.log] == [
        *("PendingSubmit", "PreSubmitted", "PreSubmitted", "Filled")
    ]
    [fill] = trade.fills
    assert (fill.execution.shares, fill.execution.price) == (10.0, 500.01)
    assert fill.execution.orderRef == "rb:1:1:SPY"
    assert fill.commissionReport.commission == 1.0
    assert trade.order.permId == fill.execution.permId
    await until(lambda: len(ib.positions("DU1000001")) == 2)


async def test_resting_modified_cancelled(ib: ib_async.IB) -> None:
    trade = ib.placeOrder(spy(), order("BUY", 10, orderType="LMT", lmtPrice=450.0))
    await until(lambda: trade.orderStatus.status == "Submitted")
    trade.order.lmtPrice = 455.0
    ib.placeOrder(spy(), trade.order)
    shown = []
    ib.openOrderEvent += lambda changed: shown.append(changed.order.lmtPrice)
    await until(lambda: 455.0 in shown)
    ib.cancelOrder(trade.order)
    await until(lambda: trade.orderStatus.status == "Cancelled")
    assert trade.log[-1].errorCode == 202 or "202" in str(trade.log)


async def test_global_cancel(ib: ib_async.IB) -> None:
    trades = [
        ib.placeOrder(spy(), order("BUY", 1, orderType="LMT", lmtPrice=price))
        for price in (450.0, 451.0)
    ]
    await until(lambda: all(t.orderStatus.status == "Submitted" for t in trades))
    ib.reqGlobalCancel()
    await until(lambda: all(t.orderStatus.status == "Cancelled" for t in trades))


async def test_what_if(ib: ib_async.IB) -> None:
    state = await ib.whatIfOrderAsync(spy(), order("BUY", 10))
    assert float(state.initMarginChange) > 0
    assert (state.commission, state.commissionCurrency) == (1.0, "USD")


async def test_open_all_and_completed_orders(ib: ib_async.IB, server: SimServer) -> None:
    done = ib.placeOrder(spy(), order("BUY", 1, orderRef="done"))
    resting = ib.placeOrder(spy(), order("BUY", 1, orderType="LMT", lmtPrice=450.0))
    await until(done.isDone)
    async with _client(server, 8) as other:
        assert await other.reqOpenOrdersAsync() == []
        [seen] = await other.reqAllOpenOrdersAsync()
        assert (seen.order.permId, seen.order.clientId) == (resting.order.permId, 7)
        completed = await other.reqCompletedOrdersAsync(apiOnly=True)
        assert [trade.order.orderRef for trade in completed] == ["done"]
        [fill] = await other.reqExecutionsAsync()
        assert fill.execution.clientId == 7


async def test_client_0_binds_what_it_cancels(ib: ib_async.IB, server: SimServer) -> None:
    resting = ib.placeOrder(spy(), order("BUY", 1, orderType="LMT", lmtPrice=450.0))
    await until(lambda: resting.orderStatus.status == "Submitted")
    async with _client(server, 0) as master:
        [seen] = await master.reqAllOpenOrdersAsync()
        master.cancelOrder(seen.order)
        await until(lambda: resting.orderStatus.status == "Cancelled")


async def test_fills_while_away_are_found_again(server: SimServer) -> None:
    async with _client(server) as ib:
        trade = ib.placeOrder(
            spy(), order("BUY", 5, orderType="LMT", lmtPrice=450.0, orderRef="kept")
        )
        await until(lambda: trade.orderStatus.status == "Submitted")
    server.tell(server.exchange.set_price("SPY", Decimal(440), server.now()))
    async with _client(server) as ib:
        assert [fill.execution.orderRef for fill in ib.fills()] == ["kept"]
        assert {p.contract.symbol for p in ib.positions()} == {"AAPL", "SPY"}


async def test_profit_and_loss(ib: ib_async.IB, server: SimServer) -> None:
    account = ib.reqPnL("DU1000001")
    single = ib.reqPnLSingle("DU1000001", "", AAPL)
    await until(lambda: account.unrealizedPnL == 500.0 and single.position == 10.0)
    server.tell(server.exchange.set_price("AAPL", Decimal(210), server.now()))
    await until(lambda: account.dailyPnL == 100.0 and single.dailyPnL == 100.0)
    assert single.value == 2100.0


async def test_history(ib: ib_async.IB) -> None:
    bars = await ib.reqHistoricalDataAsync(spy(), "", "2 D", "1 hour", "TRADES", useRTH=True)
    assert len(bars) > 10
    assert all(bar.low <= bar.close <= bar.high and bar.volume > 0 for bar in bars)
    daily = await ib.reqHistoricalDataAsync(spy(), "", "5 D", "1 day", "TRADES", useRTH=True)
    assert isinstance(daily[0].date, date)


async def test_what_is_not_simulated_fails_at_once(ib: ib_async.IB) -> None:
    ib.RaiseRequestErrors = True
    with pytest.raises(ib_async.RequestError) as refused:
        await ib.reqHeadTimeStampAsync(spy(), "TRADES", useRTH=True, formatDate=1)
    assert refused.value.code == 322
    assert await ib.reqNewsProvidersAsync() == []


async def test_a_second_client_of_the_same_id_gets_326(
    ib: ib_async.IB, server: SimServer
) -> None:
    codes: list[int] = []
    second = ib_async.IB()
    second.errorEvent += lambda _, code, *__: codes.append(code)
    connecting = asyncio.create_task(
        second.connectAsync("127.0.0.1", server.port, clientId=7, timeout=10)
    )
    await until(lambda: codes)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    assert codes == [326]
    assert len(await ib.reqPositionsAsync()) == 1


async def test_forty_orders_at_once_all_fill(ib: ib_async.IB) -> None:
    trades = [ib.placeOrder(spy(), order("BUY", 1, orderRef=str(n))) for n in range(40)]
    await until(lambda: all(trade.fills for trade in trades))
    assert {trade.orderStatus.status for trade in trades} == {"Filled"}


async def test_no_field_was_misread(ib: ib_async.IB, caplog: pytest.LogCaptureFixture) -> None:
    trade = ib.placeOrder(spy(), order("BUY", 1, algoStrategy="Adaptive"))
    await until(trade.isDone)
    await ib.reqCompletedOrdersAsync(apiOnly=False)
    assert "Error" not in caplog.text
