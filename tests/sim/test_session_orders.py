"""Who hears what of an order; how requests and reports travel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rebalancer.sim.protocol.layouts import COMPLETED_ORDER, OPEN_ORDER
from tests.support.sim_client import Said, Speaker, errors, names
from tests.support.sim_gateway import small_world

_RESTING: dict[str, Any] = {"orderType": "LMT", "lmtPrice": "450"}


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


def _named(said: Said, layout: tuple[str, ...]) -> dict[str, str]:
    assert len(said.fields) == len(layout)
    return dict(zip(layout, said.fields, strict=True))


def test_a_market_order_fills(speaker: Speaker) -> None:
    client = speaker.client(5)
    client.place(1, orderRef="rb:1")
    said = client.take()
    assert names(said) == [
        *("openOrder", "orderStatus", "execDetails", "openOrder", "orderStatus"),
        "commissionReport",
    ]
    order = _named(said[0], OPEN_ORDER)
    assert (order["orderId"], order["clientId"], order["orderRef"]) == ("1", "5", "rb:1")
    assert (order["status"], order["lmtPrice"], order["deltaNeutralOrderType"]) == (
        *("PreSubmitted", "0"),
        "None",
    )
    fill = said[2]
    assert fill[0] == "-1"
    assert len(fill.fields) == 31
    assert fill[14] == "20260107 10:00:00 US/Eastern"
    assert said[4].fields[:5] == ("1", "Filled", "10", "0", "500.01")
    commission = said[5]
    assert commission.fields == (
        *("1", fill[13], "1", "USD", "1.7976931348623157E308", "1.7976931348623157E308", ""),
    )


def test_what_a_client_set_is_shown_again(speaker: Speaker) -> None:
    client = speaker.client(5)
    client.place(
        1,
        **_RESTING,
        tif="GTC",
        outsideRth="1",
        ocaGroup="g",
        displaySize="5",
        discretionaryAmt="0.05",
        algoStrategy="Adaptive\x001\0adaptivePriority\0Normal",
    )
    said = client.take()[0]
    at = OPEN_ORDER.index("algoStrategy")
    assert said.fields[at : at + 4] == ("Adaptive", "1", "adaptivePriority", "Normal")
    order = _named(Said(said.name, said.fields[: at + 1] + said.fields[at + 4 :]), OPEN_ORDER)
    shown = {
        "tif": "GTC",
        "outsideRth": "1",
        "ocaGroup": "g",
        "displaySize": "5",
        "discretionaryAmt": "0.05",
        "openClose": "O",
        "lmtPrice": "450",
    }
    assert {name: order[name] for name in shown} == shown


def test_nonsense_in_echoed_fields_never_reaches_another_client(speaker: Speaker) -> None:
    client, other = speaker.client(5), speaker.client(6)
    client.place(1, **_RESTING, displaySize="many")
    assert errors(client.take()) == [("1", 320)]
    assert names(other.answers("reqAllOpenOrders")) == ["openOrderEnd"]


def test_scale_hedge_and_delta_neutral_fields_are_passed_over(speaker: Speaker) -> None:
    client = speaker.client(5)
    client.place(
        1,
        **_RESTING,
        whatIf="1",
        deltaNeutralOrderType="LMT",
        deltaNeutralAuxPrice="1" + "\0x" * 8,
        scalePriceIncrement="0.1" + "\0" * 7,
        hedgeType="D\0x",
        deltaNeutral="1" + "\x001" * 3,
    )
    assert names(client.take()) == ["openOrder"]


@pytest.mark.parametrize(
    "fields", [{"secType": "BAG"}, {"orderType": "PEG MID"}, {"nConditions": "1"}]
)
def test_orders_that_are_not_simulated_are_refused(
    speaker: Speaker, fields: dict[str, Any]
) -> None:
    client = speaker.client(5)
    client.place(1, **fields)
    assert errors(client.take()) == [("1", 322)]


def test_reports_go_to_the_owner_alone(speaker: Speaker) -> None:
    owner, other = speaker.client(5), speaker.client(6)
    owner.place(1)
    assert other.take() == []
    other.place(1, **_RESTING)
    assert names(owner.take()).count("execDetails") == 1
    assert "Submitted" in [each[1] for each in other.take() if each.name == "orderStatus"]
    assert owner.take() == []


def test_any_client_can_list_every_open_order(speaker: Speaker) -> None:
    owner, other = speaker.client(5), speaker.client(6)
    owner.place(1, **_RESTING)
    assert names(owner.answers("reqOpenOrders"))[-3:] == [
        *("openOrder", "orderStatus", "openOrderEnd")
    ]
    assert names(other.answers("reqOpenOrders")) == ["openOrderEnd"]
    order, status, end = other.answers("reqAllOpenOrders")
    assert _named(order, OPEN_ORDER)["clientId"] == "5"
    assert status.fields[:2] == ("1", "Submitted")
    assert end.name == "openOrderEnd"


def test_only_client_0_cancels_for_others_and_then_owns_the_outcome(speaker: Speaker) -> None:
    owner, other, master = speaker.client(5), speaker.client(6), speaker.client(0)
    owner.place(9, **_RESTING)
    owner.take()
    assert errors(other.answers("cancelOrder", 9, "")) == [("9", 10147)]
    said = master.answers("cancelOrder", 9, "")
    statuses = [each for each in said if each.name == "orderStatus"]
    assert (statuses[-1][1], statuses[-1][8]) == ("Cancelled", "0")
    assert errors(said) == [("9", 202)]
    told = owner.take()
    assert [each[8] for each in told if each.name == "orderStatus"][-1] == "5"
    assert errors(told) == [("9", 202)]


def test_global_cancel_reaches_every_client(speaker: Speaker) -> None:
    owner, other = speaker.client(5), speaker.client(6)
    owner.place(1, **_RESTING)
    other.place(1, **_RESTING)
    owner.take()
    other.take()
    other.ask("reqGlobalCancel")
    assert errors(owner.take()) == errors(other.take()) == [("1", 202)]


def test_binding_manual_orders_is_for_client_0(speaker: Speaker) -> None:
    assert errors(speaker.client(0).answers("reqAutoOpenOrders", 1)) == []
    assert errors(speaker.client(5).answers("reqAutoOpenOrders", 1)) == [("-1", 321)]


def test_fills_and_open_orders_survive_a_reconnect(speaker: Speaker) -> None:
    owner = speaker.client(5)
    owner.place(1, orderRef="done")
    owner.place(2, **_RESTING, orderRef="open")
    speaker.hub.close(owner.session)
    speaker.set_price("SPY", 440)
    again = speaker.client(5)
    assert again.greeting[1].fields == ("1", "3")
    said = again.answers("reqExecutions", 4, 0, "", "", "", "", "", "")
    assert names(said) == [
        *("execDetails", "commissionReport", "execDetails", "commissionReport"),
        "execDetailsEnd",
    ]
    assert [(each[0], each[1], each[25]) for each in said if each.name == "execDetails"] == [
        ("4", "1", "done"),
        ("4", "2", "open"),
    ]
    assert said[-1].fields == ("1", "4")


def test_executions_are_filtered(speaker: Speaker) -> None:
    client = speaker.client(5)
    client.place(1)
    client.take()

    def ask(*fields: object) -> int:
        wanted = [str(each) for each in fields]
        return names(client.answers("reqExecutions", 4, *wanted)).count("execDetails")

    assert ask(0, "", "", "", "", "", "") == 1
    assert ask(5, "DU1000001", "20260107-14:59:00", "SPY", "STK", "", "BUY") == 1
    assert ask(6, "", "", "", "", "", "") == 0
    assert ask(0, "DU1000002", "", "", "", "", "") == 0
    assert ask(0, "", "20260107-15:00:01", "", "", "", "") == 0
    assert ask(0, "", "", "", "", "", "SELL") == 0
    bad = client.answers("reqExecutions", 4, 0, "", "yesterday", "", "", "", "")
    assert errors(bad) == [("4", 320)]


def test_completed_orders(speaker: Speaker) -> None:
    client = speaker.client(5)
    client.place(1, orderRef="a")
    client.place(2, **_RESTING)
    client.answers("cancelOrder", 2, "")
    filled, cancelled, end = client.answers("reqCompletedOrders", 1)
    assert end.name == "completedOrdersEnd"
    order = _named(filled, COMPLETED_ORDER)
    assert (order["status"], order["filledQuantity"], order["orderRef"]) == (
        *("Filled", "10"),
        "a",
    )
    assert _named(cancelled, COMPLETED_ORDER)["completedStatus"] == "Cancelled by Trader"


def test_a_preview_tells_margin_and_leaves_nothing(speaker: Speaker) -> None:
    client = speaker.client(5)
    client.place(1, whatIf="1")
    [said] = client.take()
    order = _named(said, OPEN_ORDER)
    assert order["whatIf"] == "1"
    assert float(order["initMarginAfter"]) - float(order["initMarginBefore"]) == float(
        order["initMarginChange"]
    )
    assert order["commission"] == "1"
    assert names(client.answers("reqAllOpenOrders")) == ["openOrderEnd"]


def test_modifying_is_placing_again_under_the_same_id(speaker: Speaker) -> None:
    client = speaker.client(5)
    client.place(1, **_RESTING)
    client.take()
    client.place(1, orderType="LMT", lmtPrice="501")
    said = client.take()
    assert "Filled" in [each[1] for each in said if each.name == "orderStatus"]


# Latency --------------------------------------------------------------------------------------


def test_latency_delays_every_answer_without_making_them_wait_for_each_other() -> None:
    speaker = Speaker(latency=0.1)
    client = speaker.client(5)
    speaker.pass_time(0.1)
    client.take()
    speaker.pass_time(0.1)
    client.take()
    for _ in range(5):
        client.ask("reqCurrentTime")
        speaker.pass_time(0.01)
    assert client.take() == []
    assert speaker.hub.next_wakeup(speaker.now) == pytest.approx(speaker.now + 0.05)
    speaker.pass_time(0.05)
    assert len(client.take()) == 1
    speaker.pass_time(0.04)
    assert len(client.take()) == 4


def test_latencies_by_message() -> None:
    world = small_world(latencies={"reqPositions": 0.2, "*": 0.0})
    speaker = Speaker(world)
    client = speaker.client(5)
    client.ask("reqPositions")
    assert names(client.answers("reqCurrentTime")) == ["currentTime"]
    speaker.pass_time(0.2)
    assert names(client.take()) == ["position", "positionEnd"]


def test_orders_and_their_reports_never_overtake_each_other() -> None:
    world = small_world(latencies={"placeOrder": 0.2}, fill_after=0.05)
    speaker = Speaker(world)
    client = speaker.client(5)
    client.place(1)
    speaker.pass_time(0.06)
    assert client.take() == []
    speaker.pass_time(0.14)
    said = names(client.take())
    assert said[:2] == ["openOrder", "orderStatus"]
    assert said[-4:] == ["execDetails", "openOrder", "orderStatus", "commissionReport"]


def test_at_a_faster_clock_latency_stays_real() -> None:
    world = small_world()
    speaker = Speaker(replace(world, clock=replace(world.clock, rate=60.0)), latency=0.1)
    client = speaker.client(5)
    speaker.pass_time(12)
    client.take()
    client.ask("reqCurrentTime")
    speaker.pass_time(5.9)
    assert client.take() == []
    speaker.pass_time(0.1)
    assert names(client.take()) == ["currentTime"]
