"""The unmodified official client against the simulator, over TCP, in threads as it wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from ibapi.execution import ExecutionFilter
from ibapi.order_cancel import OrderCancel
from ibapi.tag_value import TagValue

from tests.support.ibapi_app import App, connected, order, stock
from tests.support.sim_gateway import AAPL, DEADLINE, SPY, SimThread, small_world


@pytest.fixture(scope="module")
def shared() -> Iterator[SimThread]:
    """One gateway for the tests that change nothing."""
    with SimThread() as running:
        yield running


@pytest.fixture(scope="module")
def reader(shared: SimThread) -> Iterator[App]:
    """One client for the tests that change nothing."""
    with connected(shared) as app:
        yield app


@pytest.fixture
def gateway() -> Iterator[SimThread]:
    with SimThread() as running:
        yield running


@pytest.fixture
def app(gateway: SimThread) -> Iterator[App]:
    with connected(gateway) as running:
        yield running


def test_connecting(reader: App) -> None:
    assert reader.serverVersion() == 178
    assert reader.told["managedAccounts"][0] == ("DU1000001,DU1000002",)
    assert reader.told["nextValidId"][0] == (1,)
    notices = [args[2] for args in reader.first("error", 3)][:3]
    assert notices == [2104, 2106, 2158]


def test_time_and_ids(reader: App) -> None:
    reader.reqCurrentTime()
    assert abs(reader.first("currentTime")[0][0] - time.time()) < 5
    reader.reqIds(1)
    assert reader.first("nextValidId", 2)[1] == (2,)
    reader.reqManagedAccts()
    assert len(reader.first("managedAccounts", 2)) == 2


def test_positions_of_both_kinds(reader: App) -> None:
    reader.reqPositions()
    reader.first("positionEnd")
    [(account, contract, quantity, cost)] = reader.told["position"]
    assert (account, contract.symbol, quantity, cost) == ("DU1000001", "AAPL", 10, 150.0)
    reader.cancelPositions()
    reader.reqPositionsMulti(21, "DU1000001", "")
    assert reader.first("positionMultiEnd")[0] == (21,)
    assert reader.told["positionMulti"][0][:2] == (21, "DU1000001")
    reader.cancelPositionsMulti(21)


def test_account_values_of_every_kind(reader: App) -> None:
    reader.reqAccountSummary(22, "All", "NetLiquidation,TotalCashValue")
    assert reader.first("accountSummaryEnd")[0] == (22,)
    assert (22, "DU1000002", "NetLiquidation", "50000.00", "USD") in reader.told[
        "accountSummary"
    ]
    reader.cancelAccountSummary(22)
    reader.reqAccountUpdates(True, "DU1000001")
    assert reader.first("accountDownloadEnd")[0] == ("DU1000001",)
    assert reader.told["updateAccountTime"]
    values = {args[0]: args[1] for args in reader.told["updateAccountValue"]}
    assert values["NetLiquidation"] == "102000.00"
    [held] = reader.told["updatePortfolio"]
    assert (held[0].symbol, held[1], held[3], held[7]) == ("AAPL", 10, 2000.0, "DU1000001")
    reader.reqAccountUpdates(False, "DU1000001")
    reader.reqAccountUpdatesMulti(23, "DU1000002", "", False)
    assert reader.first("accountUpdateMultiEnd")[0] == (23,)
    assert all(args[:2] == (23, "DU1000002") for args in reader.told["accountUpdateMulti"])
    reader.cancelAccountUpdatesMulti(23)


def test_contract_details_symbols_and_rules(reader: App) -> None:
    reader.reqContractDetails(24, stock("AAPL"))
    assert reader.first("contractDetailsEnd")[0] == (24,)
    [(_, details)] = reader.told["contractDetails"]
    assert (details.contract.conId, details.contract.exchange) == (AAPL, "SMART")
    assert (details.minTick, details.timeZoneId) == (0.01, "US/Eastern")
    assert details.longName == "APPLE INC"
    assert details.liquidHours
    assert details.sizeIncrement == Decimal("0.0001")
    reader.reqMarketRule(int(details.marketRuleIds.split(",")[0]))
    assert reader.first("marketRule")[0][1][0].increment == 0.01
    reader.reqMatchingSymbols(25, "AA")
    [(_, found)] = reader.first("symbolSamples")
    assert [each.contract.symbol for each in found] == ["AAPL"]
    reader.reqContractDetails(26, stock("NOPE"))
    reader.await_(lambda: (26, 200) in reader.codes)


def test_market_data(reader: App) -> None:
    reader.reqMarketDataType(1)
    reader.reqMktData(27, stock(), "", True, False, [])
    assert reader.first("tickSnapshotEnd")[0] == (27,)
    assert reader.told["marketDataType"][0] == (27, 1)
    assert reader.told["tickReqParams"][0][:2] == (27, 0.01)
    prices = {args[1]: args[2] for args in reader.told["tickPrice"] if args[0] == 27}
    assert (prices[1], prices[2], prices[9]) == (500.0, 500.01, 500.0)
    assert (27, 0, Decimal(10000)) in reader.told["tickSize"]
    reader.reqMktData(28, stock(), "", False, False, [])
    reader.await_(lambda: any(args[0] == 28 for args in reader.told["tickPrice"]))
    reader.cancelMktData(28)


def test_history(reader: App) -> None:
    reader.reqHistoricalData(29, stock(), "", "1 D", "1 hour", "TRADES", 1, 1, False, [])
    [(_, start, end)] = reader.first("historicalDataEnd")
    bars = [args[1] for args in reader.told["historicalData"]]
    assert len(bars) > 5
    assert (bars[0].date, bars[-1].date) == (start, end)
    assert all(bar.low <= bar.open <= bar.high and bar.barCount >= 0 for bar in bars)


def test_profit_and_loss(reader: App) -> None:
    reader.reqPnL(30, "DU1000001", "")
    assert reader.first("pnl")[0] == (30, 0.0, 500.0, 0.0)
    reader.reqPnLSingle(31, "DU1000001", "", AAPL)
    assert reader.first("pnlSingle")[0] == (31, 10, 0.0, 500.0, 0.0, 2000.0)
    reader.cancelPnL(30)
    reader.cancelPnLSingle(31)


def test_empty_answers_and_refusals(reader: App) -> None:
    reader.reqNewsProviders()
    assert reader.first("newsProviders")[0] == ([],)
    reader.reqFamilyCodes()
    assert len(reader.first("familyCodes")[0][0]) == 2
    reader.reqUserInfo(32)
    assert reader.first("userInfo")[0] == (32, "")
    reader.reqSmartComponents(33, "a6")
    assert reader.first("smartComponents")
    reader.reqSoftDollarTiers(34)
    assert reader.first("softDollarTiers")[0] == (34, [])
    reader.reqMktDepthExchanges()
    assert reader.first("mktDepthExchanges")
    reader.reqScannerParameters()
    assert reader.first("scannerParameters")
    reader.reqHeadTimeStamp(35, stock(), "TRADES", 1, 1)
    reader.reqHistoricalNews(36, SPY, "BRFG", "", "", 10, [])
    reader.reqRealTimeBars(37, stock(), 5, "TRADES", True, [])
    reader.reqMktDepth(38, stock(), 5, False, [])
    reader.reqTickByTickData(39, stock(), "Last", 0, False)
    reader.reqSecDefOptParams(40, "SPY", "", "STK", SPY)
    wanted = {(req_id, 322) for req_id in range(35, 41)}
    reader.await_(lambda: wanted <= set(reader.codes))


# Orders ---------------------------------------------------------------------------------------


def test_an_order_from_placing_to_commission(app: App) -> None:
    app.placeOrder(1, stock(), order(orderRef="rb:1:1:SPY"))
    [(report,)] = app.first("commissionAndFeesReport")
    [(req_id, contract, execution)] = app.told["execDetails"]
    assert (req_id, contract.symbol, execution.shares) == (-1, "SPY", 10)
    assert (execution.price, execution.orderRef) == (500.01, "rb:1:1:SPY")
    assert execution.time.endswith("US/Eastern")
    assert (report.execId, report.commissionAndFees) == (execution.execId, 1.0)
    assert [args[1] for args in app.told["orderStatus"]] == ["PreSubmitted", "Filled"]
    order_id, _, shown, state = app.told["openOrder"][0]
    assert (order_id, shown.orderRef, shown.account) == (1, "rb:1:1:SPY", "DU1000001")
    assert (shown.deltaNeutralOrderType, state.status) == ("None", "PreSubmitted")
    assert shown.clearingIntent == "IB"


def test_adaptive_orders_come_back_whole(app: App) -> None:
    adaptive = order(
        algoStrategy="Adaptive", algoParams=[TagValue("adaptivePriority", "Normal")]
    )
    app.placeOrder(1, stock(), adaptive)
    app.first("commissionAndFeesReport")
    shown = app.told["openOrder"][0][2]
    assert (shown.algoStrategy, shown.algoParams[0].value) == ("Adaptive", "Normal")


def test_resting_modified_cancelled(app: App) -> None:
    limit = order(orderType="LMT", lmtPrice=450.0)
    app.placeOrder(1, stock(), limit)
    app.await_(lambda: any(args[1] == "Submitted" for args in app.told["orderStatus"]))
    limit.lmtPrice = 455.0
    app.placeOrder(1, stock(), limit)
    app.await_(lambda: any(args[2].lmtPrice == 455.0 for args in app.told["openOrder"]))
    app.reqOpenOrders()
    app.first("openOrderEnd")
    app.cancelOrder(1, OrderCancel())
    app.await_(lambda: (1, 202) in app.codes)
    assert app.told["orderStatus"][-1][1] == "Cancelled"


def test_global_cancel_completed_and_executions(app: App, gateway: SimThread) -> None:
    app.placeOrder(1, stock(), order(orderRef="done"))
    app.first("commissionAndFeesReport")
    for order_id in (2, 3):
        app.placeOrder(order_id, stock(), order(orderType="LMT", lmtPrice=450.0))
    with connected(gateway, 8) as other:
        other.reqAllOpenOrders()
        other.first("openOrderEnd")
        assert {args[0] for args in other.told["openOrder"]} == {2, 3}
        other.reqGlobalCancel(OrderCancel())
        app.await_(lambda: {(2, 202), (3, 202)} <= set(app.codes))
        other.reqCompletedOrders(True)
        other.first("completedOrdersEnd")
        done = [(args[1].orderRef, args[2].status) for args in other.told["completedOrder"]]
        assert done == [("done", "Filled"), ("", "Cancelled"), ("", "Cancelled")]
        other.reqExecutions(5, ExecutionFilter())
        assert other.first("execDetailsEnd")[0] == (5,)
        assert [args[2].clientId for args in other.told["execDetails"]] == [7]
        assert len(other.told["commissionAndFeesReport"]) == 1


def test_what_if(app: App) -> None:
    app.placeOrder(1, stock(), order(whatIf=True))
    [(_, _, shown, state)] = app.first("openOrder")
    assert shown.whatIf
    assert (state.commissionAndFees, state.commissionAndFeesCurrency) == (1.0, "USD")
    assert float(state.initMarginChange) > 0


def test_the_wrong_account_and_the_wrong_type(app: App) -> None:
    app.placeOrder(1, stock(), order(account="DU9"))
    app.placeOrder(2, stock(), order(orderType="FEELINGS"))
    app.await_(lambda: {(1, 321), (2, 321)} <= set(app.codes))


def test_binding_is_for_client_0(app: App, gateway: SimThread) -> None:
    app.reqAutoOpenOrders(True)
    app.await_(lambda: (-1, 321) in app.codes)
    app.placeOrder(1, stock(), order(orderType="LMT", lmtPrice=450.0))
    app.await_(lambda: any(args[1] == "Submitted" for args in app.told["orderStatus"]))
    with connected(gateway, 0) as master:
        master.reqAutoOpenOrders(True)
        master.reqAllOpenOrders()
        master.first("openOrderEnd")
        master.cancelOrder(1, OrderCancel())
        master.await_(lambda: (1, 202) in master.codes)
        assert master.told["orderStatus"][-1][8] == 0
        app.await_(lambda: (1, 202) in app.codes)


def test_pace_api_is_paced_and_not_scolded(gateway: SimThread) -> None:
    with connected(gateway, 9, options="+PACEAPI") as app:
        for _ in range(60):
            app.reqCurrentTime()
        app.first("currentTime", 60)
        assert app.codes == []


def test_a_client_id_in_use(app: App, gateway: SimThread) -> None:
    second = App()
    second.connect("127.0.0.1", gateway.port, 7)
    loop = threading.Thread(target=second.run)
    loop.start()
    second.first("connectionClosed")
    second.await_(lambda: (-1, 326) in second.codes)
    second.disconnect()
    loop.join(DEADLINE)
    app.reqCurrentTime()
    app.first("currentTime")


def test_delayed_data() -> None:
    world = small_world()
    listings = tuple(replace(listing, data="delayed") for listing in world.listings)
    with SimThread(replace(world, listings=listings)) as gateway, connected(gateway) as app:
        app.reqMarketDataType(3)
        app.reqMktData(1, stock(), "", True, False, [])
        app.first("tickSnapshotEnd")
        assert app.codes == [(1, 10167)]
        assert app.told["marketDataType"] == [(1, 3)]
        assert {args[1]: args[2] for args in app.told["tickPrice"]}[66] == 500.0
