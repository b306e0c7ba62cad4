"""Money: what fills cost, what accounts are worth, what they may not do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.sim.venue.commissions import order_commission
from rebalancer.sim.vocabulary import ContractSpec, OrderSpec, Refused, WhatIf
from rebalancer.sim.world import AccountSpec, Holding, Listing
from tests.support.exchange_play import ACCOUNT, Play, account, market


@pytest.mark.parametrize(
    ("shares", "price", "fee"),
    [
        # The examples of IBKR's fixed pricing page.
        (100, "25", "1.00"),
        (1000, "25", "5.00"),
        (1000, "0.25", "2.50"),
        # At most one percent, although that is less than the minimum.
        (1, "20", "0.20"),
        (1, "257.95", "1.00"),
        (0, "25", "0"),
    ],
)
def test_us_commissions_are_ibkrs_fixed_ones(shares: int, price: str, fee: str) -> None:
    assert order_commission("USD", Decimal(shares), shares * Decimal(price)) == Decimal(fee)


def test_european_commissions_are_a_share_of_the_value() -> None:
    assert order_commission("EUR", Decimal(10), Decimal(1_000)) == 3
    assert order_commission("EUR", Decimal(1000), Decimal(100_000)) == 50


def test_a_round_trip_costs_the_spread_and_two_commissions() -> None:
    play = Play()
    play.buy(10)
    held = play.exchange.positions(ACCOUNT)[0]
    # IBKR's average cost includes the commission.
    assert held.avg_cost == Decimal("258.11")
    assert held.market_value == 2580
    assert held.unrealized_pnl == Decimal("-1.10")
    play.sell(10)
    assert play.exchange.positions(ACCOUNT) == ()
    assert play.value("TotalCashBalance", "BASE") == Decimal("99997.90")
    opening, closing = play.exchange.fills
    assert opening.realized_pnl is None
    assert closing.realized_pnl == Decimal("-2.10")
    assert play.exchange.pnl(ACCOUNT).realized == Decimal("-2.10")


def test_selling_more_than_is_held_goes_short() -> None:
    play = Play(market(accounts=account(positions={265598: 5})))
    play.sell(8)
    (short,) = play.exchange.positions(ACCOUNT)
    assert short.quantity == -3
    assert short.avg_cost == Decimal("257.875")
    (fill,) = play.exchange.fills
    assert fill.realized_pnl == 5 * Decimal(158) - Decimal("0.625")
    play.buy(3)
    assert play.exchange.positions(ACCOUNT) == ()


def test_a_cash_account_cannot_go_short_nor_spend_more_than_it_has() -> None:
    play = Play(market(accounts=account(1_000, {900000011: 10}, kind="cash")))
    assert play.sell(11, "BND")[0] == (
        "error 201 Order rejected - reason:"
        "SHORT STOCK POSITIONS CAN ONLY BE HELD IN A MARGIN ACCOUNT."
    )
    assert play.buy(4)[0] == (
        "error 201 Order rejected - reason:CASH AVAILABLE: 1000.00; CASH NEEDED FOR THIS ORDER "
        "AND OTHER PENDING ORDERS: 1033.04"
    )
    play.buy(3, limit=200)
    assert play.buy(2, limit=200)[0].endswith("OTHER PENDING ORDERS: 1002.00")
    assert "orderStatus Filled 10/0" in play.sell(10, "BND")
    assert play.buy(2, limit=200)[-1] == "orderStatus Submitted 0/2"


def test_two_sells_of_the_same_shares_would_go_short() -> None:
    play = Play(market(accounts=account(positions={265598: 5}, short_selling=False)))
    play.sell(5, limit=300)
    assert play.sell(1, limit=300)[0].startswith("error 201 ")


def test_shares_that_cannot_be_borrowed_are_located_first() -> None:
    hard = Listing(265598, "AAPL", Decimal("258.00"), shortable=False)
    play = Play(market(listings=(hard,)))
    assert play.sell(1) == [
        "openOrder PreSubmitted",
        "orderStatus PreSubmitted 0/1 locate",
        "error 404 Order held while securities are located.",
    ]
    assert play.wait(3_600) == []
    assert play.cancel(1)[-1].startswith("error 202 ")


def test_a_margin_account_can_borrow_but_a_small_one_cannot() -> None:
    play = Play()
    assert "orderStatus Filled 1500/0" in play.buy(1500)
    assert play.value("TotalCashValue") < 0
    small = Play(market(accounts=account(1_500)))
    reply = small.buy(6)
    assert reply[0].startswith("error 201 Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. ")
    assert "MINIMUM OF 2000 USD" in reply[0]
    assert "orderStatus Filled 5/0" in small.buy(5)


def test_an_account_over_its_margin_may_still_sell() -> None:
    play = Play()
    play.buy(1500)
    play.move("AAPL", "180.00")
    assert play.buy(1)[0].startswith("error 201 ")
    assert "orderStatus Filled 100/0" in play.sell(100)


def test_totals_add_up() -> None:
    play = Play(market(accounts=account(50_000, {265598: 100, 900000011: -20})))
    assert play.value("NetLiquidation") == 50_000 + 25_800 - 1_500
    assert play.value("StockMarketValue", "BASE") == 24_300
    assert play.value("GrossPositionValue") == 27_300
    margin = Decimal("0.25") * 25_800 + Decimal("0.30") * 1_500
    assert play.value("InitMarginReq") == play.value("MaintMarginReq") == margin
    assert play.value("AvailableFunds") == play.value("ExcessLiquidity") == 74_300 - margin
    assert play.value("BuyingPower") == 4 * (74_300 - margin)


def test_a_summary_has_the_asked_tags_in_order_and_ledgers_by_currency() -> None:
    rates = {"EUR": Decimal("1.10")}
    spec = AccountSpec(
        ACCOUNT, currency="EUR", cash={"EUR": Decimal(1_000), "USD": Decimal(-110)}
    )
    play = Play(market(accounts=(spec,), rates=rates))
    rows = play.exchange.account_summary(ACCOUNT, ["TotalCashValue", "BuyingPower", "Nonsense"])
    assert [(r.tag, r.value, r.currency) for r in rows] == [
        ("BuyingPower", "3600.00", "EUR"),
        ("TotalCashValue", "900.00", "EUR"),
    ]

    def ledger(name: str) -> dict[tuple[str, str], str]:
        found = play.exchange.account_summary(ACCOUNT, [name])
        return {(r.currency, r.tag): r.value for r in found}

    assert {currency for currency, _ in ledger("$LEDGER:ALL")} == {"EUR", "USD", "BASE"}
    assert ledger("$LEDGER:USD")["USD", "CashBalance"] == "-110.00"
    assert ledger("$LEDGER:USD")["USD", "ExchangeRate"] == "0.9090909"
    assert ledger("$LEDGER")["BASE", "TotalCashBalance"] == "900.00"
    with pytest.raises(KeyError):
        play.exchange.account_summary("DU404", ["NetLiquidation"])


def test_a_foreign_purchase_is_paid_in_its_own_currency() -> None:
    euro = Listing(
        900000101, "VWCE", Decimal("100.00"), currency="EUR", primary_exchange="IBIS2"
    )
    world = market(listings=(euro,), rates={"EUR": Decimal("1.10")})
    play = Play(world)
    contract = ContractSpec(symbol="VWCE", sec_type="STK", exchange="SMART", currency="EUR")
    order = OrderSpec("BUY", Decimal(10), "MKT", None, None, "DAY", ACCOUNT)
    play.exchange.place(1, 1, contract, order, play.now)
    assert play.value("CashBalance", "EUR") == Decimal("-1003.10")
    assert play.value("CashBalance", "USD") == 100_000
    assert play.value("NetLiquidation") == Decimal("99996.59")


def test_derivatives_count_with_their_multipliers() -> None:
    option = Listing(
        900000102, "QQQ", Decimal(21), sec_type="OPT", local_symbol="Q", multiplier="100"
    )
    future = Listing(
        900000103, "ES", Decimal(6800), sec_type="FUT", local_symbol="ESZ6", multiplier="50"
    )
    spec = replace(
        account(10_000)[0],
        holdings=(
            Holding(900000102, Decimal(-3), Decimal(2000)),
            Holding(900000103, Decimal(1), Decimal(339_000)),
        ),
    )
    play = Play(market(listings=(option, future), accounts=(spec,)))
    assert play.value("OptionMarketValue", "USD") == -6_300
    # A future's notional value is not equity, its unsettled profit is.
    assert play.value("NetLiquidation") == 10_000 - 6_300 + 1_000


def test_a_preview_shows_margin_and_commission() -> None:
    play = Play()
    contract = ContractSpec(con_id=265598, exchange="SMART")
    order = OrderSpec("BUY", Decimal(100), "MKT", None, None, "DAY", ACCOUNT, what_if=True)
    (answer,) = play.exchange.place(1, 1, contract, order, play.now)
    assert isinstance(answer, WhatIf)
    assert answer.margin.initial_before == 0
    assert answer.margin.initial_after == 6_450
    assert answer.margin.commission == 1
    assert answer.margin.currency == "USD"
    assert answer.view.status == "PreSubmitted"
    assert answer.margin.warning == ""
    (refused,) = play.exchange.place(1, 2, replace(contract, con_id=7), order, play.now)
    assert isinstance(refused, Refused)
    assert refused.code == 200


def test_profit_and_loss_begin_with_the_last_close() -> None:
    play = Play(market(accounts=account(positions={265598: 10})))
    play.move("AAPL", 260)
    pnl = play.exchange.pnl(ACCOUNT)
    assert pnl.daily == 20
    assert pnl.unrealized == 1_600
    assert pnl.realized == 0
    play.until("2026-04-15 17:00")
    assert play.exchange.pnl(ACCOUNT).daily == 0
