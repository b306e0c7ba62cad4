"""What the gateway's messages, in every order it sends them, say of an order's fate."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from rebalancer.core.order import OrderStatus
from rebalancer.gateway.ticket import ACK_WITHIN, FILLS_WITHIN, TEXT_WITHIN
from tests.gateway.conftest import told
from tests.gateway.desk import TEN, Desk, spy_order

EXEC = "0000e0d5.69dd7411.01.01"

Said = Callable[[Desk], None]


def acknowledged(desk: Desk) -> None:
    desk.open_order(1, 555, "PreSubmitted")
    desk.status(1, 555, "PreSubmitted")


def submitted(desk: Desk) -> None:
    acknowledged(desk)
    desk.status(1, 555, "Submitted")


def filled(desk: Desk) -> None:
    desk.status(1, 555, "Filled", 10, 100.0)


def executed(desk: Desk) -> None:
    desk.fill(1, 555, EXEC)


def cancelled(desk: Desk) -> None:
    desk.status(1, 555, "Cancelled")


def inactive(desk: Desk) -> None:
    desk.status(1, 555, "Inactive")


def code(number: int) -> Said:
    return lambda desk: desk.error(1, number, f"text of {number}")


def half_executed(desk: Desk) -> None:
    desk.fill(1, 555, EXEC, 4)


@pytest.mark.parametrize(
    ("messages", "verdict"),
    [
        # live
        ([], None),
        ([acknowledged], None),
        ([submitted], None),
        ([submitted, half_executed], None),
        # notices under the order's id leave it live: 10349 came with 15 duplicate fills
        # where it was read as a cancel (ib_async issue 191)
        ([submitted, code(10349)], None),
        ([code(10349)], None),
        ([submitted, code(399)], None),
        ([submitted, code(404)], None),
        ([submitted, code(2109)], None),
        # filled: execDetails before and after the status, and without any
        ([submitted, executed, filled], "filled"),
        ([submitted, filled, executed], "filled"),
        ([submitted, executed], "filled"),
        ([submitted, filled], None),
        ([submitted, half_executed, filled], None),
        # refused without ever having been acknowledged
        ([code(201)], "rejected"),
        ([code(321)], "rejected"),
        ([code(103)], "rejected"),
        ([code(110)], "rejected"),
        ([code(202)], "cancelled"),
        # refused after it
        ([acknowledged, code(201), inactive], "rejected"),
        ([acknowledged, inactive, code(201)], "rejected"),
        ([acknowledged, code(201), cancelled], "rejected"),
        # a refusal of something we do not know leaves an acknowledged order in doubt
        ([submitted, code(201)], None),
        ([submitted, code(321)], None),
        ([submitted, code(99999)], None),
        ([code(99999)], None),
        ([acknowledged, inactive], None),
        # cancelled
        ([submitted, cancelled, code(202)], "cancelled"),
        ([submitted, cancelled], "cancelled"),
        ([submitted, code(202), cancelled], "cancelled"),
        ([submitted, half_executed, lambda d: d.status(1, 555, "Cancelled", 4)], "cancelled"),
        ([submitted, lambda d: d.status(1, 555, "Cancelled", 4)], None),
        # a late message takes nothing back
        ([submitted, executed, filled, lambda d: d.status(1, 555, "Submitted")], "filled"),
        ([submitted, cancelled, lambda d: d.status(1, 555, "PendingCancel")], "cancelled"),
    ],
)
async def test_verdicts(messages: list[Said], verdict: OrderStatus | None) -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    for message in messages:
        message(desk)
    assert ticket.verdict() == verdict


@pytest.mark.parametrize(
    ("messages", "at_once"),
    [
        ([code(99999)], True),
        ([submitted, code(201)], True),
        ([submitted, code(161)], True),
        ([submitted, inactive], True),
        ([lambda d: d.status(1, 0, "Cancelled")], True),
        ([], False),
        ([submitted], False),
        ([submitted, code(10349)], False),
    ],
)
async def test_when_the_gateway_is_asked_at_once(
    messages: list[Said], *, at_once: bool
) -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    for message in messages:
        message(desk)
    due = ticket.doubt(desk.now)
    assert (due is not None and due <= desk.now) is at_once


async def test_silence_is_doubt() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    due = ticket.doubt(desk.now)
    assert due is not None
    assert due == pytest.approx(desk.now + ACK_WITHIN, abs=1)
    submitted(desk)
    assert ticket.doubt(desk.now) is None
    filled(desk)
    due = ticket.doubt(desk.now)
    assert due is not None
    assert due == pytest.approx(desk.now + FILLS_WITHIN, abs=1)


async def test_an_order_the_gateway_does_not_know_was_refused_if_a_code_came() -> None:
    desk = Desk()
    quiet, refused = desk.ticket(spy_order(), 1), desk.ticket(spy_order(ref="rb:e1:1:QQQ"), 2)
    desk.error(2, 99999, "something new")
    for ticket in (quiet, refused):
        ticket.asked(desk.now, fully=False)
        assert ticket.verdict() is None
        ticket.asked(desk.now, fully=True)
    assert quiet.verdict() is None
    assert refused.verdict() == "rejected"
    assert refused.report().reason == "99999: something new"


async def test_an_inactive_order_may_still_trade_until_it_is_said_to_have_ended() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    submitted(desk)
    inactive(desk)
    ticket.asked(desk.now, fully=True)
    assert ticket.verdict() is None
    assert ticket.track is not None
    desk.completed(ticket.track.perm_id, "Inactive")
    assert ticket.verdict() == "rejected"


async def test_an_inactive_order_with_a_refusal_has_ended() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    submitted(desk)
    desk.error(1, 201, "Order rejected")
    inactive(desk)
    ticket.asked(desk.now, fully=True)
    assert ticket.verdict() == "rejected"


async def test_a_completed_order_is_recognised_by_its_reference() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    desk.completed(555, "Cancelled")
    ticket.asked(desk.now, fully=True)
    report = ticket.report()
    assert (report.status, report.reason) == ("cancelled", "Cancelled by System")


async def test_the_text_of_a_cancel_is_given_a_moment() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    submitted(desk)
    cancelled(desk)
    assert not ticket.settled(desk.now)
    assert ticket.settled(desk.now + TEXT_WITHIN)
    desk.error(1, 202, "Order Canceled - reason:")
    assert ticket.settled(desk.now)
    assert ticket.report().reason == "202: Order Canceled - reason:"


async def test_an_old_order_with_a_reissued_id_is_not_taken_for_ours() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(ref="rb:e2:1:SPY"), 1)
    desk.open_order(1, 444, ref="rb:e1:1:SPY")
    desk.status(1, 444, "Filled", 10, 99.0)
    desk.fill(1, 444, "0000aaaa.00000001.01.01", ref="rb:e1:1:SPY")
    assert ticket.track is None
    assert ticket.report().filled == 0


async def test_another_clients_order_with_our_id_is_not_ours() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    desk.open_order(1, 444, client=99)
    desk.fill(1, 444, "0000aaaa.00000001.01.01", client=99)
    assert ticket.track is None


async def test_the_highest_revision_of_a_fill_wins_whenever_it_comes() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    submitted(desk)
    desk.fill(1, 555, "0000e0d5.69dd7411.01.02", price=101.0)
    desk.fill(1, 555, "0000e0d5.69dd7411.01.01", price=100.0)
    desk.fill(1, 555, "0000e0d5.69dd7411.01.01", price=100.0)
    report = ticket.report()
    assert (report.filled, report.avg_price) == (TEN, Decimal(101))
    assert [fill.exec_id for fill in report.fills] == ["0000e0d5.69dd7411.01.02"]


async def test_a_commission_is_unknown_until_it_is_told() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    submitted(desk)
    executed(desk)
    assert ticket.report().fills[0].commission is None
    desk.commission(EXEC, 1.7976931348623157e308)
    assert ticket.report().fills[0].commission is None
    desk.commission(EXEC, 1.05)
    assert ticket.report().fills[0].commission == Decimal("1.05")


async def test_a_commission_may_come_before_its_fill() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    desk.commission(EXEC, 1.05)
    submitted(desk)
    executed(desk)
    assert ticket.report().fills[0].commission == Decimal("1.05")


async def test_the_average_is_that_of_the_fills() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    submitted(desk)
    desk.fill(1, 555, "a.b.01.01", 4, 100.0)
    desk.fill(1, 555, "a.b.02.01", 6, 101.0)
    report = ticket.report()
    assert told(report) == ("filled", 10, 0)
    assert report.avg_price == Decimal("100.6")


async def test_an_unasked_completed_order_changes_nothing_else() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    submitted(desk)
    desk.completed(666, "Filled", ref="somebody else's")
    assert ticket.verdict() is None
