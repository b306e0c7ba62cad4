"""Contracts, quotes, market data types and historical bars."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rebalancer.sim.vocabulary import Bar, ContractSpec, Fault
from rebalancer.sim.world import Listing, PricePoint
from tests.support.exchange_play import Play, market, new_york

AAPL = 265598


def test_contract_details_are_those_recorded_for_apple() -> None:
    spec = ContractSpec(symbol="AAPL", sec_type="STK", exchange="SMART", currency="USD")
    (found,) = Play().exchange.find(spec)
    assert found.con_id == AAPL
    assert (found.primary_exchange, found.local_symbol) == ("NASDAQ", "AAPL")
    assert (found.trading_class, found.market_name) == ("NMS", "NMS")
    assert (found.min_tick, found.time_zone) == (Decimal("0.01"), "US/Eastern")


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (ContractSpec(con_id=AAPL), 1),
        (ContractSpec(con_id=AAPL, exchange="SMART", symbol="AAPL", right="?"), 1),
        (ContractSpec(con_id=AAPL, exchange="IBIS2"), 0),
        (ContractSpec(con_id=AAPL, symbol="MSFT"), 0),
        (ContractSpec(con_id=7), 0),
        (ContractSpec(symbol="AAPL", exchange="NASDAQ", primary_exchange="NASDAQ"), 1),
        (ContractSpec(symbol="AAPL", sec_type="OPT"), 0),
        (ContractSpec(symbol="AAPL", currency="EUR"), 0),
        (ContractSpec(symbol="TWIN"), 2),
        (ContractSpec(symbol="TWIN", currency="EUR"), 1),
        (ContractSpec(symbol="Q", sec_type="OPT", strike="500", right="P"), 1),
        (ContractSpec(symbol="Q", sec_type="OPT", strike="501.0"), 0),
        (ContractSpec(symbol="Q", sec_type="OPT", strike="nonsense"), 0),
        (ContractSpec(), 4),
    ],
)
def test_contracts_are_found_by_what_is_said_of_them(spec: ContractSpec, count: int) -> None:
    listings = (
        market().listings[0],
        Listing(900000201, "TWIN", Decimal(10)),
        Listing(900000202, "TWIN", Decimal(9), currency="EUR", primary_exchange="IBIS2"),
        Listing(
            900000203,
            "Q",
            Decimal(21),
            sec_type="OPT",
            strike="500.0",
            right="P",
            multiplier="100",
        ),
    )
    rates = {"EUR": Decimal("1.1")}
    assert len(Play(market(listings=listings, rates=rates)).exchange.find(spec)) == count


def test_an_ambiguous_contract_is_no_contract() -> None:
    listings = (
        Listing(900000201, "TWIN", Decimal(10)),
        Listing(900000202, "TWIN", Decimal(9), primary_exchange="BATS"),
    )
    assert Play(market(listings=listings)).buy(1, "TWIN") == [
        "error 200 The contract description specified for TWIN is ambiguous."
    ]


def test_a_quote_has_a_spread_and_yesterdays_close() -> None:
    play = Play()
    play.move("AAPL", 260)
    quote = play.exchange.quote(AAPL, play.now)
    assert (quote.bid, quote.ask, quote.last) == (Decimal(260), Decimal("260.01"), Decimal(260))
    assert (quote.close, quote.high, quote.low) == (Decimal(258), Decimal(260), Decimal(258))


def test_a_closed_market_has_no_bid_and_ask_unless_frozen() -> None:
    play = Play(start="2026-04-18 12:00")
    live, frozen = (play.exchange.quote(AAPL, play.now, kind) for kind in (1, 2))
    assert (live.bid, live.ask, live.last) == (None, None, Decimal(258))
    assert frozen.bid == Decimal(258)


def test_the_close_becomes_the_last_price_at_the_close() -> None:
    play = Play()
    play.move("AAPL", 262)
    play.until("2026-04-15 16:30")
    play.move("AAPL", 270)
    assert play.exchange.quote(AAPL, play.now).close == 262


def test_prices_follow_their_path() -> None:
    path = (PricePoint(30, Decimal(250)), PricePoint(60, Decimal(240)))
    listing = Listing(AAPL, "AAPL", Decimal(258), path=path)
    play = Play(market(listings=(listing,)))
    play.buy(1, limit=245)
    assert play.exchange.next_wakeup(play.now) == play.now + 30
    assert play.wait(59) == []
    assert "execDetails BOT 1 @ 245" in play.wait(1)
    assert play.exchange.quote(AAPL, play.now).last == 240


def test_a_skipped_path_is_still_walked() -> None:
    # Down to 240 and up again between two looks: the order at 245 has filled meanwhile.
    path = (PricePoint(30, Decimal(240)), PricePoint(60, Decimal(258)))
    play = Play(market(listings=(Listing(AAPL, "AAPL", Decimal(258), path=path),)))
    play.buy(1, limit=245)
    assert "execDetails BOT 1 @ 245" in play.wait(600)


def test_breathing_prices_depend_on_the_time_alone() -> None:
    listing = Listing(AAPL, "AAPL", Decimal(258), wiggle=Decimal(10), wiggle_every=5)
    plays = [Play(market(listings=(listing,))) for _ in range(2)]
    plays[0].wait(3600)
    for _ in range(12):
        plays[1].wait(300)
    first, second = (play.exchange.quote(AAPL, play.now).last for play in plays)
    assert first == second
    assert first is not None
    assert abs(first - 258) <= Decimal("0.26")
    assert plays[0].exchange.next_wakeup(plays[0].now) == plays[0].now + 5


@pytest.mark.parametrize(
    ("data", "requested", "kind", "code"),
    [
        ("live", 1, 1, 0),
        ("live", 3, 1, 0),
        ("delayed", 1, 0, 10089),
        ("delayed", 3, 3, 10167),
        ("delayed", 4, 3, 10167),
        ("none", 1, 0, 354),
        ("none", 3, 0, 354),
    ],
)
def test_market_data_are_granted_by_subscription(
    data: str, requested: int, kind: int, code: int
) -> None:
    listing = Listing(AAPL, "AAPL", Decimal(258), data=data)  # type: ignore[arg-type]
    grant = Play(market(listings=(listing,))).exchange.market_data_type(AAPL, requested)
    assert (grant.kind, grant.code) == (kind, code)
    assert bool(grant.text) == bool(code)


def test_after_hours_frozen_data_are_granted_as_such() -> None:
    play = Play(start="2026-04-18 12:00")
    assert play.exchange.market_data_type(AAPL, 2).kind == 2
    assert play.exchange.market_data_type(AAPL, 1).kind == 1


def bars(play: Play, **wanted: object) -> tuple[Bar, ...]:
    request: dict[str, object] = {
        "end": play.now,
        "duration": "1 D",
        "bar_size": "1 hour",
        "what": "TRADES",
        "use_rth": True,
    }
    found = play.exchange.history(AAPL, **{**request, **wanted})  # type: ignore[arg-type]
    assert isinstance(found, tuple), found
    return found


def test_hourly_bars_begin_on_the_hour_after_a_short_first_one() -> None:
    # As recorded for Apple, 1 D of 1 hour: 09:30, 10:00, 11:00 … 15:00.
    play = Play(start="2026-04-15 17:00")
    starts = [bar.time for bar in bars(play)]
    assert starts[:2] == [new_york("2026-04-15 09:30"), new_york("2026-04-15 10:00")]
    assert len(starts) == 7
    assert starts[-1] == new_york("2026-04-15 15:00")


def test_bars_are_sound_and_agree_with_each_other() -> None:
    play = Play(start="2026-04-15 17:00")
    year = bars(play, duration="1 Y", bar_size="1 day")
    assert len(year) == 252
    assert all(bar.low <= min(bar.open, bar.close) for bar in year)
    assert all(bar.high >= max(bar.open, bar.close) for bar in year)
    assert year[-21:] == bars(play, duration="1 M", bar_size="1 day")
    assert year[:-1][-5:] == bars(
        play, duration="1 W", bar_size="1 day", end=new_york("2026-04-14 23:00")
    )


def test_the_forming_bar_ends_at_the_present_price() -> None:
    play = Play()
    play.move("AAPL", "261.50")
    last = bars(play, duration="1800 S", bar_size="5 mins")[-1]
    assert last.close <= last.high
    assert bars(play, bar_size="1 day")[-1].close == Decimal("261.50")


@pytest.mark.parametrize(
    "wanted",
    [
        {"bar_size": "7 parsecs"},
        {"duration": "soon"},
        {"duration": "1 X"},
        {"what": "GOSSIP"},
        {"duration": "100 Y", "bar_size": "1 secs"},
    ],
)
def test_history_that_is_not_kept_is_declined_in_words(wanted: dict[str, str]) -> None:
    play = Play()
    request = {"duration": "1 D", "bar_size": "1 hour", "what": "TRADES", **wanted}
    found = play.exchange.history(AAPL, end=play.now, use_rth=True, **request)
    assert isinstance(found, str)


def test_prices_can_break() -> None:
    faults = (
        Fault("price_nan", "+10", args=(("seconds", "10"), ("symbol", "AAPL"))),
        Fault("price_minus_one", "+30"),
        Fault("no_data", "+40", args=(("seconds", "10"), ("code", "10197"))),
        Fault("delayed_data", "+60"),
    )
    play = Play(market(faults=faults))

    def last() -> Decimal | None:
        return play.exchange.quote(AAPL, play.now).last

    def kind() -> tuple[int, int]:
        grant = play.exchange.market_data_type(AAPL, 3)
        return grant.kind, grant.code

    assert last() == 258
    play.wait(10)
    assert (price := last()) is not None
    assert price.is_nan()
    play.wait(10)
    assert last() == 258
    play.wait(10)
    assert last() == -1
    assert kind() == (1, 0)
    play.wait(10)
    assert kind() == (0, 10197)
    play.wait(20)
    assert kind() == (3, 10167)
