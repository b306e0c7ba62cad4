"""Market data lines: the reference price, and what is kept warm."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from rebalancer.core.account import Instrument
from rebalancer.gateway.lines import KEEP, MAX_AGE, Line, Lines

BID, ASK, LAST, CLOSE, DELAYED_BID, DELAYED_ASK = 1, 2, 4, 9, 66, 67


def instrument(con_id: int = 756733) -> Instrument:
    return Instrument(
        symbol=f"S{con_id}",
        con_id=con_id,
        local_symbol=f"S{con_id}",
        sec_type="STK",
        currency="USD",
        exchange="SMART",
        primary_exchange="ARCA",
        min_tick=Decimal("0.01"),
        time_zone="US/Eastern",
        trading_hours="",
        liquid_hours="",
    )


@dataclass
class Gateway:
    """The far end: remembers what was asked for; time stands until it is moved."""

    now: float = 1000.0
    asked: list[tuple[int, int]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)

    def subscribe(self, wanted: Instrument, kind: int) -> int:
        self.asked.append((wanted.con_id, kind))
        return len(self.asked)

    def lines(self, limit: int = 90) -> Lines:
        return Lines(
            self.subscribe,
            self.cancelled.append,
            clock=lambda: self.now,
            monotonic=lambda: self.now,
            limit=limit,
        )


def acquired(lines: Lines, con_id: int = 756733, *, delayed: bool = False) -> Line:
    line = lines.acquire(instrument(con_id), delayed=delayed)
    assert line is not None
    return line


@pytest.mark.parametrize(
    ("bid", "ask", "last", "price"),
    [
        (99.0, 101.0, 99.5, "100"),  # the middle, whatever the last trade was
        (99.0, 101.0, None, "100"),
        (None, None, 99.5, "99.5"),
        (99.0, None, 98.0, "99"),  # a trade below the bid is old
        (None, 101.0, 102.0, "101"),
        (90.0, 110.0, 95.0, "95"),  # too far apart to be a market
        (90.0, 110.0, 80.0, "90"),
        (101.0, 99.0, 100.5, "100.5"),  # crossed
        (90.0, 110.0, None, None),
        (99.0, None, None, None),
        (None, None, None, None),
        (-1.0, -1.0, -1.0, None),
        (float("nan"), float("nan"), float("nan"), None),
        (0.0, 0.0, 0.0, None),
    ],
)
def test_the_reference_price(
    bid: float | None,
    ask: float | None,
    last: float | None,
    price: str | None,
) -> None:
    lines = Gateway().lines()
    line = acquired(lines)
    for tick_type, value in ((BID, bid), (ASK, ask), (LAST, last), (CLOSE, 50.0)):
        if value is not None:
            lines.price_tick(line.req_id, tick_type, value, 100)
    quote = line.quote()
    assert (quote.price if quote else None) == (Decimal(price) if price else None)


def test_a_side_where_nobody_stands_is_no_side() -> None:
    lines = Gateway().lines()
    line = acquired(lines)
    lines.price_tick(line.req_id, BID, 99.0, 0)
    lines.price_tick(line.req_id, ASK, 101.0, 100)
    assert line.bid is None
    lines.size_tick(line.req_id, 3, 0)
    assert line.ask is None
    assert line.quote() is None


def test_delayed_ticks_are_delayed_whatever_was_announced() -> None:
    lines = Gateway().lines()
    line = acquired(lines, delayed=True)
    lines.announced(line.req_id, 1)
    lines.price_tick(line.req_id, DELAYED_BID, 99.0, 0)
    lines.price_tick(line.req_id, DELAYED_ASK, 101.0, 0)
    quote = line.quote()
    assert quote is not None
    assert (quote.kind, quote.price) == ("delayed", Decimal(100))


def test_a_line_is_shared_and_stays_warm() -> None:
    gateway = Gateway()
    lines = gateway.lines()
    first, second = acquired(lines), acquired(lines)
    assert first is second
    lines.price_tick(first.req_id, LAST, 100.0, 10)
    lines.release(first)
    lines.release(second)
    gateway.now += MAX_AGE
    assert acquired(lines) is first
    assert gateway.asked == [(756733, 1)]
    assert gateway.cancelled == []


def test_an_old_tick_is_asked_for_anew() -> None:
    gateway = Gateway()
    lines = gateway.lines()
    line = acquired(lines)
    lines.price_tick(line.req_id, LAST, 100.0, 10)
    lines.release(line)
    gateway.now += MAX_AGE + 1
    assert acquired(lines) is not line
    assert gateway.cancelled == [line.req_id]


def test_nothing_older_than_a_broken_data_farm_is_believed() -> None:
    gateway = Gateway()
    lines = gateway.lines()
    line = acquired(lines)
    lines.price_tick(line.req_id, LAST, 100.0, 10)
    lines.release(line)
    lines.farm_broke()
    assert acquired(lines) is not line


def test_a_line_that_told_nothing_or_was_refused_is_not_kept() -> None:
    gateway = Gateway()
    lines = gateway.lines()
    silent, refused = acquired(lines, 1), acquired(lines, 2)
    lines.error(refused.req_id, 354, "not subscribed")
    lines.release(silent)
    lines.release(refused)
    assert lines.ids() == ()
    assert gateway.cancelled == [silent.req_id, refused.req_id]


def test_a_delayed_line_does_not_serve_who_wants_live_prices() -> None:
    gateway = Gateway()
    lines = gateway.lines()
    line = acquired(lines, delayed=True)
    lines.announced(line.req_id, 3)
    lines.price_tick(line.req_id, DELAYED_BID, 99.0, 1)
    assert acquired(lines, delayed=False) is not line
    assert gateway.asked == [(756733, 3), (756733, 1)]


def test_room_is_made_by_the_longest_unused_line() -> None:
    gateway = Gateway()
    lines = gateway.lines(limit=2)
    old = acquired(lines, 1)
    gateway.now += 1
    young = acquired(lines, 2)
    assert lines.acquire(instrument(3), delayed=False) is None
    for line in (old, young):
        lines.price_tick(line.req_id, LAST, 100.0, 10)
        lines.release(line)
        gateway.now += 1
    acquired(lines, 3)
    assert gateway.cancelled == [old.req_id]


def test_lines_unused_for_long_are_closed() -> None:
    gateway = Gateway()
    lines = gateway.lines()
    line = acquired(lines)
    lines.price_tick(line.req_id, LAST, 100.0, 10)
    lines.release(line)
    gateway.now += KEEP
    lines.tidy()
    assert gateway.cancelled == []
    gateway.now += 1
    lines.tidy()
    assert gateway.cancelled == [line.req_id]


@pytest.mark.parametrize(
    ("code", "delayed", "ends"),
    [
        (354, False, True),
        (10168, True, True),
        (10197, False, True),
        (200, False, True),
        (10167, False, True),
        (10167, True, False),
        (10089, False, False),
        (10090, False, False),
        (99999, False, False),
    ],
)
def test_which_codes_end_a_line(code: int, *, delayed: bool, ends: bool) -> None:
    lines = Gateway().lines()
    line = acquired(lines, delayed=delayed)
    assert lines.error(line.req_id, code, "text")
    assert (line.refusal is not None) is ends
    assert not lines.error(4711, code, "text")
