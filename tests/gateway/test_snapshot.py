"""One account, freshly asked: what it holds, what that is worth, and nothing of another's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.account import Account
from rebalancer.errors import (
    GatewayError,
    GatewayUnavailableError,
    PermanentError,
    StaleDataError,
    UnknownInstrumentError,
)
from rebalancer.gateway import balances, trading
from rebalancer.gateway.snapshot import await_positions, take_snapshot
from rebalancer.sim.world import AccountSpec
from tests.gateway.conftest import ONE, PUT, TWO, VWCE, Desk, Start, fault, order, wide_world
from tests.support.sim_gateway import AAPL, SPY


async def snapshot(desk: Desk, account_id: str, *symbols: str, **options: Any) -> Account:
    options = {"deadline": 3.0, **options}
    return await take_snapshot(desk.connection, desk.contracts, account_id, symbols, **options)


async def test_a_whole_account(start: Start) -> None:
    desk = await start()
    account = await snapshot(desk, ONE, "SPY", "AAPL")
    assert (account.account_id, account.currency) == (ONE, "USD")
    assert account.total_cash == Decimal(100_000)
    assert account.cash["USD"] == Decimal(100_000)
    assert account.rates["USD"] == 1
    assert account.rates["EUR"] == Decimal("1.10")
    assert account.net_liquidation > 0
    held = {p.con_id: p for p in account.positions}
    assert set(held) == {AAPL, VWCE, PUT}
    assert (held[AAPL].symbol, held[AAPL].quantity) == ("AAPL", Decimal(10))
    assert held[AAPL].avg_cost == Decimal(150)
    # Not in the target: named as an operator would name it.
    assert (held[VWCE].symbol, held[VWCE].currency) == ("VWCE@IBIS2/EUR", "EUR")
    # An option is listed as what it is, never under its underlying's symbol.
    assert (held[PUT].sec_type, held[PUT].quantity) == ("OPT", Decimal(-2))
    assert held[PUT].symbol == "SPY   270115P00400000"
    assert set(account.quotes) == {"SPY", "AAPL", "VWCE@IBIS2/EUR"}
    assert set(account.instruments) == set(account.quotes)
    assert account.instruments["SPY"].con_id == SPY
    assert account.taken_at == pytest.approx(desk.server.now(), abs=2)


async def test_the_targets_spelling_names_the_position(start: Start) -> None:
    desk = await start()
    account = await snapshot(desk, ONE, f"conid:{AAPL}", "VWCE/EUR")
    assert {p.symbol for p in account.positions} >= {f"conid:{AAPL}", "VWCE/EUR"}
    assert set(account.quotes) == {f"conid:{AAPL}", "VWCE/EUR"}


async def test_accounts_read_at_once_do_not_mix(start: Start) -> None:
    desk = await start()
    found = await asyncio.gather(
        *(snapshot(desk, account_id, "SPY") for account_id in (ONE, TWO) * 4),
    )
    for account in found:
        if account.account_id == TWO:
            assert account.positions == ()
            assert account.total_cash == Decimal(50_000)
        else:
            assert len(account.positions) == 3
            assert account.total_cash == Decimal(100_000)
    assert desk.connection.session.replies == {}


async def test_a_base_currency_other_than_dollars(start: Start) -> None:
    world = replace(
        wide_world(),
        accounts=(AccountSpec(ONE, "EUR", {"EUR": Decimal(1000), "USD": Decimal(550)}),),
    )
    desk = await start(world)
    account = await snapshot(desk, ONE, "SPY", "VWCE@IBIS2/EUR")
    assert account.currency == "EUR"
    assert dict(account.cash) == {"EUR": Decimal(1000), "USD": Decimal(550)}
    assert account.rates["EUR"] == 1
    assert account.rates["USD"] == pytest.approx(
        Decimal(1) / Decimal("1.10"), rel=Decimal("1e-4")
    )
    assert account.total_cash == pytest.approx(Decimal(1500), abs=Decimal("0.1"))


async def test_warm_snapshots_send_four_messages(start: Start) -> None:
    desk = await start()
    await snapshot(desk, ONE, "SPY", "AAPL")
    before = desk.sent()
    await snapshot(desk, ONE, "SPY", "AAPL")
    assert desk.sent() == before + 4  # positions and values, asked for and cancelled


async def test_balances_without_prices(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("no_data"))
    account = await snapshot(desk, ONE, prices=False)
    assert account.quotes == {}
    assert account.net_liquidation > 0
    assert {p.con_id for p in account.positions} == {AAPL, VWCE, PUT}


async def test_a_held_stock_without_a_price_is_left_without_one(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("no_data", symbol="VWCE"))
    account = await snapshot(desk, ONE, "SPY")
    assert set(account.quotes) == {"SPY", "AAPL"}
    assert VWCE in {p.con_id for p in account.positions}


async def test_a_targeted_stock_without_a_price_is_an_error(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("no_data", symbol="SPY"))
    with pytest.raises(StaleDataError, match="SPY: 354"):
        await snapshot(desk, ONE, "SPY")


async def test_an_unknown_target_is_an_error(start: Start) -> None:
    desk = await start()
    with pytest.raises(UnknownInstrumentError, match="NOSUCH"):
        await snapshot(desk, ONE, "SPY", "NOSUCH")
    assert desk.connection.session.replies == {}


async def test_a_currency_without_a_rate_is_an_error(start: Start) -> None:
    desk = await start()
    with pytest.raises(StaleDataError, match="no exchange rate for EUR"):
        await snapshot(desk, TWO, "VWCE@IBIS2/EUR")


async def test_empty_balances_never_become_a_snapshot(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("empty_start", "reqAccountUpdatesMulti"))
    with pytest.raises(StaleDataError, match="no one NetLiquidation"):
        await snapshot(desk, ONE, "SPY")


@pytest.mark.parametrize(
    ("request_name", "end"),
    [
        ("reqPositionsMulti", "positionMultiEnd"),
        ("reqAccountUpdatesMulti", "accountUpdateMultiEnd"),
    ],
)
async def test_half_an_answer_never_becomes_a_snapshot(
    start: Start,
    request_name: str,
    end: str,
) -> None:
    desk = await start()
    desk.server.inject(fault("drop", request_name, message=end))
    with pytest.raises(GatewayError, match="no full answer"):
        await snapshot(desk, ONE, "SPY", deadline=0.2)
    assert (await snapshot(desk, ONE, "SPY")).account_id == ONE


async def test_a_lost_connection_ends_a_snapshot_at_once(start: Start) -> None:
    desk = await start()
    desk.server.inject(fault("disconnect", "reqPositionsMulti"))
    with pytest.raises(GatewayUnavailableError, match="closed the connection"):
        await snapshot(desk, ONE, "SPY", deadline=60.0)


async def test_the_snapshot_after_a_trade_shows_it(start: Start) -> None:
    desk = await start()
    before = await snapshot(desk, ONE, "SPY")
    (report,) = await trading.wait(
        trading.place(desk.connection, [order()], before.instruments),
        deadline=3.0,
    )
    assert await await_positions(desk.connection, ONE, {SPY: Decimal(10)}, deadline=3.0)
    after = await snapshot(desk, ONE, "SPY")
    assert {p.symbol: p.quantity for p in after.positions}["SPY"] == 10
    cost = report.filled * report.avg_price
    assert before.total_cash - after.total_cash == pytest.approx(cost, abs=Decimal(2))


async def test_waiting_for_positions_ends_at_the_deadline(start: Start) -> None:
    desk = await start()
    assert not await await_positions(desk.connection, ONE, {SPY: Decimal(1)}, deadline=0.05)
    assert await await_positions(desk.connection, ONE, {SPY: Decimal(0)}, deadline=3.0)
    assert desk.connection.session.replies == {}


async def test_waiting_for_positions_hears_of_a_later_fill(start: Start) -> None:
    desk = await start()
    account = await snapshot(desk, ONE, "SPY")
    desk.server.inject(fault("late_fill", "placeOrder", seconds="0.05"))
    waiting = asyncio.create_task(
        await_positions(desk.connection, ONE, {SPY: Decimal(10)}, deadline=5.0),
    )
    await asyncio.sleep(0)
    trading.place(desk.connection, [order()], account.instruments)
    assert await waiting


async def test_waiting_for_cash_that_lags(start: Start) -> None:
    desk = await start()
    account = await snapshot(desk, ONE, "AAPL")
    desk.server.inject(fault("cash_lag", later="0.1"))
    (report,) = await trading.wait(
        trading.place(desk.connection, [order("AAPL", 10, "SELL")], account.instruments),
        deadline=3.0,
    )
    least = account.cash["USD"] + report.filled * report.avg_price - 5
    shown = await await_positions(
        desk.connection,
        ONE,
        {AAPL: Decimal(0)},
        cash={"USD": least},
        deadline=5.0,
    )
    assert shown
    assert (await snapshot(desk, ONE, "AAPL")).cash["USD"] >= least


async def test_waiting_for_positions_hears_of_a_lost_connection(start: Start) -> None:
    desk = await start()
    waiting = asyncio.create_task(
        await_positions(desk.connection, ONE, {SPY: Decimal(1)}, deadline=60.0),
    )
    await asyncio.sleep(0)
    desk.server.inject(fault("disconnect"))
    with pytest.raises(GatewayUnavailableError):
        await waiting


# Balances, row by row ---------------------------------------------------------------------


def rows(*entries: tuple[str, str, str], account: str = ONE) -> list[balances.ValueRow]:
    return [(account, "", tag, value, currency) for tag, value, currency in entries]


WHOLE = (
    ("AccountReady", "true", ""),
    ("NetLiquidation", "68000.00", "EUR"),
    ("NetLiquidation-S", "67000.00", "EUR"),
    ("NetLiquidationByCurrency", "68000.00", "BASE"),
    ("TotalCashValue", "12000.00", "EUR"),
    ("CashBalance", "12000.00", "BASE"),
    ("CashBalance", "10000.00", "EUR"),
    ("CashBalance", "2200.00", "USD"),
    ("ExchangeRate", "1.00", "BASE"),
    ("ExchangeRate", "1.00", "EUR"),
    ("ExchangeRate", "0.909", "USD"),
)


def test_balances_are_read_by_tag_and_currency() -> None:
    money = balances.money(ONE, rows(*WHOLE))
    assert (money.currency, money.net_liquidation) == ("EUR", Decimal("68000.00"))
    assert money.total_cash == Decimal("12000.00")
    assert money.cash == {"EUR": Decimal("10000.00"), "USD": Decimal("2200.00")}
    assert money.rates == {"EUR": Decimal(1), "USD": Decimal("0.909")}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"NetLiquidation": ""}, "gave none"),
        ({"NetLiquidation": "NaN"}, "gave none"),
        ({"TotalCashValue": "1.7976931348623157E308"}, "no cash balance"),
        ({"CashBalance": ""}, "no cash balance"),
        ({"AccountReady": "false"}, "not ready"),
    ],
)
def test_a_missing_balance_is_an_error(changed: dict[str, str], says: str) -> None:
    entries = tuple((tag, changed.get(tag, value), c) for tag, value, c in WHOLE)
    with pytest.raises(StaleDataError, match=says):
        balances.money(ONE, rows(*entries))


def test_another_accounts_rows_are_not_ours() -> None:
    with pytest.raises(StaleDataError, match="gave none"):
        balances.money(ONE, rows(*WHOLE, account=TWO))


async def test_model_portfolios_are_refused(start: Start) -> None:
    desk = await start()
    session = desk.connection.session
    asking = asyncio.create_task(balances.positions(session, ONE, within=3.0))
    await asyncio.sleep(0)
    (reply,) = session.replies.values()
    reply.rows.append((ONE, "Growth", None, 1.0, 1.0))
    with pytest.raises(PermanentError, match="model portfolios"):
        await asking
