"""Currencies at the simulated exchange: pairs, pence, and steps that grow with the price."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.errors import ConfigError
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.scenario import load_world, parse
from rebalancer.sim.venue.pairs import pairs
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec, WhatIf
from rebalancer.sim.world import Clock, World
from tests.support.exchange_play import lines, new_york

EURO, STERLING = "DU1000001", "DU1000002"
#: A Wednesday, 16:00 in Frankfurt.
NOW = new_york("2026-04-15 10:00")


def europe(**changes: Any) -> Exchange:
    return Exchange(replace(load_world("europe"), **changes), NOW)


def place(
    exchange: Exchange,
    action: str,
    quantity: int,
    name: str,
    limit: object = None,
    account: str = EURO,
    **more: Any,
) -> list[Any]:
    (listed,) = [c for c in exchange.find(ContractSpec()) if c.local_symbol == name]
    order = OrderSpec(
        action,
        Decimal(quantity),
        "MKT" if limit is None else "LMT",
        None if limit is None else Decimal(str(limit)),
        None,
        "DAY",
        account,
        **more,
    )
    order_id = exchange.connect(1, exchange.now)
    spec = ContractSpec(con_id=listed.con_id)
    return list(exchange.place(1, order_id, spec, order, exchange.now))


def cash(exchange: Exchange, account: str = EURO) -> dict[str, Decimal]:
    rows = exchange.account_values(account)
    return {r.currency: Decimal(r.value) for r in rows if r.tag == "CashBalance"}


# Pairs ---------------------------------------------------------------------------------------


def test_there_is_a_pair_for_any_two_currencies() -> None:
    names = {
        pair.ticker: pair.price
        for pair in pairs({"EUR": Decimal("1.1"), "JPY": Decimal("0.007")})
    }
    assert names == {
        "EUR.USD": Decimal("1.1"),
        "EUR.JPY": Decimal("157.145"),
        "USD.JPY": Decimal("142.855"),
    }
    assert pairs({}) == ()


def test_a_conversion_moves_cash_and_costs_two_dollars() -> None:
    exchange = europe()
    reply = lines(place(exchange, "SELL", 30_000, "EUR.USD"))
    assert "orderStatus Filled 30000/0" in reply
    assert not any(line.startswith("error") for line in reply)
    # Two dollars are 1.82 euros, the currency that the account is charged in.
    assert cash(exchange) == {
        "EUR": Decimal("69998.18"),
        "USD": Decimal("33000.00"),
        "BASE": Decimal("99998.18"),
    }
    lines(place(exchange, "BUY", 20_000, "EUR.USD", "1.2"))
    assert cash(exchange)["USD"] == Decimal("10999.00")  # the ask is half a pip dearer


def test_a_large_one_costs_a_fifth_of_a_basis_point() -> None:
    exchange = europe()
    place(exchange, "SELL", 95_000, "EUR.USD")
    assert cash(exchange)["EUR"] == Decimal(100000) - 95_000 - Decimal("1.90")


def test_a_pair_is_shown_as_a_position_and_is_worth_nothing_more() -> None:
    exchange = europe()
    before = exchange.account_values(EURO)
    place(exchange, "SELL", 30_000, "EUR.USD")
    pair = exchange.positions(EURO)[-1]
    assert (exchange.contract(pair.con_id).sec_type, pair.quantity) == ("CASH", -30_000)
    after = exchange.account_values(EURO)
    for tag in ("GrossPositionValue", "InitMarginReq", "NetLiquidation"):
        one, two = (
            next(Decimal(r.value) for r in rows if r.tag == tag) for rows in (before, after)
        )
        assert abs(one - two) < 2
    place(exchange, "BUY", 30_000, "EUR.USD")
    assert [exchange.contract(p.con_id).symbol for p in exchange.positions(EURO)] == ["VWCE"]


def test_a_small_one_is_an_odd_lot_and_fills() -> None:
    exchange = europe()
    reply = lines(place(exchange, "SELL", 5_000, "EUR.USD"))
    assert reply[0].startswith("error 399 Order Message:\nSELL 5000 EUR.USD Forex\nWarning: ")
    assert "below the EUR 20000 IdealPro minimum" in reply[0]
    assert "orderStatus Filled 5000/0" in reply


def test_a_cash_account_sells_what_it_has_and_buys_with_what_it_has() -> None:
    exchange = europe()
    for action, quantity, name in (("SELL", 2_000, "EUR.USD"), ("BUY", 70_000, "GBP.USD")):
        reply = lines(place(exchange, action, quantity, name, account=STERLING))
        assert any("error 201 Order rejected - reason:CASH AVAILABLE" in x for x in reply)
    reply = lines(place(exchange, "BUY", 5, "SPY", account=STERLING))
    assert any("CASH AVAILABLE: 0.00" in x for x in reply)
    place(exchange, "SELL", 10_000, "GBP.USD", account=STERLING)
    reply = lines(place(exchange, "BUY", 5, "SPY", account=STERLING))
    assert "orderStatus Filled 5/0" in reply


def test_a_small_margin_account_may_not_owe_a_currency() -> None:
    world = load_world("europe")
    poor = replace(world.accounts[0], cash={"EUR": Decimal(100)}, holdings=())
    exchange = Exchange(replace(world, accounts=(poor,)), NOW)
    assert any(
        "MINIMUM OF 2000 USD" in x for x in lines(place(exchange, "SELL", 500, "EUR.USD"))
    )


def test_asking_what_a_conversion_would_do_changes_no_margin() -> None:
    found = place(europe(), "SELL", 30_000, "EUR.USD", what_if=True)
    (answer,) = [each for each in found if isinstance(each, WhatIf)]
    assert answer.margin.initial_before == answer.margin.initial_after


def test_currencies_rest_from_friday_to_sunday_evening() -> None:
    exchange = Exchange(load_world("europe"), new_york("2026-04-17 17:05"))
    (pair,) = exchange.find(ContractSpec(symbol="EUR", currency="USD", sec_type="CASH"))
    assert pair.trading_hours.startswith("20260416:1715-20260417:1700;20260418:CLOSED")
    reply = lines(place(exchange, "SELL", 30_000, "EUR.USD"))
    assert any("399" in line and "2026-04-19 17:15:00" in line for line in reply)


def test_a_pair_survives_its_state() -> None:
    exchange = europe()
    place(exchange, "SELL", 30_000, "EUR.USD")
    state = json.loads(json.dumps(exchange.to_dict()))
    again = Exchange.from_dict(load_world("europe"), state)
    assert again.positions(EURO) == exchange.positions(EURO)
    assert cash(again) == cash(exchange)


def test_a_pair_is_found_at_its_venue_only() -> None:
    exchange = europe()
    spec = ContractSpec(symbol="EUR", currency="USD", sec_type="CASH", exchange="IDEALPRO")
    (found,) = exchange.find(spec)
    assert (found.local_symbol, found.valid_exchanges) == ("EUR.USD", "IDEALPRO")
    assert exchange.find(replace(spec, exchange="SMART")) == ()
    # Nobody tells a trade of currencies.
    quote = exchange.quote(found.con_id, NOW)
    assert quote.last is None
    assert (quote.bid, quote.ask) == (Decimal("1.10"), Decimal("1.10005"))


# Pence and steps ------------------------------------------------------------------------------


def test_pence_are_booked_as_pounds() -> None:
    exchange = europe()
    place(exchange, "BUY", 100, "ISF", account=STERLING)
    # 100 shares at 946.30 pence, and the least commission of 3 pounds.
    assert cash(exchange, STERLING)["GBP"] == Decimal(50_000) - Decimal("946.30") - 3
    (held,) = exchange.positions(STERLING)
    assert held.market_price == Decimal("9.4625")
    assert held.market_value == Decimal("10408.75")
    (contract,) = exchange.find(ContractSpec(symbol="ISF"))
    assert contract.magnifier == 100
    # Steps are told in pounds, as by the real one.
    assert contract.min_tick == Decimal("0.0001")
    assert contract.steps[-1] == (Decimal(100), Decimal("0.01"))


@pytest.mark.parametrize(
    ("name", "limit", "off"),
    [
        ("VWCE", "141.22", False),
        ("VWCE", "141.21", True),  # two cents from 100 on
        ("VWCE", "99.99", False),
        ("ISF", "946.20", False),
        ("ISF", "946.22", True),
    ],
)
def test_an_order_keeps_to_the_step_at_its_price(name: str, limit: str, off: bool) -> None:
    reply = lines(place(europe(), "BUY", 1, name, limit))
    assert any(line.startswith("error 110") for line in reply) == off


def test_hours_are_the_exchanges_own() -> None:
    exchange = europe()
    hours = {
        c.symbol: (c.time_zone, c.liquid_hours[:27]) for c in exchange.find(ContractSpec())
    }
    assert hours["VWCE"] == ("MET", "20260415:0900-20260415:1730")
    assert hours["ISF"] == ("GB-Eire", "20260415:0800-20260415:1630")
    assert hours["SPY"] == ("US/Eastern", "20260415:0930-20260415:1600")


# Scenario files ------------------------------------------------------------------------------


def test_a_scenario_may_change_rates_and_its_pairs_follow() -> None:
    world = parse("extends: europe\nrates: {EUR: 1.25, JPY: 0.008}\n", "s.yaml")
    prices = {listing.ticker: listing.price for listing in world.listings}
    assert prices["EUR.USD"] == Decimal("1.25")
    assert prices["USD.JPY"] == 125
    assert sum(listing.sec_type == "CASH" for listing in world.listings) == 6


def test_a_scenario_may_make_a_pair_its_own() -> None:
    text = "extends: europe\ninstruments:\n  EUR.USD: {spread: 9, liquidity: 1000}\n"
    (pair,) = (x for x in parse(text, "s.yaml").listings if x.ticker == "EUR.USD")
    assert (pair.spread, pair.liquidity, pair.price) == (9, 1000, Decimal("1.10"))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("steps: {x: 1}", "instruments.SPY.steps.x: found 'x'; write 'FROM_PRICE: step'"),
        ("steps: {0: 0}", "instruments.SPY.steps.0: found '0'"),
        ("magnifier: 0", "instruments.SPY.magnifier: found '0'"),
    ],
)
def test_what_is_wrong_about_steps_and_magnifiers_is_told(text: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match="s.yaml:1") as caught:
        parse(f"instruments: {{SPY: {{{text}}}}}", "s.yaml")
    assert wrong in str(caught.value)


def test_a_world_of_one_currency_has_no_pairs() -> None:
    world: World = load_world("default")
    assert not any(listing.sec_type == "CASH" for listing in world.listings)
    assert Clock() == world.clock
