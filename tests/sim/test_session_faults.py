"""The wire-level faults a scenario can name."""

from __future__ import annotations

import pytest

from rebalancer.sim.faults import FAULTS
from rebalancer.sim.strikes import MESSAGE_STRIKES, STRIKES
from rebalancer.sim.vocabulary import Fault
from tests.support.sim_client import SPY_FIELDS, Client, Speaker, errors, names
from tests.support.sim_gateway import small_world


def _speaker(kind: str, when: str, count: int = 1, **args: str) -> Speaker:
    return Speaker(small_world(faults=(Fault(kind, when, count, tuple(args.items())),)))


def _data(client: Client, req_id: int) -> list[str]:
    return names(client.answers("reqMktData", req_id, *SPY_FIELDS, 0, "", 0, 0, ""))


def test_every_wire_fault_of_the_table_can_strike() -> None:
    wire = {kind for kind, what in FAULTS.items() if what.by == "wire"}
    assert wire == STRIKES.keys()
    assert wire >= MESSAGE_STRIKES.keys()


def test_disconnect_loses_the_message() -> None:
    speaker = _speaker("disconnect", "placeOrder")
    client = speaker.client()
    client.place(1)
    assert client.closed
    assert client.take() == []
    assert speaker.exchange.fills == ()


def test_disconnect_after_the_deed_loses_only_the_answer() -> None:
    speaker = _speaker("disconnect", "placeOrder", after="done")
    client = speaker.client()
    client.place(1)
    assert client.closed
    assert client.take() == []
    assert len(speaker.exchange.fills) == 1
    assert "execDetails" in names(
        speaker.client(2).answers("reqExecutions", 1, 0, "", "", "", "", "", "")
    )


@pytest.mark.parametrize("after", ["done", ""])
def test_disconnect_at_the_hello(after: str) -> None:
    client = Client(_speaker("disconnect", "hello", after=after))
    client.hello("v157..178")
    assert client.take_bytes() == b""
    assert client.closed


def test_a_late_hello() -> None:
    speaker = _speaker("late", "hello", seconds="2")
    client = Client(speaker)
    client.hello("v157..178")
    assert client.take_bytes() == b""
    speaker.pass_time(2)
    assert b"178" in client.take_bytes()


def test_disconnect_by_time_is_for_everybody_once() -> None:
    speaker = _speaker("disconnect", "+5")
    first, second = speaker.client(1), speaker.client(2)
    assert speaker.hub.next_wakeup(speaker.now) == speaker.now + 5
    speaker.pass_time(5)
    assert first.closed
    assert second.closed
    speaker.pass_time(1)
    assert not speaker.client(3).closed


def test_stall_answers_nothing_and_then_everything() -> None:
    speaker = _speaker("stall", "reqPositions", seconds="3")
    client, other = speaker.client(1), speaker.client(2)
    assert client.answers("reqPositions") == []
    assert client.answers("reqCurrentTime") == []
    assert names(other.answers("reqCurrentTime")) == ["currentTime"]
    speaker.pass_time(3)
    assert names(client.take()) == ["position", "positionEnd", "currentTime"]


@pytest.mark.parametrize("when", ["hello", "startApi"])
def test_a_gateway_that_accepts_but_never_greets(when: str) -> None:
    speaker = _speaker("stall", when)
    client = speaker.client()
    assert client.greeting == []
    speaker.pass_time(20)
    assert client.take() == []
    assert names(speaker.client(2).greeting)[0] == "managedAccounts"


def test_half_open_hears_and_says_nothing_any_more() -> None:
    speaker = _speaker("half_open", "reqPositions")
    client = speaker.client()
    assert client.answers("reqPositions") == []
    assert client.answers("reqCurrentTime") == []
    speaker.pass_time(3600)
    assert client.take() == []
    assert not client.closed


def test_drop_leaves_one_kind_of_answer_out() -> None:
    speaker = _speaker("drop", "reqExecutions", message="execDetailsEnd")
    client = speaker.client()
    ask = (0, "", "", "", "", "", "")
    assert client.answers("reqExecutions", 1, *ask) == []
    assert names(client.answers("reqExecutions", 2, *ask)) == ["execDetailsEnd"]


def test_drop_by_time_leaves_it_out_for_good() -> None:
    speaker = _speaker("drop", "+0", message="commissionReport")
    client = speaker.client()
    for order_id in (1, 2):
        client.place(order_id)
        assert names(client.take())[-1] == "orderStatus"


def test_late_answers_overtake_nobody() -> None:
    speaker = _speaker("late", "reqPositions", seconds="2")
    client = speaker.client()
    assert client.answers("reqPositions") == []
    assert names(client.answers("reqCurrentTime")) == ["currentTime"]
    speaker.pass_time(2)
    assert names(client.take()) == ["position", "positionEnd"]


def test_an_error_in_answer_carries_the_request_id() -> None:
    speaker = _speaker("error", "reqContractDetails", code="504", text="Not connected")
    client = speaker.client()
    said = client.answers("reqContractDetails", 8, *SPY_FIELDS, 0, "", "", "")
    assert names(said) == ["error", "contractDetails", "contractDetailsEnd"]
    assert said[0].fields == ("2", "8", "504", "Not connected", "")


def test_an_error_instead_of_the_answer() -> None:
    speaker = _speaker("error", "placeOrder", code="201", instead="yes")
    client = speaker.client()
    client.place(4)
    assert errors(client.take()) == [("4", 201)]
    assert not speaker.exchange.open_orders()
    assert not speaker.exchange.fills


def test_a_notice_by_time_reaches_everybody() -> None:
    speaker = _speaker("error", "+1", code="2110")
    clients = [speaker.client(1), speaker.client(2)]
    speaker.pass_time(1)
    assert [errors(client.take()) for client in clients] == [[("-1", 2110)]] * 2


def test_326_for_a_while() -> None:
    speaker = _speaker("error", "startApi", 2, code="326")
    for _ in range(2):
        client = speaker.client()
        assert errors(client.greeting) == [("-1", 326)]
        assert client.closed
        speaker.hub.close(client.session)
    assert names(speaker.client().greeting)[0] == "managedAccounts"


@pytest.mark.parametrize("code", [1101, 1102])
def test_what_happens_during_an_outage_is_never_told(code: int) -> None:
    speaker = _speaker("outage", "+1", seconds="10", end=str(code))
    client = speaker.client()
    client.place(1, orderType="LMT", lmtPrice="450")
    _data(client, 9)
    client.take()
    speaker.pass_time(1)
    assert errors(client.take()) == [("-1", 1100)]
    speaker.set_price("SPY", 440)
    assert client.take() == []
    speaker.pass_time(10)
    assert errors(client.take()) == [("-1", code)]
    speaker.set_price("SPY", 441)
    assert ("tickPrice" in names(client.take())) is (code == 1102)
    assert len(speaker.exchange.fills) == 1


def test_restart_closes_everything_and_refuses_for_a_while() -> None:
    speaker = _speaker("restart", "+1", seconds="30")
    client = speaker.client()
    speaker.pass_time(1)
    assert client.closed
    assert speaker.hub.mishaps.refusing_until == speaker.now + 30
    assert speaker.hub.next_wakeup(speaker.now) == speaker.now + 30


def test_order_ids_roll_back() -> None:
    speaker = _speaker("id_rollback", "+1", to="2")
    client = speaker.client(5)
    for order_id in range(1, 6):
        client.place(order_id, orderType="LMT", lmtPrice="450")
    speaker.hub.close(client.session)
    speaker.pass_time(1)
    again = speaker.client(5)
    assert again.greeting[1].fields == ("1", "2")
    again.place(2)
    assert "Filled" in [each[1] for each in again.take() if each.name == "orderStatus"]
    assert len(speaker.exchange.open_orders()) == 5


def test_an_empty_start_ends_without_a_row() -> None:
    speaker = _speaker("empty_start", "startApi")
    client = speaker.client(5)
    assert names(client.answers("reqPositions")) == ["positionEnd"]
    assert names(client.answers("reqAccountUpdates", 1, "DU1000001")) == ["accountDownloadEnd"]
    assert names(client.answers("reqAccountUpdatesMulti", 3, "", "", 0)) == [
        "accountUpdateMultiEnd"
    ]
    other = speaker.client(6)
    assert names(other.answers("reqPositions")) == ["position", "positionEnd"]


def test_one_empty_answer() -> None:
    client = _speaker("empty_start", "reqPositions").client(5)
    assert names(client.answers("reqPositions")) == ["positionEnd"]
    assert names(client.answers("reqPositions")) == ["position", "positionEnd"]


def test_a_competing_session_takes_the_data_and_the_connection() -> None:
    speaker = _speaker("competing_session", "+1", seconds="60")
    client = speaker.client(5)
    _data(client, 9)
    client.take()
    speaker.pass_time(1)
    assert errors(client.take()) == [("9", 10197)]
    assert client.closed
    speaker.hub.close(client.session)
    again = speaker.client(5)
    assert _data(again, 9) == ["error"]
    speaker.pass_time(60)
    assert "tickPrice" in _data(again, 10)


def test_garbage_is_no_frame() -> None:
    client = _speaker("garbage", "reqPositions").client(5)
    client.ask("reqPositions")
    data = client.take_bytes()
    assert int.from_bytes(data[:4], "big") > 1 << 24


def test_faults_strike_as_often_as_they_say() -> None:
    client = _speaker("drop", "reqPositions", 2, message="positionEnd").client()
    counts = [names(client.answers("reqPositions")).count("positionEnd") for _ in range(4)]
    assert counts == [0, 0, 1, 1]
    for_ever = _speaker("drop", "reqPositions", 0, message="positionEnd").client()
    assert all(names(for_ever.answers("reqPositions")) == ["position"] for _ in range(4))


def test_faults_can_be_injected_while_running() -> None:
    speaker = Speaker()
    client = speaker.client()
    speaker.pass_time(100)
    speaker.hub.inject(Fault("error", "+0", 1, (("code", "1100"),)), speaker.now)
    assert errors(client.take()) == [("-1", 1100)]
    speaker.hub.inject(Fault("reject", "placeOrder", 1, (("code", "201"),)), speaker.now)
    client.place(1)
    assert ("1", 201) in errors(client.take())
    with pytest.raises(ValueError, match="no such fault"):
        speaker.hub.inject(Fault("flood", "+0"), speaker.now)
