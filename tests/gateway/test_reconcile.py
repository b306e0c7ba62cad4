"""Orders found again and cancelled: by what the gateway shows, never by its silence."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from rebalancer.core.order import Order
from rebalancer.errors import GatewayError, GatewayUnavailableError
from rebalancer.gateway.reconcile import footprint
from rebalancer.gateway.trading import Ticket, cancel, find, open_orders, place, wait
from tests.gateway.conftest import CLIENT, ONE, TWO, Connect, Desk, Start, fault, order, told
from tests.support.sim_gateway import until

REF = order().order_ref


async def placed(desk: Desk, *orders: Order) -> tuple[Ticket, ...]:
    known = await desk.contracts.resolve(("SPY", "AAPL", "BND"))
    tickets = place(desk.connection, orders, known)
    await until(lambda: all(ticket.track for ticket in tickets))
    return tickets


async def test_orders_are_found_in_every_state(start: Start) -> None:
    desk = await start()
    filled, resting, cancelled = await placed(
        desk,
        order(),
        order("BND", limit="60"),
        order("AAPL", limit="100", number=2),
    )
    await wait([filled], deadline=3.0)
    await cancel(
        desk.connection,
        [o for o in await open_orders(desk.connection, ONE) if o.symbol == "AAPL"],
        deadline=3.0,
    )
    refs = [t.order.order_ref for t in (filled, resting, cancelled)]
    desk.server.inject(fault("disconnect"))  # so that nothing is remembered
    await until(lambda: not desk.connection.is_ready)
    await desk.connection.ready(5.0)
    found = await find(desk.connection, ONE, [*refs, "rb:e9:1:SPY"])
    assert [found[ref].status for ref in refs] == ["filled", "working", "cancelled"]
    assert set(found) == set(refs)
    report = found[refs[0]]
    assert told(report) == ("filled", 10, 0)
    assert sum(fill.quantity for fill in report.fills) == 10
    assert {fill.symbol for fill in report.fills} == {"SPY"}


async def test_another_accounts_orders_are_not_found(start: Start) -> None:
    desk = await start()
    await placed(desk, order())
    assert await find(desk.connection, TWO, [REF]) == {}


@pytest.mark.parametrize("end", ["1101", "1102"])
async def test_fills_during_an_outage_are_found_afterwards(start: Start, end: str) -> None:
    desk = await start()
    (ticket,) = await placed(desk, order(limit="400"))
    desk.server.inject(fault("outage", seconds="0.05", end=end))
    await until(lambda: not desk.connection.is_ready)
    desk.server.tell(desk.server.exchange.set_price("SPY", Decimal(399), desk.server.now()))
    with pytest.raises(GatewayUnavailableError, match="1100"):
        await wait([ticket], deadline=60.0)
    await desk.connection.ready(5.0)
    report = (await find(desk.connection, ONE, [REF]))[REF]
    assert told(report) == ("filled", 10, 0)
    assert len(report.fills) == 1


async def test_an_order_sent_as_the_socket_died_is_found(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("disconnect", "placeOrder", after="done"))
    known = await desk.contracts.resolve(("SPY",))
    tickets = place(desk.connection, [order()], known)
    with pytest.raises(GatewayUnavailableError):
        await wait(tickets, deadline=60.0)
    await desk.connection.ready(5.0)
    assert (await find(desk.connection, ONE, [REF]))[REF].status == "filled"


async def test_an_order_that_never_arrived_is_not_found(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("disconnect", "placeOrder"))
    known = await desk.contracts.resolve(("SPY",))
    place(desk.connection, [order()], known)
    await until(lambda: not desk.connection.is_ready)
    await desk.connection.ready(5.0)
    assert await find(desk.connection, ONE, [REF]) == {}


@pytest.mark.parametrize(
    ("request_name", "end"),
    [
        ("reqExecutions", "execDetailsEnd"),
        ("reqAllOpenOrders", "openOrderEnd"),
        ("reqCompletedOrders", "completedOrdersEnd"),
    ],
)
async def test_an_answer_without_its_end_is_no_proof_of_absence(
    start: Start,
    request_name: str,
    end: str,
) -> None:
    desk = await start(timeout=0.2)
    desk.server.inject(fault("drop", request_name, message=end))
    with pytest.raises(GatewayError, match=f"cannot tell what became of {REF}"):
        await find(desk.connection, ONE, [REF])
    assert await find(desk.connection, ONE, [REF]) == {}
    assert desk.connection.session.replies == {}


async def test_an_order_known_to_be_final_needs_no_further_proof(start: Start) -> None:
    desk = await start(timeout=0.2)
    (ticket,) = await placed(desk, order())
    await wait([ticket], deadline=3.0)
    desk.server.inject(fault("drop", "reqExecutions", message="execDetailsEnd"))
    assert (await find(desk.connection, ONE, [REF]))[REF].status == "filled"


async def test_read_only_is_told_at_once(start: Start) -> None:
    desk = await start(timeout=30.0)
    desk.server.inject(
        fault(
            "error",
            "reqAllOpenOrders",
            code="321",
            text="The API interface is currently in Read-Only mode.",
            instead="yes",
        ),
    )
    with pytest.raises(GatewayError, match="Read-Only API"):
        await open_orders(desk.connection, ONE)


async def test_open_orders_are_those_of_every_client(start: Start, connect: Connect) -> None:
    desk = await start()
    await placed(desk, order(limit="400"), order("BND", 7, limit="60", account=TWO))
    other = connect(desk.server.port, CLIENT + 1)
    await other.ready(5.0)
    (seen,) = await open_orders(other, ONE)
    assert (seen.account_id, seen.symbol, seen.action) == (ONE, "SPY", "BUY")
    assert (seen.quantity, seen.remaining) == (Decimal(10), Decimal(10))
    assert seen.limit_price == Decimal(400)
    assert (seen.client_id, seen.order_ref, seen.order_type) == (CLIENT, REF, "LMT")
    assert seen.perm_id > 0


async def test_open_orders_tell_what_is_left(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("partial", "placeOrder", shares="4"))
    await placed(desk, order())
    (seen,) = await open_orders(desk.connection, ONE)
    assert (seen.quantity, seen.remaining) == (Decimal(10), Decimal(6))


async def test_many_may_ask_for_open_orders_at_once(start: Start) -> None:
    desk = await start(latency=0.02)
    await placed(desk, order(limit="400"))
    before = desk.sent()
    found = await asyncio.gather(*(open_orders(desk.connection, ONE) for _ in range(24)))
    assert [len(each) for each in found] == [1] * 24
    # The first, and one for all who came while it was under way.
    assert desk.sent() - before <= 2


async def test_who_asks_after_a_cancel_does_not_see_the_order(start: Start) -> None:
    desk = await start(latency=0.02)
    await placed(desk, order(limit="400"))
    (seen,) = await open_orders(desk.connection, ONE)
    early = asyncio.create_task(open_orders(desk.connection, ONE))
    await cancel(desk.connection, [seen], deadline=3.0)
    assert await open_orders(desk.connection, ONE) == ()
    await early


async def test_cancelled_orders_are_confirmed(start: Start) -> None:
    desk = await start()
    tickets = await placed(desk, order(limit="400"), order("BND", limit="60"))
    seen = await open_orders(desk.connection, ONE)
    done = await cancel(desk.connection, seen, deadline=3.0)
    assert (done.cancelled, done.filled, done.unanswered, done.foreign) == (seen, (), (), ())
    reports = await wait(tickets, deadline=3.0)
    assert [r.status for r in reports] == ["cancelled"] * 2
    assert all(r.reason.startswith("202:") for r in reports)
    assert await open_orders(desk.connection, ONE) == ()
    assert desk.connection.session.cancels == {}


async def test_an_order_of_a_former_connection_can_be_cancelled(start: Start) -> None:
    desk = await start()
    await placed(desk, order(limit="400"))
    desk.server.inject(fault("disconnect"))
    await until(lambda: not desk.connection.is_ready)
    await desk.connection.ready(5.0)
    seen = await open_orders(desk.connection, ONE)
    done = await cancel(desk.connection, seen, deadline=3.0)
    assert done.cancelled == seen


async def test_a_cancel_that_came_too_late_finds_the_fill(start: Start) -> None:
    desk = await start()
    (ticket,) = await placed(desk, order(limit="400"))
    (seen,) = await open_orders(desk.connection, ONE)
    desk.server.tell(desk.server.exchange.set_price("SPY", Decimal(399), desk.server.now()))
    done = await cancel(desk.connection, [seen], deadline=3.0)
    assert (done.filled, done.cancelled, done.unanswered) == ((seen,), (), ())
    (report,) = await wait([ticket], deadline=3.0)
    assert told(report) == ("filled", 10, 0)


async def test_a_cancel_on_a_new_connection_finds_the_fill(start: Start) -> None:
    desk = await start()
    await placed(desk, order(limit="400"))
    (seen,) = await open_orders(desk.connection, ONE)
    desk.server.inject(fault("disconnect"))
    await until(lambda: not desk.connection.is_ready)
    desk.server.tell(desk.server.exchange.set_price("SPY", Decimal(399), desk.server.now()))
    await desk.connection.ready(5.0)
    done = await cancel(desk.connection, [seen], deadline=3.0)
    assert (done.filled, done.cancelled, done.unanswered) == ((seen,), (), ())


async def test_an_unanswered_cancel_is_late_not_done(start: Start) -> None:
    desk = await start()
    await placed(desk, order(limit="400"))
    seen = await open_orders(desk.connection, ONE)
    desk.server.inject(fault("cancel_lost", "cancelOrder"))
    done = await cancel(desk.connection, seen, deadline=0.1)
    assert (done.unanswered, done.cancelled) == (seen, ())


@pytest.mark.parametrize("code", ["161", "10148"])
async def test_a_refused_cancel_of_a_live_order_is_not_done(start: Start, code: str) -> None:
    desk = await start()
    await placed(desk, order(limit="400"))
    seen = await open_orders(desk.connection, ONE)
    desk.server.inject(fault("cancel_refused", "cancelOrder", code=code))
    done = await cancel(desk.connection, seen, deadline=0.2)
    assert (done.unanswered, done.cancelled) == (seen, ())
    assert await open_orders(desk.connection, ONE) == seen


async def test_an_order_that_a_restarted_gateway_lets_nobody_cancel(start: Start) -> None:
    """It works on, but the gateway does not know it under our order id any more (10147)."""
    desk = await start()
    await placed(desk, order(limit="400"))
    desk.server.inject(fault("id_rollback", to="1"))
    desk.server.inject(fault("disconnect"))
    await until(lambda: not desk.connection.is_ready)
    await desk.connection.ready(5.0)
    seen = await open_orders(desk.connection, ONE)
    done = await cancel(desk.connection, seen, deadline=60.0)
    assert (done.foreign, done.unanswered, done.cancelled) == (seen, (), ())
    assert await open_orders(desk.connection, ONE) == seen


async def test_the_footprint_is_of_every_account_and_client(
    start: Start, connect: Connect
) -> None:
    desk = await start()
    await placed(desk, order(), order("BND", limit="60"))
    other = connect(desk.server.port, CLIENT + 1)
    await other.ready(5.0)
    shown = {each.symbol: each for each in await footprint(other)}
    filled, resting = shown["SPY"], shown["BND"]
    assert (filled.order_ref, filled.account_id, filled.client_id) == (REF, ONE, CLIENT)
    assert (filled.filled, filled.working, len(filled.exec_ids)) == (Decimal(10), False, 1)
    assert (filled.action, filled.con_id) == ("BUY", 756733)
    assert (resting.filled, resting.working, resting.quantity) == (0, True, Decimal(10))


@pytest.mark.parametrize(
    ("request_", "end"),
    [
        ("reqAllOpenOrders", "openOrderEnd"),
        ("reqCompletedOrders", "completedOrdersEnd"),
        ("reqExecutions", "execDetailsEnd"),
    ],
)
async def test_half_a_footprint_is_none(start: Start, request_: str, end: str) -> None:
    desk = await start(timeout=0.2)
    desk.server.inject(fault("drop", request_, message=end))
    with pytest.raises(GatewayError, match="cannot list the orders of the day"):
        await footprint(desk.connection)
    assert await footprint(desk.connection) == ()


async def test_orders_of_another_client_are_left_alone(start: Start, connect: Connect) -> None:
    desk = await start()
    await placed(desk, order(limit="400"))
    other = connect(desk.server.port, CLIENT + 1)
    await other.ready(5.0)
    seen = await open_orders(other, ONE)
    done = await cancel(other, seen, deadline=3.0)
    assert (done.foreign, done.cancelled) == (seen, ())
    assert await open_orders(other, ONE) == seen


async def test_a_lost_connection_wakes_who_waits_for_a_cancel(start: Start) -> None:
    desk = await start()
    await placed(desk, order(limit="400"))
    seen = await open_orders(desk.connection, ONE)
    desk.server.inject(fault("disconnect", "cancelOrder"))
    with pytest.raises(GatewayUnavailableError):
        await cancel(desk.connection, seen, deadline=60.0)
    assert desk.connection.generation == 1
