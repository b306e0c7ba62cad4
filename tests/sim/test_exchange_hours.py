"""Trading hours, and what they do to orders. Holidays are those the exchanges published."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from rebalancer.sim.venue.market_hours import CALENDARS, Calendar
from rebalancer.sim.world import Clock
from tests.support.exchange_play import Play, account, market, new_york

NYSE = CALENDARS["XNYS"]

# https://www.nyse.com/markets/hours-calendars
NYSE_CLOSED = """
2024-01-01 2024-01-15 2024-02-19 2024-03-29 2024-05-27 2024-06-19 2024-07-04 2024-09-02
2024-11-28 2024-12-25
2025-01-01 2025-01-09 2025-01-20 2025-02-17 2025-04-18 2025-05-26 2025-06-19 2025-07-04
2025-09-01 2025-11-27 2025-12-25
2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 2026-07-03 2026-09-07
2026-11-26 2026-12-25
2027-01-01 2027-01-18 2027-02-15 2027-03-26 2027-05-31 2027-06-18 2027-07-05 2027-09-06
2027-11-25 2027-12-24
2028-01-17 2028-02-21 2028-04-14 2028-05-29 2028-06-19 2028-07-04 2028-09-04 2028-11-23
2028-12-25
"""
NYSE_HALF_DAYS = """
2024-07-03 2024-11-29 2024-12-24 2025-07-03 2025-11-28 2025-12-24 2026-11-27 2026-12-24
2027-11-26 2028-07-03 2028-11-24
"""


def local(stretch_edge: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(stretch_edge, ZoneInfo(zone)):%H:%M}"


def test_new_york_is_closed_on_its_holidays_and_no_other_weekday() -> None:
    days = [
        date.fromordinal(number)
        for number in range(date(2024, 1, 1).toordinal(), date(2029, 1, 1).toordinal())
    ]
    closed = [d.isoformat() for d in days if d.weekday() < 5 and not NYSE.stretches(d)]
    assert closed == NYSE_CLOSED.split()
    early = [
        d.isoformat()
        for d in days
        if (s := NYSE.stretches(d)) and local(s[-1].closes, "America/New_York") == "13:00"
    ]
    assert early == NYSE_HALF_DAYS.split()


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("XETR", "2026-04-15", "09:00-17:30"),
        ("XETR", "2026-12-30", "09:00-14:00"),
        ("XETR", "2026-05-01", ""),
        ("XETR", "2026-04-06", ""),
        ("XLON", "2026-04-15", "08:00-16:30"),
        ("XLON", "2026-12-24", "08:00-12:30"),
        ("XLON", "2026-12-28", ""),
        ("XLON", "2027-12-28", ""),
        ("XTKS", "2026-04-15", "09:00-11:30 12:30-15:30"),
    ],
)
def test_other_exchanges_keep_their_own_hours(name: str, day: str, hours: str) -> None:
    calendar = CALENDARS[name]
    found = calendar.stretches(date.fromisoformat(day))
    shown = " ".join(
        f"{local(s.opens, calendar.zone)}-{local(s.closes, calendar.zone)}" for s in found
    )
    assert shown == hours


def test_hours_are_written_as_ibkr_writes_them() -> None:
    at = new_york("2026-11-25 12:00")
    assert NYSE.text(at, extended=False, days=5) == (
        "20261125:0930-20261125:1600;20261126:CLOSED;20261127:0930-20261127:1300;"
        "20261128:CLOSED;20261129:CLOSED"
    )
    assert NYSE.text(at, extended=True, days=3) == (
        "20261125:0400-20261125:2000;20261126:CLOSED;20261127:0400-20261127:1700"
    )
    assert CALENDARS["XTKS"].text(at, extended=False, days=1) == (
        "20261126:0900-20261126:1130,20261126:1230-20261126:1530"
    )
    assert CALENDARS["ALWAYS"].text(at, extended=False, days=1) == "20261125:0000-20261126:0000"


def test_the_clock_change_moves_the_session_with_it() -> None:
    # New York went to summer time on 8 March 2026: 14:30 UTC before, 13:30 UTC after.
    friday, monday = NYSE.stretches(date(2026, 3, 6)), NYSE.stretches(date(2026, 3, 9))
    assert monday[0].opens - friday[0].opens == 3 * 86_400 - 3_600


@pytest.mark.parametrize(
    ("at", "phase"),
    [
        ("2026-04-15 03:59", "closed"),
        ("2026-04-15 04:00", "extended"),
        ("2026-04-15 09:30", "regular"),
        ("2026-04-15 15:59", "regular"),
        ("2026-04-15 16:00", "extended"),
        ("2026-04-15 20:00", "closed"),
        ("2026-04-18 12:00", "closed"),
        ("2026-11-27 13:00", "extended"),
        ("2026-11-27 17:00", "closed"),
    ],
)
def test_the_phases_of_a_day(at: str, phase: str) -> None:
    assert NYSE.phase(new_york(at)) == phase


def test_the_next_boundary_is_the_nearest_opening_or_close() -> None:
    assert NYSE.next_boundary(new_york("2026-04-17 12:00")) == new_york("2026-04-17 16:00")
    assert NYSE.next_boundary(new_york("2026-04-17 20:00")) == new_york("2026-04-20 04:00")
    assert CALENDARS["ALWAYS"].next_boundary(0.0) is None


# Orders -------------------------------------------------------------------------------------

WARNED = (
    "error 399 Order Message:\nBUY 1 AAPL NASDAQ.NMS\nWarning: Your order will not be placed "
    "at the exchange until {until} US/Eastern."
)


@pytest.mark.parametrize(
    ("start", "opens"),
    [
        ("2026-04-15 08:00", "2026-04-15 09:30:00"),
        ("2026-04-15 18:00", "2026-04-16 09:30:00"),
        ("2026-04-18 11:00", "2026-04-20 09:30:00"),
        ("2026-07-02 17:00", "2026-07-06 09:30:00"),
    ],
)
def test_an_order_outside_hours_is_held_and_filled_at_the_open(start: str, opens: str) -> None:
    play = Play(start=start)
    assert play.buy(1) == [
        "openOrder PreSubmitted",
        "orderStatus PreSubmitted 0/1",
        WARNED.format(until=opens),
        "openOrder PreSubmitted",
        "orderStatus PreSubmitted 0/1",
    ]
    assert play.exchange.next_wakeup(play.now) is not None
    filled = play.until(opens[:16])
    assert filled[:3] == [
        "openOrder Submitted",
        "orderStatus Submitted 0/1",
        "execDetails BOT 1 @ 258.01",
    ]
    assert play.exchange.fills[0].at == new_york(opens[:16])


def test_outside_rth_lets_a_limit_order_trade_early_but_no_market_order() -> None:
    play = Play(start="2026-04-15 08:00")
    assert "orderStatus Filled 1/0" in play.buy(1, limit=259, outside_rth=True)
    warned = play.buy(1, outside_rth=True)
    assert warned[0].startswith(
        "error 2109 Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored"
    )
    assert warned[3].startswith("error 399 ")


def test_a_day_order_ends_with_its_session() -> None:
    play = Play()
    play.buy(1, limit=10)
    play.buy(1, limit=10, outside_rth=True)
    play.buy(1, limit=10, tif="GTC")
    assert play.until("2026-04-15 15:59") == []
    ended = ["orderStatus Cancelled 0/1", "error 202 Order Canceled - reason:"]
    assert play.until("2026-04-15 16:00") == ended
    assert play.until("2026-04-15 20:00") == ended
    (left,) = play.exchange.open_orders()
    assert left.order.tif == "GTC"
    (first, _) = play.exchange.completed_orders()
    assert first.completed_status == "Cancelled by System:\n"
    assert first.completed_time == "20260415 16:00:00 US/Eastern"


def test_a_good_till_cancelled_order_gets_the_next_days_open() -> None:
    play = Play()
    play.buy(1, limit=250, tif="GTC")
    play.until("2026-04-15 21:00")
    play.move("AAPL", 240)
    assert "execDetails BOT 1 @ 240.01" in play.until("2026-04-16 09:30")


def test_a_good_till_date_order_ends_then() -> None:
    play = Play()
    play.buy(1, limit=10, tif="GTD", good_till="20260415 11:00:00 US/Eastern")
    assert play.until("2026-04-15 10:59") == []
    assert play.until("2026-04-15 11:00")[0] == "orderStatus Cancelled 0/1"


def test_a_good_after_time_order_waits() -> None:
    play = Play()
    play.buy(1, good_after="20260415 11:00:00 US/Eastern")
    assert play.until("2026-04-15 10:59") == []
    assert "orderStatus Filled 1/0" in play.until("2026-04-15 11:00")


def test_on_close_orders_trade_at_the_closing_price() -> None:
    play = Play(market(accounts=account(positions={265598: 5})))
    play.sell(5, kind="MOC")
    play.buy(1, kind="LOC", limit=255)
    play.buy(1, kind="LOC", limit=250)
    play.until("2026-04-15 15:59")
    play.move("AAPL", 254)
    closing = play.until("2026-04-15 16:00")
    assert "execDetails SLD 5 @ 254" in closing
    assert closing.count("execDetails BOT 1 @ 254") == 1
    assert "orderStatus Cancelled 0/1" in closing
    assert play.exchange.open_orders() == ()


def test_on_open_orders_trade_at_the_opening_price() -> None:
    play = Play(start="2026-04-15 08:00")
    play.buy(2, tif="OPG")
    play.buy(1, limit=200, tif="OPG")
    opening = play.until("2026-04-15 09:30")
    assert "execDetails BOT 2 @ 258.00" in opening
    assert "orderStatus Cancelled 0/1" in opening


def test_an_on_open_order_during_the_session_waits_for_the_next() -> None:
    play = Play()
    play.buy(1, tif="OPG")
    play.until("2026-04-15 23:00")
    assert play.held() == 0
    play.until("2026-04-16 09:30")
    assert play.held() == 1


def test_a_market_that_is_always_open_neither_holds_nor_ends_orders() -> None:
    play = Play(market(clock=Clock(always_open=True)), start="2026-04-18 03:00")
    assert "orderStatus Filled 1/0" in play.buy(1)
    assert "orderStatus Filled 1/0" in play.buy(1, kind="MOC")
    assert "orderStatus Filled 1/0" in play.buy(1, tif="OPG")
    play.buy(1, limit=10)
    play.until("2026-05-18 03:00")
    assert len(play.exchange.open_orders()) == 1
    contract = play.exchange.contract(265598)
    assert contract.liquid_hours.startswith("20260518:0000-20260519:0000;")


def test_a_custom_calendar_closes_on_its_own_days() -> None:
    lunch = Calendar(
        name="LUNCH",
        zone="Asia/Hong_Kong",
        regular=((time(9, 30), time(12)), (time(13), time(16))),
        closed=frozenset({date(2026, 4, 15)}),
    )
    world = market(calendars=(lunch,))
    listing = replace(world.listings[0], calendar="LUNCH")
    play = Play(replace(world, listings=(listing,)))
    assert play.exchange.contract(265598).liquid_hours.startswith(
        "20260415:CLOSED;20260416:0930-"
    )
    assert any("until 2026-04-16 09:30:00 Asia/Hong_Kong" in line for line in play.buy(1))
