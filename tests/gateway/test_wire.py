"""Frames as a gateway sends them, through ib_async's decoder, into the session."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rebalancer.errors import GatewayError
from tests.gateway.desk import Desk, spy_order


def execution(at: str) -> list[str]:
    """``execDetails`` at server version 178."""
    return [
        *("11", "-1", "1", "756733", "SPY", "STK", "", "0.0", "", "", "ARCA", "USD", "SPY"),
        *("SPY", "0000e0d5.69dd7411.01.01", at, "DU1000001", "ARCA", "BOT", "10", "100.5"),
        *("555", "7", "0", "10", "100.5", "rb:e1:1:SPY", "", "", "", "2", "0"),
    ]


def feed(desk: Desk, fields: list[str]) -> None:
    desk.wire.client.decoder.serverVersion = 178
    desk.wire.client.decoder.interpret(fields)


@pytest.mark.parametrize(
    ("at", "unix"),
    [
        # IBKR writes the zone of the login; the first is how a live gateway wrote it.
        ("20260413 15:27:04 US/Eastern", 1776108424.0),
        ("20260413 19:27:04 UTC", 1776108424.0),
        ("20260413 19:27:04 Central European Standard Time", 1776108424.0),
        ("20260413 19:27:04 Nowhere/Special", 1776108424.0),
    ],
)
async def test_a_fill_survives_any_time_zone(at: str, unix: float) -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    feed(desk, execution(at))
    (fill,) = ticket.report().fills
    assert (fill.quantity, fill.price, fill.at) == (Decimal(10), Decimal("100.5"), unix)


async def test_an_empty_commission_is_none() -> None:
    desk = Desk()
    ticket = desk.ticket(spy_order(), 1)
    feed(desk, execution("20260413 15:27:04 US/Eastern"))
    feed(desk, ["59", "1", "0000e0d5.69dd7411.01.01", "", "USD", "", "", ""])
    assert ticket.report().fills[0].commission is None
    feed(desk, ["59", "1", "0000e0d5.69dd7411.01.01", "0", "USD", "", "", ""])
    assert ticket.report().fills[0].commission == 0


async def test_an_unreadable_position_spoils_the_answers_being_collected() -> None:
    desk = Desk()
    reply = desk.session.open("positions")
    feed(desk, ["71", "1", str(reply.req_id), "DU1000001", "756733", "SPY", "STK"])
    with pytest.raises(GatewayError, match="unreadable message"):
        await desk.session.answered(reply, 1.0)


async def test_an_unreadable_tick_spoils_nothing() -> None:
    desk = Desk()
    reply = desk.session.open("positions")
    feed(desk, ["1", "6", "9", "x", "y", "z", "0"])
    feed(desk, ["4711", "1"])
    feed(desk, [])
    assert not reply.ended.done()


async def test_codes_about_nothing_of_ours_are_the_connections() -> None:
    desk = Desk()
    feed(desk, ["4", "2", "-1", "1100", "Connectivity has been lost", ""])
    assert desk.heard == [(-1, 1100, "Connectivity has been lost")]
