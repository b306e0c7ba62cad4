"""Each request and what answers it, field by field where clients count them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.sim.protocol.messages_in import REQUESTS
from rebalancer.sim.world import Holding, Listing
from tests.support.sim_client import SPY_FIELDS, Client, Speaker, errors, names
from tests.support.sim_gateway import AAPL, SPY, small_world


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def client(speaker: Speaker) -> Client:
    return speaker.client()


def test_time_ids_and_accounts(client: Client) -> None:
    assert client.answers("reqCurrentTime")[0].fields == ("1", "1767798000")
    assert client.answers("reqManagedAccts")[0].fields == ("1", "DU1000001,DU1000002")
    first = int(client.answers("reqIds", 1)[0][1])
    assert int(client.answers("reqIds", 1)[0][1]) > first


# Accounts -----------------------------------------------------------------------------------


def test_positions(client: Client) -> None:
    row, end = client.answers("reqPositions")
    assert row.fields == (
        *("3", "DU1000001", str(AAPL), "AAPL", "STK", "", "0.0", "", "", "NASDAQ", "USD"),
        *("AAPL", "NMS", "10", "150"),
    )
    assert end.name == "positionEnd"


def test_positions_follow_fills_until_cancelled(client: Client) -> None:
    client.answers("reqPositions")
    client.place(1, conId=str(AAPL), symbol="AAPL", action="SELL", totalQuantity="10")
    gone = [each for each in client.take() if each.name == "position"]
    assert [(each[2], each[-2]) for each in gone] == [(str(AAPL), "0")]
    client.ask("cancelPositions")
    client.place(2)
    assert "position" not in names(client.take())


def test_positions_of_one_account(client: Client) -> None:
    assert names(client.answers("reqPositionsMulti", 4, "DU1000002", "")) == [
        "positionMultiEnd"
    ]
    row, _ = client.answers("reqPositionsMulti", 5, "DU1000001", "")
    assert row.fields[:3] == ("1", "5", "DU1000001")
    assert row.fields[-3:] == ("10", "150", "")
    assert errors(client.answers("reqPositionsMulti", 6, "DU9", "")) == [("6", 321)]


def test_derivatives_and_fractions_are_shown_as_they_are() -> None:
    world = small_world()
    option = Listing(
        *(728937835, "QQQ", Decimal(20)),
        sec_type="OPT",
        local_symbol="QQQ   270115P00500000",
        expiry="20270115",
        strike="500.0",
        right="P",
        multiplier="100",
    )
    held = replace(
        world.accounts[0],
        holdings=(
            Holding(728937835, Decimal(-3), Decimal("2100.6321")),
            Holding(AAPL, Decimal("0.5"), Decimal(150)),
        ),
    )
    world = replace(world, listings=(*world.listings, option), accounts=(held,))
    short, part, _ = Speaker(world).client().answers("reqPositions")
    assert short.fields[3:] == (
        *("QQQ", "OPT", "20270115", "500.0", "P", "100", "", "USD", "QQQ   270115P00500000"),
        *("QQQ", "-3", "2100.6321"),
    )
    assert part[-2] == "0.5"


def test_account_updates(client: Client) -> None:
    said = client.answers("reqAccountUpdates", 1, "DU1000001")
    order = list(dict.fromkeys(names(said)))
    assert order == [
        *("updateAccountValue", "updatePortfolio", "updateAccountTime", "accountDownloadEnd")
    ]
    held = next(each for each in said if each.name == "updatePortfolio")
    assert held.fields == (
        *("8", str(AAPL), "AAPL", "STK", "", "0.0", "0", "", "NASDAQ", "USD", "AAPL", "NMS"),
        *("10", "200", "2000", "150", "500", "0", "DU1000001"),
    )
    values = {(e[1], e[3]): e[2] for e in said if e.name == "updateAccountValue"}
    assert values["NetLiquidation", "USD"] == "102000.00"
    assert said[-1].fields == ("1", "DU1000001")


def test_account_updates_tell_only_what_changed(client: Client) -> None:
    client.answers("reqAccountUpdates", 1, "")
    client.place(1)
    said = client.take()
    held = [each for each in said if each.name == "updatePortfolio"]
    assert [(each[1], each[12]) for each in held] == [(str(SPY), "10")]
    changed = {each[1] for each in said if each.name == "updateAccountValue"}
    assert "TotalCashValue" in changed
    assert "AccountCode" not in changed
    client.answers("reqAccountUpdates", 0, "")
    client.place(2)
    assert "updatePortfolio" not in names(client.take())


def test_a_sold_position_is_shown_as_zero_once(client: Client) -> None:
    client.answers("reqAccountUpdates", 1, "DU1000001")
    client.place(1, conId=str(AAPL), symbol="AAPL", action="SELL", totalQuantity="10")
    held = [each for each in client.take() if each.name == "updatePortfolio"]
    assert [(each[2], each[12]) for each in held] == [("AAPL", "0")]
    client.place(2)
    held = [each for each in client.take() if each.name == "updatePortfolio"]
    assert [each[2] for each in held] == ["SPY"]


def test_account_updates_are_refreshed_every_three_minutes(speaker: Speaker) -> None:
    client = speaker.client()
    client.answers("reqAccountUpdates", 1, "DU1000001")
    speaker.set_price("AAPL", 210)
    assert client.take() == []
    speaker.pass_time(180)
    held = [each for each in client.take() if each.name == "updatePortfolio"]
    assert [each[13] for each in held] == ["210"]


def test_account_updates_of_several(client: Client) -> None:
    said = client.answers("reqAccountUpdatesMulti", 8, "DU1000002", "", 0)
    assert set(names(said)) == {"accountUpdateMulti", "accountUpdateMultiEnd"}
    assert all(each.fields[:4] == ("1", "8", "DU1000002", "") for each in said[:-1])
    every = client.answers("reqAccountUpdatesMulti", 9, "", "", 0)
    assert {each[2] for each in every[:-1]} == {"DU1000001", "DU1000002"}
    ledger = client.answers("reqAccountUpdatesMulti", 10, "DU1000002", "", 1)
    assert 1 < len(ledger) < len(said)
    assert errors(client.answers("reqAccountUpdatesMulti", 11, "X", "", 0)) == [("11", 321)]


def test_account_summary(client: Client) -> None:
    said = client.answers("reqAccountSummary", 2, "All", "TotalCashValue,NetLiquidation")
    assert [each.fields[2:] for each in said[:-1]] == [
        ("DU1000001", "NetLiquidation", "102000.00", "USD"),
        ("DU1000001", "TotalCashValue", "100000.00", "USD"),
        ("DU1000002", "NetLiquidation", "50000.00", "USD"),
        ("DU1000002", "TotalCashValue", "50000.00", "USD"),
    ]
    assert said[-1] == type(said[-1])("accountSummaryEnd", ("1", "2"))


def test_a_third_account_summary_is_refused(client: Client) -> None:
    for req_id in (1, 2, 2):
        assert errors(client.answers("reqAccountSummary", req_id, "All", "Cushion")) == []
    assert errors(client.answers("reqAccountSummary", 3, "All", "Cushion")) == [("3", 322)]
    client.ask("cancelAccountSummary", 1)
    assert errors(client.answers("reqAccountSummary", 3, "All", "Cushion")) == []


def test_profit_and_loss(speaker: Speaker) -> None:
    client = speaker.client()
    [account] = client.answers("reqPnL", 5, "DU1000001", "")
    assert (account.name, account.fields) == ("pnl", ("5", "0", "500", "0"))
    [single] = client.answers("reqPnLSingle", 6, "DU1000001", "", AAPL)
    assert (single.name, single.fields) == ("pnlSingle", ("6", "10", "0", "500", "0", "2000"))
    speaker.set_price("AAPL", 210)
    speaker.pass_time(1)
    assert [(each.name, each[1], each[2]) for each in client.take()] == [
        ("pnl", "100", "600"),
        ("pnlSingle", "10", "100"),
    ]
    assert client.answers("reqPnLSingle", 8, "DU1000001", "", SPY)[0].fields == (
        *("8", "0", "0", "0", "0", "0"),
    )
    client.ask("cancelPnL", 5)
    client.ask("cancelPnLSingle", 6)
    assert errors(client.answers("reqPnL", 7, "DU9", "")) == [("7", 321)]


# Contracts and prices -----------------------------------------------------------------------


def test_contract_details(client: Client) -> None:
    said = client.answers("reqContractDetails", 8, *SPY_FIELDS, 0, "", "", "")
    assert names(said) == ["contractDetails", "contractDetailsEnd"]
    fields = said[0].fields
    assert fields[:3] == ("8", "SPY", "STK")
    assert fields[11] == str(SPY)
    assert fields[12] == "0.01"
    assert fields[15].startswith("SMART")
    assert fields[18] == "SPDR S&P 500 ETF TRUST"
    assert fields[19] == "ARCA"
    assert fields[24] == "US/Eastern"
    assert "20260107:0000-20260107:2359" in fields[25] or "20260107:" in fields[25]
    assert len(fields) == 39


def test_unknown_and_ambiguous_contracts(client: Client) -> None:
    nothing = (0, "NOPE", "STK", "", "", "", "", "SMART", "", "USD", "", "")
    anything = (0, "", "STK", "", "", "", "", "SMART", "", "USD", "", "")
    assert errors(client.answers("reqContractDetails", 8, *nothing, 0, "", "", "")) == [
        ("8", 200)
    ]
    listed = client.answers("reqContractDetails", 9, *anything, 0, "", "", "")
    assert names(listed).count("contractDetails") == 3
    for req_id, contract in ((10, anything), (11, nothing)):
        said = client.answers("reqMktData", req_id, *contract, 0, "", 0, 0, "")
        assert errors(said) == [(str(req_id), 200)]


def test_market_rules_belong_to_contract_details(client: Client) -> None:
    details = client.answers("reqContractDetails", 8, *SPY_FIELDS, 0, "", "", "")[0]
    rules = set(details.fields[-6].split(","))
    assert rules == {"26"}
    assert client.answers("reqMarketRule", 26)[0].fields == ("26", "1", "0", "0.01")
    assert errors(client.answers("reqMarketRule", 1)) == [("-1", 321)]


def test_matching_symbols(client: Client) -> None:
    [found] = client.answers("reqMatchingSymbols", 10, "aap")
    assert found.fields == (
        *("10", "1", str(AAPL), "AAPL", "STK", "NASDAQ", "USD", "0", "APPLE INC"),
        "",
    )
    assert client.answers("reqMatchingSymbols", 11, "zz")[0].fields == ("11", "0")


def _snapshot(client: Client, req_id: int, *, snapshot: int = 1) -> list[tuple[str, ...]]:
    said = client.answers("reqMktData", req_id, *SPY_FIELDS, 0, "", snapshot, 0, "")
    return [(each.name, *each.fields) for each in said]


def test_a_snapshot(client: Client) -> None:
    said = _snapshot(client, 3)
    assert said[0] == ("marketDataType", "1", "3", "1")
    assert said[1] == ("tickReqParams", "3", "0.01", "9c0001", "3")
    assert ("tickPrice", "6", "3", "1", "500", "10000", "1") in said
    assert said[-1] == ("tickSnapshotEnd", "1", "3")
    assert all(len(each) == 7 for each in said if each[0] == "tickPrice")


def test_streaming_tells_what_changed_until_cancelled(speaker: Speaker) -> None:
    client = speaker.client()
    _snapshot(client, 3, snapshot=0)
    assert errors(client.answers("reqMktData", 3, *SPY_FIELDS, 0, "", 0, 0, "")) == [("3", 322)]
    speaker.set_price("SPY", 501)
    moved = client.take()
    assert {each[2]: each[3] for each in moved if each.name == "tickPrice"}["1"] == "501"
    client.ask("cancelMktData", 3)
    speaker.set_price("SPY", 502)
    assert client.take() == []
    assert errors(client.answers("cancelMktData", 3)) == [("3", 300)]


def test_market_data_types(client: Client) -> None:
    client.ask("reqMarketDataType", 2)
    assert _snapshot(client, 3)[0] == ("marketDataType", "1", "3", "1")
    assert errors(client.answers("reqMarketDataType", 9)) == [("-1", 321)]


@pytest.mark.parametrize(
    ("asked", "code", "kind"), [(1, 10089, None), (3, 10167, "3"), (4, 10167, "3")]
)
def test_without_a_subscription(asked: int, code: int, kind: str | None) -> None:
    world = small_world()
    delayed = tuple(replace(listing, data="delayed") for listing in world.listings)
    client = Speaker(replace(world, listings=delayed)).client()
    client.ask("reqMarketDataType", asked)
    said = client.answers("reqMktData", 3, *SPY_FIELDS, 0, "", 1, 0, "")
    assert errors(said) == [("3", code)]
    if kind is None:
        assert names(said) == ["error"]
    else:
        assert names(said)[:2] == ["error", "marketDataType"]
        assert said[1][2] == kind
        assert {each[2] for each in said if each.name == "tickPrice"} >= {"66", "67", "75"}


def test_history(client: Client) -> None:
    ask = (*SPY_FIELDS, 0, "", "1 hour", "1 D", 1, "TRADES", 1, 0, "")
    [bars] = client.answers("reqHistoricalData", 9, *ask)
    assert bars.name == "historicalData"
    count = int(bars[3])
    assert len(bars.fields) == 4 + 8 * count
    assert bars[4].endswith("US/Eastern")
    unix = (*SPY_FIELDS, 0, "", "1 hour", "1 D", 1, "TRADES", 2, 0, "")
    assert client.answers("reqHistoricalData", 10, *unix)[0][4].isdigit()
    daily = (*SPY_FIELDS, 0, "", "1 day", "5 D", 1, "TRADES", 1, 0, "")
    assert len(client.answers("reqHistoricalData", 11, *daily)[0][4]) == 8
    live = (*SPY_FIELDS, 0, "", "1 hour", "1 D", 1, "TRADES", 1, 1, "")
    assert errors(client.answers("reqHistoricalData", 12, *live)) == [("12", 322)]
    bad = (*SPY_FIELDS, 0, "", "1 fortnight", "1 D", 1, "TRADES", 1, 0, "")
    assert errors(client.answers("reqHistoricalData", 13, *bad)) == [("13", 162)]


@pytest.mark.parametrize("name", ["reqMktData", "reqHistoricalData"])
def test_combinations_are_not_simulated(client: Client, name: str) -> None:
    combination = (0, "SPY", "BAG", *SPY_FIELDS[3:])
    assert errors(client.answers(name, 3, *combination, 0, "", "")) == [("3", 322)]


# The rest -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fields", "answer"),
    [
        ("reqFamilyCodes", (), ("familyCodes", "2", "DU1000001", "", "DU1000002", "")),
        ("reqUserInfo", (4,), ("userInfo", "4", "")),
        ("reqNewsProviders", (), ("newsProviders", "0")),
        ("reqMktDepthExchanges", (), ("mktDepthExchanges", "0")),
        ("reqSmartComponents", (4, "a6"), ("smartComponents", "4", "0")),
        ("reqSoftDollarTiers", (4,), ("softDollarTiers", "4", "0")),
    ],
)
def test_empty_answers(
    client: Client, name: str, fields: tuple[str, ...], answer: tuple[str, ...]
) -> None:
    [said] = client.answers(name, *fields)
    assert (said.name, *said.fields) == answer


def test_whatever_is_not_simulated_is_refused_by_id(client: Client) -> None:
    assert errors(client.answers("reqHistoricalNews", 19, 1, "BRFG", "", "", 10, "")) == [
        ("19", 322)
    ]
    assert errors(client.answers("verifyRequest", "x", "1")) == [("-1", 322)]
    assert errors(client.answers("requestFA", 1)) == [("-1", 321)]


def test_no_request_of_any_number_breaks_the_conversation(speaker: Speaker) -> None:
    for number in range(120):
        client = speaker.client(number + 1)
        client.raw(len(f"{number}\0").to_bytes(4, "big") + f"{number}\0".encode())
        said = client.take()
        quiet = REQUESTS.get(number, ("",))[0].startswith(("cancel", "set", "req", "uns"))
        assert said or quiet
        assert names(client.answers("reqCurrentTime")) == ["currentTime"]
        speaker.hub.close(client.session)
