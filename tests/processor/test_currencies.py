"""Accounts in other currencies than what they trade: who pays in what, over real wires."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rebalancer.queue import approvals, history, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.scenario import load_world
from rebalancer.sim.venue.pairs import pairs
from rebalancer.sim.vocabulary import ExecutionFilter
from rebalancer.sim.world import AccountSpec, Clock, World
from tests.processor.faulty_gateways import fault
from tests.processor.system import System
from tests.processor.test_kill import finished
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import sim_gateway

pytestmark = pytest.mark.redis_server

EURO, STERLING = "DU1000001", "DU1000002"
MIXED = "{VWCE@IBIS2/EUR: 40%, ISF@LSEETF/GBP: 20%, SPY: 40%}"
OPEN = Clock(always_open=True)


def accounts(targets: str, fx: str = "", account: str = EURO, **keys: str) -> str:
    more = {"account_id": account, "type": "paper", "targets": targets, **keys}
    more |= {"fx": fx} if fx else {}
    lines = [f"    {key}: {value}" for key, value in more.items()]
    return "accounts:\n  -" + "\n".join(lines)[3:] + "\n"


def world(cash: Mapping[str, int] | None = None, **changes: Any) -> World:
    """The European scenario, always open unless told; ``cash`` is the euro account's."""
    given = replace(load_world("europe"), **{"clock": OPEN, **changes})
    if cash is not None:
        amounts = {currency: Decimal(amount) for currency, amount in cash.items()}
        euro = AccountSpec(EURO, currency="EUR", cash=amounts)
        given = replace(given, accounts=(euro, *given.accounts[1:]))
    return given


@asynccontextmanager
async def europe(
    folder: Path, redis: RedisServer, there: World | None = None
) -> AsyncIterator[System]:
    async with sim_gateway(there or world()) as sim, AsyncQueue(redis.url) as queue:
        yield System(folder, redis, sim, queue)


def purse(system: System, account: str = EURO) -> dict[str, Decimal]:
    rows = system.sim.exchange.account_values(account)
    cash = (row for row in rows if row.tag == "CashBalance" and row.currency != "BASE")
    return {row.currency: Decimal(row.value) for row in cash}


def traded(system: System) -> dict[str, Decimal]:
    net: dict[str, Decimal] = {}
    for fill in system.sim.exchange.fills:
        name = system.sim.exchange.contract(fill.con_id).local_symbol
        signed = fill.shares if fill.side == "BOT" else -fill.shares
        net[name] = net.get(name, Decimal(0)) + signed
    return net


def converted(system: System) -> dict[str, Decimal]:
    return {name: units for name, units in traded(system).items() if "." in name}


async def run(system: System, accounts_file: str, account: str = EURO) -> Mapping[str, Any]:
    system.accounts = accounts_file
    async with system.processor():
        return await system.result(await system.enqueue(account))


async def refused(system: System, accounts_file: str, account: str = EURO) -> str:
    system.accounts = accounts_file
    async with system.processor():
        event = await system.enqueue(account)
        entry = await system.until("dead", event)
    assert system.sim.exchange.fills == ()
    return str(entry.data["reason"])


async def test_what_is_missing_is_converted_before_the_buys(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis) as system:
        result = await run(system, accounts(MIXED, "auto-convert"))
        fills = len(system.sim.exchange.fills)
        again = await run(system, accounts(MIXED, "auto-convert"))
        assert len(system.sim.exchange.fills) == fills
        first = system.sim.exchange.executions(ExecutionFilter())

    # 114,122 euros in all: a fifth is bought in pounds, two fifths in dollars.
    wanted = {c["pair"]: Decimal(c["missing"]) for c in result["plan"]["conversions"]}
    assert 19_000 < wanted["fx:EUR.GBP"] < 19_500
    assert 49_000 < wanted["fx:EUR.USD"] < 49_600
    done = converted(system)
    assert -23_100 < done["EUR.GBP"] < -22_600
    assert -45_200 < done["EUR.USD"] < -44_600
    assert len(result["conversions"]) == 2
    assert {order["status"] for order in result["orders"]} == {"filled"}
    assert Decimal(result["drift_reached"]) < Decimal("0.01")
    # Conversions first, then all buys; nothing is left owed in any currency.
    kinds = [system.sim.exchange.contract(fill.con_id).sec_type for fill in first]
    assert kinds == ["CASH", "CASH", "STK", "STK", "STK"]
    assert min(purse(system).values()) >= 0
    assert Decimal(result["account"]["total_cash"]) >= Decimal(result["plan"]["reserve"])
    # The pairs are shown by the gateway, and are no holdings.
    shown = system.sim.exchange.positions(EURO)
    assert {"EUR", "VWCE", "ISF", "SPY"} == {
        system.sim.exchange.contract(p.con_id).symbol for p in shown
    }
    held = {p["symbol"] for p in again["account"]["positions"]}
    assert held == {"VWCE@IBIS2/EUR", "ISF@LSEETF/GBP", "SPY"}
    assert again["conversions"] == again["orders"] == again["plan"]["conversions"] == []


async def test_prices_in_pence_are_traded_in_pounds(tmp_path: Path, redis: RedisServer) -> None:
    async with europe(tmp_path, redis) as system:
        targets = "{ISF@LSEETF/GBP: 50%}"
        result = await run(system, accounts(targets, account=STERLING), STERLING)
    # 1,000 shares at 9.4625 pounds are held of 60,309 pounds in all.
    (order,) = result["orders"]
    (fill,) = order["fills"]
    assert 2150 < int(order["filled"]) < 2200
    assert Decimal("9.46") < Decimal(fill["price"]) < Decimal("9.47")
    (line,) = result["plan"]["lines"]
    assert Decimal(line["limit_price"]) * 100 % Decimal("0.05") == 0  # whole steps, in pence
    assert Decimal(result["drift_reached"]) < Decimal("0.001")
    assert purse(system, STERLING)["GBP"] > 29_000


async def test_by_default_nothing_is_bought_that_its_currency_cannot_pay(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis) as system:
        reason = await refused(system, accounts(MIXED))
    assert "GBP more than there is" in reason
    assert "USD more than there is" in reason
    assert "set `fx: auto-convert` or `fx: margin`" in reason


async def test_what_sells_bring_in_the_same_currency_is_no_lack(
    tmp_path: Path, redis: RedisServer
) -> None:
    """A dollar holding pays for another one, with no euro involved."""
    there = world({"EUR": 1000, "USD": 800})
    async with europe(tmp_path, redis, there) as system:
        await run(system, accounts("{SPY: 40%}", "refuse"))
        result = await run(system, accounts("{BND: 38%}", "refuse", unlisted="liquidate"))
    assert [order["status"] for order in result["orders"]] == ["filled"] * 2
    assert converted(system) == {}


async def test_on_margin_the_broker_lends_the_currency(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis) as system:
        result = await run(system, accounts(MIXED, "margin"))
    assert converted(system) == {}
    left = purse(system)
    assert left["USD"] < -40_000
    assert left["GBP"] < -15_000
    # The loans are small change beside the euros that were not converted.
    assert Decimal(result["account"]["total_cash"]) >= Decimal(result["plan"]["reserve"])


async def test_the_own_currency_may_be_what_is_missing(
    tmp_path: Path, redis: RedisServer
) -> None:
    """Dollars become euros, and some of those pounds: from where most is to spare."""
    there = world({"EUR": 500, "USD": 60_000, "GBP": 100})
    async with europe(tmp_path, redis, there) as system:
        targets = "{VWCE@IBIS2/EUR: 50%, ISF@LSEETF/GBP: 30%}"
        result = await run(system, accounts(targets, "auto-convert"))
    done = converted(system)
    assert 43_000 < done["EUR.USD"] < 45_000
    assert -17_000 < done["EUR.GBP"] < -15_000
    assert {order["status"] for order in result["orders"]} == {"filled"}
    assert min(purse(system).values()) >= 0


async def test_a_loan_in_what_is_bought_is_repaid_and_others_are_left(
    tmp_path: Path, redis: RedisServer
) -> None:
    there = world({"EUR": 50_000, "USD": -5_000, "GBP": -700})
    async with europe(tmp_path, redis, there) as system:
        await run(system, accounts("{SPY: 20%, VWCE@IBIS2/EUR: 20%}", "auto-convert"))
    left = purse(system)
    assert 0 <= left["USD"] < 200
    assert left["GBP"] == -700


async def test_a_currency_that_comes_late_is_not_converted_twice(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis, world({"EUR": 50_000})) as system:
        system.sim.inject(fault("cash_lag", "+0", later=0.4))
        result = await run(system, accounts("{SPY: 40%}", "auto-convert"))
    (conversion,) = result["conversions"]
    assert converted(system) == {"EUR.USD": -Decimal(conversion["filled"])}
    assert min(purse(system).values()) >= 0


async def test_a_conversion_that_does_not_fill_buys_nothing(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis, world({"EUR": 50_000})) as system:
        system.sim.inject(fault("reject", "placeOrder", 0, symbol="EUR.USD"))
        system.accounts = accounts("{SPY: 40%}", "auto-convert")
        async with system.processor():
            entry = await system.until("retrying", await system.enqueue(EURO))
        assert system.sim.exchange.fills == ()
    assert "a conversion into USD did not fill" in entry.data["error"]


async def test_a_conversion_that_fills_in_part_is_completed_and_no_more(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis, world({"EUR": 50_000})) as system:
        part = fault("partial", "placeOrder", symbol="EUR.USD", shares=10_000, then="cancel")
        system.sim.inject(part)
        system.accounts = accounts("{SPY: 40%}", "auto-convert")
        async with system.processor():
            event = await system.enqueue(EURO)
            first = await system.until("converting", event)
            await finished(system, event.event_id)
    assert abs(converted(system)["EUR.USD"] - first.data["trade"]) < 100
    assert min(purse(system).values()) >= 0


async def test_whoever_agrees_to_a_plan_sees_what_it_converts(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis, world({"EUR": 50_000})) as system:
        system.accounts = accounts("{SPY: 40%}", "auto-convert", approval="required")
        async with system.processor():
            event = await system.enqueue(EURO)
            await system.until("delayed", event)
            asked = (await system.queue.run(approvals.pending()))[EURO]
            assert [c["pair"] for c in asked.plan["conversions"]] == ["fx:EUR.USD"]
            assert system.sim.exchange.fills == ()
            agreed = asked.proposal.plan_hash
            await system.queue.run(
                approvals.approve(EURO, agreed, by="somebody", now=time.time())
            )
            await system.result(event)
    (line,) = asked.plan["lines"]
    assert traded(system)["SPY"] == line["trade"]
    assert min(purse(system).values()) >= 0


async def test_what_is_bought_at_the_close_is_converted_before(
    tmp_path: Path, redis: RedisServer
) -> None:
    """From 15:42 in New York on, with a clock that runs three hundred times as fast."""
    close = load_world("europe").clock.start + 6 * 3600  # type: ignore[operator]
    clock = Clock(start=close - 18 * 60, rate=300)
    async with europe(tmp_path, redis, world({"EUR": 50_000}, clock=clock)) as system:
        targets = accounts("{SPY: 40%}", "auto-convert", order_type="MOC")
        result = await run(system, targets)
    assert {order["status"] for order in result["orders"]} == {"filled"}
    assert set(traded(system)) == {"EUR.USD", "SPY"}
    assert min(purse(system).values()) >= 0


async def test_a_pair_that_is_not_traded_is_told(tmp_path: Path, redis: RedisServer) -> None:
    given = world({"EUR": 50_000, "USD": 10})
    none = tuple(listing for listing in given.listings if listing.sec_type != "CASH")
    async with europe(tmp_path, redis, replace(given, listings=none)) as system:
        reason = await refused(system, accounts("{SPY: 40%}", "auto-convert"))
    assert "'fx:EUR.USD'" in reason


async def test_a_halt_of_the_pair_stops_its_conversion(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis, world({"EUR": 50_000})) as system:
        halt = moves.halt("symbol:fx:EUR.USD", reason="no dollars", now=time.time())
        await system.queue.run(halt)
        system.accounts = accounts("{SPY: 40%}", "auto-convert")
        async with system.processor():
            entry = await system.until("delayed", await system.enqueue(EURO))
    assert "no dollars" in entry.data["reason"]
    assert system.sim.exchange.fills == ()


async def test_the_preview_tells_what_would_be_converted(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis) as system:
        system.accounts = accounts(MIXED, "auto-convert")
        async with system.processor():
            event = await system.enqueue(EURO, "print-rebalance")
            result = await system.result(event)
    assert [c["got"] for c in result["plan"]["conversions"]] == ["GBP", "USD"]
    assert system.sim.exchange.fills == ()


async def test_a_cash_account_pays_for_what_it_buys_in_its_currency(
    tmp_path: Path, redis: RedisServer
) -> None:
    """Its pounds become dollars first; the broker would refuse it any loan."""
    async with europe(tmp_path, redis) as system:
        targets = "{ISF@LSEETF/GBP: 15%, SPY: 50%}"
        result = await run(system, accounts(targets, "auto-convert", STERLING), STERLING)
    assert {order["status"] for order in result["orders"]} == {"filled"}
    assert min(purse(system, STERLING).values()) >= 0


async def test_without_a_reserve_all_there_is_becomes_what_is_bought(
    tmp_path: Path, redis: RedisServer
) -> None:
    """Pounds and euros to the last, of an account that may owe nothing in any currency."""
    async with europe(tmp_path, redis) as system:
        keys = {"unlisted": "liquidate", "cash_reserve_percent": "0"}
        targets = accounts("{SPY: 100%}", "auto-convert", STERLING, **keys)
        result = await run(system, targets, STERLING)
        left = purse(system, STERLING)
    assert {order["status"] for order in result["orders"]} == {"filled"}
    assert {c["status"] for c in result["conversions"]} == {"filled"}
    assert min(left.values()) >= 0
    # What the collar kept back, less than two shares.
    assert (
        sum(left[c] * r for c, r in {"GBP": Decimal("1.3"), "USD": Decimal(1)}.items()) < 1400
    )


async def test_everything_waits_until_all_markets_are_open_at_once(
    tmp_path: Path, redis: RedisServer
) -> None:
    """At 10:00 in Frankfurt New York sleeps; both trade from 15:30 on."""
    morning = load_world("europe").clock.start - 6 * 3600  # type: ignore[operator]
    async with europe(tmp_path, redis, world(clock=Clock(start=morning))) as system:
        system.accounts = accounts(MIXED, "auto-convert")
        async with system.processor():
            entry = await system.until("delayed", await system.enqueue(EURO))
    wait = entry.data["until"] - time.time()
    assert 5.3 * 3600 < wait < 5.6 * 3600
    assert "outside the liquid hours" in entry.data["reason"]


async def test_in_the_common_window_all_of_it_is_traded(
    tmp_path: Path, redis: RedisServer
) -> None:
    """At 16:00 in Frankfurt, by the exchanges' own hours."""
    afternoon = Clock(start=load_world("europe").clock.start)
    async with europe(tmp_path, redis, world(clock=afternoon)) as system:
        result = await run(system, accounts(MIXED, "auto-convert"))
    assert {order["status"] for order in result["orders"]} == {"filled"}


async def test_markets_that_never_meet_are_told(tmp_path: Path, redis: RedisServer) -> None:
    given = world(clock=Clock(start=load_world("europe").clock.start))
    listings = tuple(
        replace(listing, calendar="XTKS") if listing.symbol == "ISF" else listing
        for listing in given.listings
    )
    async with europe(tmp_path, redis, replace(given, listings=listings)) as system:
        reason = await refused(system, accounts(MIXED, "auto-convert"))
    assert "never open at the same time" in reason


async def test_two_listings_of_one_fund_are_two_things(
    tmp_path: Path, redis: RedisServer
) -> None:
    """What is held in Milan stays, what the target names in Frankfurt is bought."""
    given = world()
    vwce = given.listings[0]
    milan = replace(vwce, con_id=900000777, primary_exchange="BVME.ETF", trading_class="MIL")
    euro = replace(
        given.accounts[0],
        holdings=tuple(replace(h, con_id=milan.con_id) for h in given.accounts[0].holdings),
    )
    there = replace(
        given, listings=(*given.listings, milan), accounts=(euro, *given.accounts[1:])
    )
    async with europe(tmp_path, redis, there) as system:
        await run(system, accounts("{VWCE@IBIS2/EUR: 40%}"))
        held = {p.con_id: p.quantity for p in system.sim.exchange.positions(EURO)}
    assert held[milan.con_id] == 100
    assert held[vwce.con_id] > 200


async def test_the_history_tells_conversions_with_the_orders(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with europe(tmp_path, redis, world({"EUR": 50_000})) as system:
        await run(system, accounts("{SPY: 40%}", "auto-convert"))
        (link,) = await system.queue.run(history.newest(limit=5))
    assert link.record is not None
    orders = {order["symbol"]: order for order in link.record["orders"]}
    assert orders["fx:EUR.USD"]["reference"] is not None
    assert set(orders) == {"fx:EUR.USD", "SPY"}
    # Two dollars, charged in euros; SPY's dollar in dollars.
    assert link.record["costs"]["commission"] == {"EUR": "1.818182", "USD": "1.0"}


def test_a_pair_is_named_after_the_currency_that_comes_first() -> None:
    names = {pair.local_symbol for pair in pairs({"EUR": Decimal(1), "JPY": Decimal("0.007")})}
    assert names == {"EUR.USD", "EUR.JPY", "USD.JPY"}
