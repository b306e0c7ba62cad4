"""What recorded gateways said, and that the simulator says the same.

The sources are named in recordings.py.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.sim.protocol.layouts import COMPLETED_ORDER, DEFAULTS, OPEN_ORDER
from rebalancer.sim.protocol.wire import split
from rebalancer.sim.world import AccountSpec, Clock, Holding, Listing
from tests.sim.recordings import (
    AAPL,
    AAPL_FIELDS,
    ONE_STEP,
    RECORDINGS,
    Recording,
    apple_world,
    limit,
    place,
    short,
)
from tests.support.sim_client import Client, Said, Speaker, names

_STATUS = OPEN_ORDER.index("status")


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda each: each.source)
def test_the_same_requests_get_the_same_sequence(recording: Recording) -> None:
    speaker = Speaker(recording.world)
    client = speaker.client(recording.client_id)
    assert [short(each) for each in client.greeting] == [
        *("managedAccounts", "nextValidId", "error 2104", "error 2106", "error 2158")
    ]
    for request, expected in recording.steps:
        request(client)
        said = [short(each) for each in client.take()]
        kept = [each for each in said if each not in recording.leaves_out]
        if recording.source.endswith("quote_delayed_data.txt"):
            # The recording holds four of the ticks, and the end.
            assert kept[: len(expected)] == expected
            assert not expected or kept[-1] == "tickSnapshotEnd"
        else:
            assert kept == expected
        speaker.pass_time(1)


# Values ---------------------------------------------------------------------------------------


@pytest.fixture
def client() -> Client:
    return Speaker(apple_world()).client()


def test_notices_at_the_start(client: Client) -> None:
    """ibkr-go grounded_bootstrap.txt."""
    assert [each[3] for each in client.greeting if each.name == "error"] == [
        "Market data farm connection is OK:usfarm",
        "HMDS data farm connection is OK:ushmds",
        "Sec-def data farm connection is OK:secdefnj",
    ]


def test_ids_grow_with_every_question(client: Client) -> None:
    """ibkr-go req_ids.txt: announced 1, then asked: 2."""
    assert client.greeting[1].fields == ("1", "1")
    assert client.answers("reqIds", 1) == [Said("nextValidId", ("1", "2"))]


def test_what_apple_is(client: Client) -> None:
    """ibkr-go grounded_contract_details_aapl.txt."""
    fields = client.answers("reqContractDetails", 5, *AAPL_FIELDS, 0, "", "", "")[0].fields
    assert fields[1:3] == ("AAPL", "STK")
    assert fields[6:13] == ("SMART", "USD", "AAPL", "NMS", "NMS", "265598", "0.01")
    assert fields[18:20] == ("APPLE INC", "NASDAQ")
    assert fields[24] == "US/Eastern"


def test_positions_by_kind_of_contract() -> None:
    """ibkr-go grounded_positions.txt and, to the byte, rust-ibapi tws_interactions.yaml."""
    listings = (
        apple_world().listings[0],
        Listing(
            637533641,
            "ES",
            Decimal(6000),
            *("", "FUT"),
            local_symbol="ESU5",
            trading_class="ES",
            expiry="20250919",
            multiplier="50",
        ),
        Listing(
            728937835,
            "QQQ",
            Decimal(20),
            *("", "OPT"),
            local_symbol="QQQ   270115P00500000",
            trading_class="QQQ",
            expiry="20270115",
            strike="500.0",
            right="P",
            multiplier="100",
        ),
    )
    holdings = (
        Holding(AAPL, Decimal(-110), Decimal("201.8829709")),
        Holding(637533641, Decimal(1), Decimal("315114.75")),
        Holding(728937835, Decimal(-3), Decimal("2100.6321")),
    )
    account = AccountSpec("ACCOUNT_ID", cash={"USD": Decimal(100_000)}, holdings=holdings)
    client = Speaker(apple_world(listings=listings, accounts=(account,))).client()
    client.ask("reqPositions")
    data = client.take_bytes()
    rows = []
    while data:
        size = int.from_bytes(data[:4], "big")
        rows.append(data[4 : 4 + size])
        data = data[4 + size :]
    apple, future, option, end = rows
    assert apple == (
        b"61\x003\0ACCOUNT_ID\x00265598\0AAPL\0STK\0\x000.0\0\0\0NASDAQ\0USD\0AAPL\0NMS\0"
        b"-110\x00201.8829709\0"
    )
    assert future == (
        b"61\x003\0ACCOUNT_ID\x00637533641\0ES\0FUT\x0020250919\x000.0\0\x0050\0\0USD\0ESU5\0"
        b"ES\x001\x00315114.75\0"
    )
    assert split(option)[5:14] == [
        *("OPT", "20270115", "500.0", "P", "100", "", "USD", "QQQ   270115P00500000", "QQQ")
    ]
    assert end == b"62\x001\0"


def test_summary_rows_to_the_byte() -> None:
    """rust-ibapi tws_interactions.yaml: account_summary."""
    account = AccountSpec("ACCOUNT_ID", cash={"USD": Decimal("269339.33")})
    client = Speaker(apple_world(accounts=(account,))).client()
    client.ask(
        "reqAccountSummary", 9000, "All", "NetLiquidation,TotalCashValue,GrossPositionValue"
    )
    data = client.take_bytes()
    assert b"63\x001\x009000\0ACCOUNT_ID\0TotalCashValue\x00269339.33\0USD\0" in data
    assert data.index(b"GrossPositionValue") < data.index(b"NetLiquidation")
    assert data.endswith(b"64\x001\x009000\0")


def test_time_and_accounts_to_the_byte(client: Client) -> None:
    """rust-ibapi tws_interactions.yaml: server_time and managed_accounts."""
    client.ask("reqCurrentTime")
    assert client.take_bytes() == b"\0\0\0\x10" + b"49\x001\x001767798000\0"
    client.ask("reqManagedAccts")
    assert client.take_bytes()[4:] == b"15\x001\0DU9000001\0"


def test_a_fill_in_numbers() -> None:
    """ibkr-go place_order_fill_native_execution_time.txt."""
    client = Speaker(apple_world("257.94")).client(94)
    place(1, totalQuantity="1")(client)
    said = client.take()
    opened = [each[_STATUS] for each in said if each.name == "openOrder"]
    assert opened == ["PreSubmitted", "Filled"]
    fill = next(each for each in said if each.name == "execDetails")
    assert (fill[0], fill[16], fill[17], fill[18], fill[19]) == (
        *("-1", fill[16], "BOT", "1", "257.95"),
    )
    date, clock, zone = fill[14].split()
    assert (len(date), len(clock), zone) == (8, 8, "US/Eastern")
    first, second, part, revision = fill[13].split(".")
    assert (len(first), len(second), part, revision) == (8, 8, "01", "01")
    commission = said[-1]
    assert commission.fields[1:5] == (fill[13], "1", "USD", "1.7976931348623157E308")


def test_a_refused_order_type_in_words(client: Client) -> None:
    """ibkr-go place_order_invalid_type_live_error.txt."""
    place(40, orderType="FEELINGS")(client)
    [said] = client.take()
    assert (said[1], said[2]) == ("40", "321")
    assert said[3].endswith("cause - Invalid order type was entered")


def test_a_cancel_in_words(client: Client) -> None:
    """ibkr-go api_order_rest_cancel_aapl.txt."""
    limit(1, "10")(client)
    client.take()
    said = client.answers("cancelOrder", 1, "")[-1]
    assert said.fields == ("2", "1", "202", "Order Canceled - reason:", "")


def test_client_0_sees_and_cancels_another_clients_order() -> None:
    """ibkr-go api_client_id0_order_observation_aapl.txt."""
    speaker = Speaker(apple_world(habits=ONE_STEP))
    owner = speaker.client(1)
    limit(295, "13.27", tif="GTC")(owner)
    assert [short(each) for each in owner.take()] == [
        *("openOrder", "orderStatus Submitted 0/10 client 1")
    ]
    speaker.hub.close(owner.session)
    master = speaker.client(0)
    seen = master.answers("reqAllOpenOrders")
    # The recording has no orderStatus between the two.
    assert names(seen) == ["openOrder", "orderStatus", "openOrderEnd"]
    order = dict(zip(OPEN_ORDER, seen[0].fields, strict=True))
    assert (order["orderId"], order["clientId"], order["status"]) == ("295", "1", "Submitted")
    assert [short(each) for each in master.answers("cancelOrder", 295, "")] == [
        *("orderStatus Cancelled 0/10 client 0", "error 202")
    ]


def test_hourly_bars_of_a_day() -> None:
    """ibkr-go grounded_historical_bars.txt: asked on a Sunday after Good Friday."""
    world = apple_world()
    speaker = Speaker(replace(world, clock=Clock()))
    speaker.pass_time(1775425856 - speaker.now)
    client = speaker.client()
    [bars] = client.answers(
        "reqHistoricalData", 5, *AAPL_FIELDS, 0, "", "1 hour", "1 D", 1, "TRADES", 1, 0, ""
    )
    times = bars.fields[4::8]
    assert times == (
        "20260402 09:30:00 US/Eastern",
        *(f"20260402 {hour}:00:00 US/Eastern" for hour in range(10, 16)),
    )


def test_a_completed_order_stands_as_recorded() -> None:
    """ibkr-go completed_orders_cancelled_system_live.txt, the frame's fields 1 to 99."""
    recorded = _row(
        "265598|AAPL|STK||0|?||SMART|USD|AAPL|NMS|SELL|1|LMT|500.0|0.0|GTC|1001|DU12345||0||"
        "1002|0|0|0|||||||0|||0||-1||||||2147483647|0|0||3|0||0|None||0|0|0||0|0||||0|0|0|"
        "2147483647|2147483647||||IB|0|0||0|Cancelled|0|0|0|1.7976931348623157E308|"
        "1.7976931348623157E308|0|1|0|20260930 22:00:00 Central European Standard Time|0|"
        "2147483647|0|Not an insider or substantial shareholder|0|0|1001|"
        "20260411 22:18:53 US/Eastern|Cancelled by System:\n|||||"
    )
    assert len(recorded) == len(COMPLETED_ORDER)
    speaker = Speaker(apple_world())
    client = speaker.client()
    limit(7, "500.0", action="SELL", totalQuantity="1", tif="GTC", openClose="")(client)
    client.answers("cancelOrder", 7, "")
    said = client.answers("reqCompletedOrders", 1)[0]
    differing = {
        name
        for name, theirs, ours in zip(COMPLETED_ORDER, recorded, said.fields, strict=True)
        if theirs != ours and not (theirs and ours and _number(theirs) == _number(ours))
    }
    # Who, when and why; and the last day of a GTC order.
    assert differing == {
        *("account", "permId", "ocaGroup", "parentPermId", "completedTime"),
        *("completedStatus", "autoCancelDate"),
    }


def _row(fields: str) -> list[str]:
    return fields.split("|")


def _number(field: str) -> float | str:
    try:
        return float(field)
    except ValueError:
        return field


def test_every_place_of_an_order_message_has_a_meaning() -> None:
    assert len(set(OPEN_ORDER)) == len(OPEN_ORDER)
    assert len(set(COMPLETED_ORDER)) == len(COMPLETED_ORDER)
    assert DEFAULTS.keys() <= {*OPEN_ORDER, *COMPLETED_ORDER}
