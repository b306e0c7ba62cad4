"""Orders: sent once, followed by events to their end, whatever the gateway says on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.core.account import Instrument
from rebalancer.core.order import Order, OrderReport
from rebalancer.errors import GatewayError, GatewayUnavailableError, WrongGatewayError
from rebalancer.gateway import ticket as module
from rebalancer.gateway import trading
from tests.gateway.conftest import ONE, TWO, Connect, Desk, Start, fault, order, told
from tests.support.sim_gateway import until


async def instruments(desk: Desk) -> dict[str, Instrument]:
    return await desk.contracts.resolve(("SPY", "AAPL", "BND"))


async def traded(
    desk: Desk,
    orders: Sequence[Order],
    *,
    deadline: float = 3.0,
) -> tuple[OrderReport, ...]:
    tickets = trading.place(desk.connection, orders, await instruments(desk))
    return await trading.wait(tickets, deadline=deadline)


async def test_orders_fill(start: Start) -> None:
    desk = await start()
    orders = [order(), order("AAPL", 4, "SELL"), order("BND", 20, limit="80")]
    reports = await traded(desk, orders)
    assert [r.order_ref for r in reports] == [o.order_ref for o in orders]
    for report, sent in zip(reports, orders, strict=True):
        assert told(report) == ("filled", sent.quantity, 0)
        assert report.perm_id > 0
        assert sum(fill.quantity for fill in report.fills) == sent.quantity
        (fill, *_) = report.fills
        assert (fill.symbol, fill.con_id, fill.action) == (
            sent.symbol,
            sent.con_id,
            sent.action,
        )
        assert (fill.order_ref, fill.account_id) == (sent.order_ref, ONE)
        assert (fill.currency, fill.price) == ("USD", report.avg_price)
        assert fill.at == pytest.approx(desk.server.now(), abs=2)
    assert {f.order_ref: f.shares for f in desk.server.exchange.fills} == {
        o.order_ref: o.quantity for o in orders
    }


async def test_what_the_exchange_gets_is_what_was_ordered(start: Start) -> None:
    desk = await start()
    sent = replace(order(limit="450.10"), outside_rth=True)
    await traded(desk, [sent], deadline=0.05)
    (view,) = desk.server.exchange.orders_by_ref(sent.order_ref)
    spec = view.order
    assert (spec.account, spec.tif, spec.order_ref) == (ONE, "DAY", sent.order_ref)
    assert (spec.action, spec.quantity, spec.order_type) == ("BUY", Decimal(10), "LMT")
    assert spec.limit_price == Decimal("450.10")
    assert spec.outside_rth
    assert spec.transmit


async def test_nothing_is_sent_if_one_order_is_wrong(start: Start) -> None:
    desk = await start()
    known = await instruments(desk)
    for wrong, error in (
        (replace(order("AAPL"), con_id=1), ValueError),
        (replace(order("AAPL"), order_ref=""), ValueError),
        (order("AAPL", account="DU9999999"), WrongGatewayError),
        (order("AAPL", account="U1000001"), WrongGatewayError),
    ):
        with pytest.raises(error):
            trading.place(desk.connection, [order(), wrong], known)
    assert await trading.find(desk.connection, ONE, [order().order_ref]) == {}


async def test_accounts_trade_at_once_on_one_connection(start: Start) -> None:
    desk = await start()
    one, two = await asyncio.gather(
        traded(desk, [order(account=ONE, number=1), order("BND", account=ONE, number=1)]),
        traded(desk, [order(account=TWO, number=2), order("BND", account=TWO, number=2)]),
    )
    assert [r.status for r in (*one, *two)] == ["filled"] * 4
    assert {f.account_id for r in one for f in r.fills} == {ONE}
    assert {f.account_id for r in two for f in r.fills} == {TWO}


async def test_a_resting_order_is_working_at_the_deadline(start: Start) -> None:
    desk = await start()
    (report,) = await traded(desk, [order(limit="400")], deadline=0.05)
    assert told(report) == ("working", 0, 10)


async def test_a_partial_fill_is_told(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("partial", "placeOrder", shares="4"))
    (report,) = await traded(desk, [order()], deadline=0.1)
    assert told(report) == ("working", 4, 6)
    desk.server.inject(fault("partial", "placeOrder", shares="4", then="cancel"))
    (report,) = await traded(desk, [order(number=2)])
    assert told(report) == ("cancelled", 4, 6)


async def test_a_fill_wakes_who_waits(start: Start) -> None:
    desk = await start()
    tickets = trading.place(desk.connection, [order(limit="400")], await instruments(desk))
    waiting = asyncio.create_task(trading.wait(tickets, deadline=60.0))
    await until(lambda: tickets[0].track)
    desk.server.tell(desk.server.exchange.set_price("SPY", Decimal(399), desk.server.now()))
    (report,) = await waiting
    assert report.status == "filled"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (201, "Order rejected - reason:The exchange is closed."),
        (
            321,
            "Error validating request.-'bF' : cause - The API interface is in Read-Only mode.",
        ),
        (110, "The price does not conform to the minimum price variation for this contract."),
        (103, "Duplicate order id"),
        (203, "The security is not available or allowed for this account."),
    ],
)
async def test_a_rejected_order_is_told_at_once_with_the_text(
    start: Start,
    code: int,
    text: str,
) -> None:
    desk = await start()
    desk.server.inject(fault("reject", "placeOrder", symbol="SPY", code=str(code), text=text))
    rejected, filled = await traded(desk, [order(), order("BND")], deadline=30.0)
    assert told(rejected) == ("rejected", 0, 10)
    assert rejected.reason.startswith(f"{code}: {text}")
    assert filled.status == "filled"


async def test_too_little_cash_is_a_reject(start: Start) -> None:
    desk = await start()
    (report,) = await traded(desk, [order(quantity=1_000_000)], deadline=30.0)
    assert report.status == "rejected"
    assert report.reason.startswith("201:")


async def test_an_unlisted_code_on_an_order_that_lives_on_is_no_end(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("notice", "placeOrder", code="10999", text="something new"))
    desk.server.inject(fault("late_fill", "placeOrder", seconds="0.2"))
    (report,) = await traded(desk, [order()], deadline=5.0)
    assert told(report) == ("filled", 10, 0)
    assert "10999: something new" in report.reason


async def test_an_unlisted_code_on_an_order_the_gateway_does_not_know_is_its_end(
    start: Start,
) -> None:
    desk = await start()
    desk.server.inject(fault("error", "placeOrder", code="10999", text="new", instead="yes"))
    (report,) = await traded(desk, [order()], deadline=30.0)
    assert (report.status, report.reason) == ("rejected", "10999: new")


@pytest.mark.parametrize("code", [10349, 399, 404, 2109])
async def test_a_notice_leaves_the_order_live(start: Start, code: int) -> None:
    desk = await start()
    desk.server.inject(fault("notice", "placeOrder", code=str(code), text="only a notice"))
    desk.server.inject(fault("late_fill", "placeOrder", seconds="0.1"))
    (report,) = await traded(desk, [order()], deadline=5.0)
    assert told(report) == ("filled", 10, 0)
    assert report.reason == f"{code}: only a notice"
    assert len(desk.server.exchange.fills) == 1


async def test_filled_before_its_fills(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("filled_first", "placeOrder"))
    (report,) = await traded(desk, [order()])
    assert report.status == "filled"
    assert sum(fill.quantity for fill in report.fills) == 10


async def test_fills_that_never_come_are_asked_for(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FILLS_WITHIN", 0.05)
    desk = await start()
    desk.server.inject(fault("drop", "placeOrder", message="execDetails"))
    (report,) = await traded(desk, [order()], deadline=5.0)
    assert report.status == "filled"
    assert sum(fill.quantity for fill in report.fills) == 10


async def test_a_fill_reported_twice_counts_once(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("double_report", "placeOrder"))
    (report,) = await traded(desk, [order()])
    assert (int(report.filled), len(report.fills)) == (10, 1)


async def test_a_commission_joins_its_fill_when_it_comes(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("late_commission", "placeOrder", seconds="0.1"))
    tickets = trading.place(desk.connection, [order()], await instruments(desk))
    (report,) = await trading.wait(tickets, deadline=3.0)
    assert [fill.commission for fill in report.fills] == [None]
    await until(lambda: tickets[0].report().fills[0].commission)
    assert tickets[0].report().fills[0].commission == Decimal("1.0")


async def test_a_corrected_fill_replaces_the_first(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("correct_fill", "placeOrder", price="499.5", seconds="0.05"))
    tickets = trading.place(desk.connection, [order()], await instruments(desk))
    await trading.wait(tickets, deadline=3.0)
    await until(lambda: tickets[0].report().avg_price == Decimal("499.5"))
    report = tickets[0].report()
    assert (int(report.filled), len(report.fills)) == (10, 1)


async def test_an_unacknowledged_order_is_asked_about(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ACK_WITHIN", 0.05)
    desk = await start()
    desk.server.inject(fault("lost_ack", "placeOrder"))
    (report,) = await traded(desk, [order()], deadline=5.0)
    assert told(report) == ("filled", 10, 0)
    assert len(desk.server.exchange.fills) == 1


async def test_a_lost_connection_wakes_who_waits_for_fills(start: Start) -> None:
    desk = await start()
    tickets = trading.place(desk.connection, [order(limit="400")], await instruments(desk))
    waiting = asyncio.create_task(trading.wait(tickets, deadline=60.0))
    await until(lambda: tickets[0].track)
    desk.server.inject(fault("disconnect"))
    with pytest.raises(GatewayUnavailableError, match="closed the connection"):
        await waiting
    await desk.connection.ready(5.0)
    # The old ticket stays over: what happened meanwhile is for ``find`` to tell.
    with pytest.raises(GatewayUnavailableError):
        await trading.wait(tickets, deadline=60.0)


async def test_a_loss_of_ibkr_wakes_who_waits_for_fills(start: Start) -> None:
    desk = await start()
    tickets = trading.place(desk.connection, [order(limit="400")], await instruments(desk))
    waiting = asyncio.create_task(trading.wait(tickets, deadline=60.0))
    await until(lambda: tickets[0].track)
    desk.server.inject(fault("error", code="1100"))
    with pytest.raises(GatewayUnavailableError, match="1100"):
        await waiting
    with pytest.raises(GatewayUnavailableError, match="1100"):
        trading.place(desk.connection, [order(number=2)], await instruments(desk))


async def test_nothing_is_sent_without_a_connection(start: Start) -> None:
    desk = await start()
    known = await instruments(desk)
    await desk.connection.close()
    with pytest.raises(GatewayUnavailableError):
        trading.place(desk.connection, [order()], known)
    with pytest.raises(GatewayUnavailableError):
        await trading.room(desk.connection)
    assert desk.server.exchange.fills == ()


async def test_pace_is_kept_and_room_tells_when(start: Start) -> None:
    desk = await start()
    await trading.room(desk.connection, within=0.01)
    orders = [order(number=number, quantity=1) for number in range(60)]
    tickets = trading.place(desk.connection, orders, await instruments(desk))
    with pytest.raises(GatewayError, match="held back"):
        await trading.room(desk.connection, within=0.01)
    assert desk.connection.pacing_waits == 1
    assert 0.01 <= desk.connection.pacing_seconds < 1
    reports = await trading.wait(tickets, deadline=10.0)
    assert [r.status for r in reports] == ["filled"] * 60
    assert all(0 < (t.heard_after or 0) <= (t.filled_after or 0) < 10 for t in tickets)
    assert [t.ended_after for t in tickets] == [t.filled_after for t in tickets]
    await trading.room(desk.connection)


async def test_an_order_the_gateway_threw_away_is_no_order(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ACK_WITHIN", 0.5)
    desk = await start(timeout=0.5)
    desk.connection.session.client.MaxRequests = 0
    orders = [order(number=number, quantity=1) for number in range(55)]
    reports = await traded(desk, orders, deadline=30.0)
    lost = [r for r in reports if r.status != "filled"]
    assert lost
    assert all(r.status == "rejected" and r.reason.startswith("100:") for r in lost)
    assert len(desk.server.exchange.fills) == 55 - len(lost)


async def test_a_reissued_order_id_confuses_nothing(start: Start) -> None:
    desk = await start()
    known = await instruments(desk)
    old, *_ = trading.place(desk.connection, [order(limit="400")], known)
    await until(lambda: old.track)
    desk.server.inject(fault("id_rollback", to="1"))
    desk.server.inject(fault("disconnect"))
    await until(lambda: not desk.connection.is_ready)
    await desk.connection.ready(5.0)
    (new,) = await traded(desk, [order("BND", number=2)])
    assert (new.status, new.fills[0].symbol) == ("filled", "BND")
    found = await trading.find(desk.connection, ONE, [old.order.order_ref, new.order_ref])
    assert [found[ref].status for ref in (old.order.order_ref, new.order_ref)] == [
        "working",
        "filled",
    ]


async def test_what_if_orders_nothing(start: Start) -> None:
    desk = await start()
    known = await instruments(desk)
    told = await trading.what_if(desk.connection, order(), known["SPY"])
    assert told.initial_margin_change > 0
    assert told.maintenance_margin_change > 0
    assert told.initial_margin_before > 0
    assert told.equity_with_loan_before > 100_000
    assert told.equity_with_loan_change == 0
    assert told.commission == Decimal("1.0")
    assert told.commission_currency == "USD"
    assert await trading.find(desk.connection, ONE, [order().order_ref]) == {}


async def test_a_refused_what_if_says_why(start: Start) -> None:
    desk = await start()
    known = await instruments(desk)
    desk.server.inject(
        fault("error", "placeOrder", code="201", text="no margin", instead="yes")
    )
    with pytest.raises(GatewayError, match="201: no margin"):
        await trading.what_if(desk.connection, order(), known["SPY"])


async def test_nothing_to_wait_for_is_no_wait(connect: Connect) -> None:
    assert await trading.wait([], deadline=60.0) == ()
