"""The world of a rehearsal: prices to the half step, currencies, what is missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalancer.errors import ConfigError, PermanentError
from rebalancer.rehearsal.setting import build
from rebalancer.rehearsal.starts import Start, from_cash, from_seen
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.world import World

NOW = 1_776_263_400.0


def seen(**instruments: dict[str, Any]) -> dict[str, Any]:
    """A snapshot of an account that holds ten of everything."""
    full = {
        symbol: {
            "con_id": 700 + n,
            "local_symbol": symbol,
            "currency": "USD",
            "primary_exchange": "ARCA",
            "min_tick": "0.01",
            "price": "100",
            "bid": None,
            "ask": None,
            "kind": "live",
            **given,
        }
        for n, (symbol, given) in enumerate(instruments.items())
    }
    positions = [
        {
            "symbol": symbol,
            "con_id": found["con_id"],
            "sec_type": "STK",
            "currency": found["currency"],
            "quantity": "10",
            "avg_cost": "1",
            "price": found["price"],
        }
        for symbol, found in full.items()
    ]
    return {
        "currency": "USD",
        "cash": {"USD": "5000"},
        "rates": {"USD": "1"},
        "positions": positions,
        "instruments": full,
        "taken_at": NOW,
    }


def start(name: str = "DU1", **instruments: dict[str, Any]) -> Start:
    return from_seen(name, seen(**instruments), "snapshot")


def made(starts: list[Start], symbols: list[str], **more: Any) -> World:
    more = {"prices": {}, "scenario": None, **more}
    return build(starts, symbols, **more).world


def reference(world: World, symbol: str) -> Decimal:
    """What the processor will plan with: the middle of bid and ask."""
    exchange = Exchange(world, NOW)
    [listing] = [x for x in world.listings if x.symbol == symbol]
    quote = exchange.quote(listing.con_id, NOW, 1)
    assert quote.bid is not None
    assert quote.ask is not None
    return (quote.bid + quote.ask) / 2


@given(
    st.integers(100, 1_000_000).map(lambda halves: halves * Decimal("0.005")),
    st.sampled_from(["0.01", "0.005", "0.001"]),
)
def test_a_known_price_is_the_price_that_is_planned_with(price: Decimal, tick: str) -> None:
    world = made([start(SPY={"price": str(price), "min_tick": tick})], ["SPY"])
    assert reference(world, "SPY") == price


@given(st.integers(50, 500_000), st.integers(1, 30))
def test_a_known_bid_and_ask_are_met(cents: int, spread: int) -> None:
    bid = Decimal(cents) / 100
    ask = bid + Decimal(spread) / 100
    price = {"price": str((bid + ask) / 2), "bid": str(bid), "ask": str(ask)}
    world = made([start(SPY=price)], ["SPY"])
    exchange = Exchange(world, NOW)
    quote = exchange.quote(world.listings[0].con_id, NOW, 1)
    assert (quote.bid, quote.ask) == (bid, ask)


def test_what_an_account_has_is_in_the_world() -> None:
    world = made([start(SPY={"price": "512.30"})], ["SPY"])
    [account] = world.accounts
    assert (account.account_id, account.currency) == ("DU1", "USD")
    assert account.cash == {"USD": Decimal(5000)}
    assert [(h.con_id, h.quantity) for h in account.holdings] == [(700, Decimal(10))]
    assert world.clock.always_open


def test_a_given_price_wins_and_a_younger_snapshot_wins() -> None:
    old = from_seen("DU1", {**seen(SPY={"price": "100"}), "taken_at": NOW - 5}, "snapshot")
    new = start("DU2", SPY={"price": "200"})
    assert reference(made([new, old], ["SPY"]), "SPY") == 200
    assert reference(made([from_cash("DU3", Decimal(1))], ["SPY"], market=[old]), "SPY") == 100
    given_price = made([new, old], ["SPY"], prices={"SPY": Decimal(300)})
    assert reference(given_price, "SPY") == 300


def test_a_price_that_nobody_knows_is_named_with_the_remedy() -> None:
    with pytest.raises(PermanentError, match=r"known for NOPE, VTI: .*--price 'NOPE=…'"):
        made([start(SPY={})], ["SPY", "NOPE", "VTI"])
    with pytest.raises(PermanentError, match="known for NOPE: "):
        made([start(SPY={})], ["SPY", "NOPE", "VTI"], scenario="default")


def test_a_scenario_that_is_named_lends_its_prices_and_says_so() -> None:
    setting = build(
        [from_cash("DU1", Decimal(100))],
        ["SPY", "VTI"],
        prices={"SPY": Decimal(500)},
        scenario="default",
    )
    assert setting.made_up == ("VTI",)
    assert reference(setting.world, "SPY") == 500


def test_a_scenario_nobody_has() -> None:
    with pytest.raises(ConfigError, match="no such scenario"):
        made([start(SPY={})], ["SPY"], scenario="worst-day")


def test_faults_with_prices_keep_their_proportion() -> None:
    world = made([start(GLD={"price": "38.86"}, SPY={})], ["GLD", "SPY"], scenario="bad-day")
    [jump] = [dict(f.args) for f in world.faults if f.kind == "set_price"]
    assert Decimal(jump["price"]) == Decimal("37.10")  # 371.00 of 388.60
    assert {x.symbol for x in world.listings} >= {"GLD", "SPY", "VTI"}
    assert len([x for x in world.listings if x.symbol == "GLD"]) == 1


def test_a_thin_market_stays_thin() -> None:
    world = made([start(SPY={"price": "50"})], ["SPY"], scenario="thin")
    [spy] = [x for x in world.listings if x.symbol == "SPY"]
    assert (spy.liquidity, spy.spread, spy.price, spy.con_id) == (40, 3, 50, 700)


def test_a_scenario_with_a_time_of_its_own_keeps_it() -> None:
    assert not made([start(SPY={})], ["SPY"], scenario="weekend").clock.always_open
    assert made([start(SPY={})], ["SPY"], scenario="thin").clock.always_open


def test_listings_of_elsewhere() -> None:
    europe = {"currency": "EUR", "primary_exchange": "IBIS2", "local_symbol": "VWCE"}
    here = seen(**{"VWCE@IBIS2/EUR": europe})
    here |= {"rates": {"USD": "1", "EUR": "1.10"}, "cash": {"USD": "10", "EUR": "3"}}
    world = made([from_seen("DU1", here, "snapshot")], ["VWCE@IBIS2/EUR"], scenario="weekend")
    [listing] = [x for x in world.listings if x.symbol == "VWCE"]
    assert (listing.currency, listing.primary_exchange) == ("EUR", "IBIS2")
    assert listing.calendar == "XETR"
    assert world.rates["EUR"] == Decimal("1.10")
    assert world.accounts[0].cash == {"USD": 10, "EUR": 3}


def test_rates_of_an_account_in_euros() -> None:
    here = {**seen(SPY={}), "currency": "EUR", "rates": {"EUR": "1", "USD": "0.8"}}
    world = made([from_seen("DU1", here, "snapshot")], ["SPY"])
    assert world.rates["EUR"] == Decimal("1.25")


def test_rates_of_an_account_that_never_held_dollars() -> None:
    here = {**seen(**{"ISF/GBP": {"currency": "GBP"}}), "currency": "GBP"}
    here |= {"cash": {"GBP": "50", "EUR": "5"}, "rates": {"GBP": "1", "EUR": "0.8"}}
    world = made([from_seen("DU1", here, "record")], ["ISF/GBP"])
    assert world.rates["EUR"] / world.rates["GBP"] == Decimal("0.8")


def test_rates_of_one_account_by_way_of_another() -> None:
    euros = {**seen(SPY={}), "currency": "EUR", "rates": {"EUR": "1", "USD": "0.8"}}
    pounds = {
        **seen(**{"ISF/GBP": {"currency": "GBP"}}),
        "currency": "GBP",
        "cash": {"GBP": "50"},
    }
    pounds |= {"rates": {"GBP": "1", "EUR": "0.8"}}
    starts = [from_seen("DU2", pounds, "snapshot"), from_seen("DU1", euros, "snapshot")]
    world = made(starts, ["SPY", "ISF/GBP"])
    assert (world.rates["EUR"], world.rates["GBP"]) == (Decimal("1.25"), Decimal("1.5625"))


def test_a_currency_whose_rate_nobody_knows() -> None:
    with pytest.raises(PermanentError, match=r"rate is known for EUR: .*rates: \{EUR: …\}"):
        made(
            [from_cash("DU1", Decimal(100))],
            ["VWCE@IBIS2/EUR"],
            prices={"VWCE@IBIS2/EUR": Decimal(100)},
        )


def test_one_contract_under_two_spellings() -> None:
    here = start(SPY={"con_id": 756733})
    world = made([here], ["conid:756733", "SPY"], prices={"conid:756733": Decimal(100)})
    assert [x.symbol for x in world.listings if x.con_id == 756733] == ["SPY"]


def test_what_cannot_be_shown_is_told() -> None:
    here = seen(SPY={})
    here["positions"] += [
        {
            "symbol": "QQQ   270115P00500000",
            "con_id": 1,
            "sec_type": "OPT",
            "currency": "USD",
            "quantity": "-3",
            "avg_cost": "2100",
            "price": None,
        },
        {
            "symbol": "DEAD",
            "con_id": 2,
            "sec_type": "STK",
            "currency": "USD",
            "quantity": "5",
            "avg_cost": "1",
            "price": None,
        },
    ]
    here["working"] = {"SPY": "5"}
    found = from_seen("DU1", here, "snapshot")
    assert [held.symbol for held in found.held] == ["SPY"]
    assert found.left_out == (
        "-3 QQQ   270115P00500000 (OPT)",
        "5 DEAD (without a price)",
        "working orders for SPY",
    )


def test_a_snapshot_of_an_older_version() -> None:
    here = seen(SPY={"price": "123.45"})
    del here["instruments"], here["rates"]
    here["plan"] = {"lines": [{"symbol": "BND", "price": "75.10"}]}
    world = made([from_seen("DU1", here, "snapshot")], ["SPY", "BND"])
    assert reference(world, "SPY") == Decimal("123.45")
    assert reference(world, "BND") == Decimal("75.10")


def test_an_unreadable_snapshot_is_refused() -> None:
    with pytest.raises(PermanentError, match="--from-cash"):
        from_seen("DU1", {"positions": [], "cash": {}}, "snapshot")
