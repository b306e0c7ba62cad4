"""What was traded lately, and what follows from it for the next plan."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.core import tax
from rebalancer.core.account import Account
from rebalancer.core.order import Action, Fill, Intent, Order, OrderReport
from rebalancer.core.plan import Plan, plan
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.target import Substitute
from rebalancer.core.tax import Ban
from rebalancer.core.trades import SHORT_TERM_SECONDS, WASH_SECONDS, Trade, trade_of
from tests.core.accounts import NOW, account, instrument, target

DAY = 86_400.0
GUARD = Policy(wash_sale_guard=True, cash_reserve=Decimal(0), slippage=Decimal(0))
KEEP = Policy(avoid_short_term_gains=True)


def trade(
    symbol: str = "A",
    action: Action = "SELL",
    *,
    days: float = 1,
    account_id: str = "DU2",
    lost: str | None = "5",
) -> Trade:
    return Trade(
        order_ref=f"rb:x:1:{symbol}",
        account_id=account_id,
        symbol=symbol,
        con_id=instrument(symbol).con_id,
        action=action,
        at=NOW - days * DAY,
        quantity=Decimal(10),
        lost=None if lost is None else Decimal(lost),
    )


# What is remembered -----------------------------------------------------------------------


def settled(
    action: Action,
    *prices: str,
    cost: str | None = "100",
    commission: str | None = "0",
) -> Trade | None:
    order = Order("rb:x:1:A", "DU2", "A", 7, action, 100, "MKT", None)
    intent = Intent(order, "e", 1, NOW, avg_cost=None if cost is None else Decimal(cost))
    fee = None if commission is None else Decimal(commission)
    fills = tuple(
        Fill(f"{n}", "rb:x:1:A", "DU2", "A", 7, action, Decimal(10), Decimal(p), "USD", n, fee)
        for n, p in enumerate(prices)
    )
    filled = Decimal(10 * len(prices))
    report = OrderReport("rb:x:1:A", "filled", filled, 100 - filled, Decimal(0), fills=fills)
    return trade_of(intent, report, NOW)


@pytest.mark.parametrize(
    ("found", "lost"),
    [
        (settled("SELL", "99", "98"), "30"),
        # A gain on one fill makes nothing good for the other.
        (settled("SELL", "99", "150"), "10"),
        # What it cost to sell belongs to the loss.
        (settled("SELL", "100", commission="1"), "1"),
        (settled("SELL", "99", commission=None), "10"),
    ],
)
def test_a_sale_below_cost_is_remembered_with_its_loss(found: Trade | None, lost: str) -> None:
    assert found is not None
    assert found.lost == Decimal(lost)
    assert (found.symbol, found.con_id, found.account_id) == ("A", 7, "DU2")


def test_what_bars_nothing_is_not_remembered() -> None:
    assert settled("SELL", "101", "100") is None
    assert settled("SELL") is None
    assert settled("BUY") is None


@pytest.mark.parametrize("cost", [None, "0"])
def test_a_sale_of_unknown_cost_may_have_been_a_loss(cost: str | None) -> None:
    found = settled("SELL", "101", cost=cost)
    assert found is not None
    assert found.lost is None
    assert tax.washed([replace(found, at=NOW)], NOW).keys() == {7}


def test_a_buy_is_remembered_with_the_time_of_its_last_fill() -> None:
    found = settled("BUY", "1", "1", "1")
    assert found is not None
    assert (found.action, found.quantity, found.at, found.lost) == ("BUY", 30, 2.0, None)


def test_a_fill_known_by_its_average_only_is_judged_by_that() -> None:
    order = Order("rb:x:1:A", "DU2", "A", 7, "SELL", 100, "MKT", None)
    intent = Intent(order, "e", 1, NOW, avg_cost=Decimal(100))
    report = OrderReport("rb:x:1:A", "filled", Decimal(100), Decimal(0), Decimal(99))
    found = trade_of(intent, report, NOW)
    assert found is not None
    assert (found.lost, found.at) == (100, NOW)


# What follows from it ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("memory", "barred"),
    [
        ([trade()], True),
        ([trade(account_id="DU1")], True),
        ([trade(lost=None)], True),
        ([trade(days=30.9)], True),
        ([trade(days=31)], False),
        ([trade(days=40), trade(days=2)], True),
        ([trade(lost="0")], False),
        ([trade(action="BUY", lost=None)], False),
        ([trade("B")], False),
        ([], False),
    ],
)
def test_what_was_sold_at_a_loss_is_not_bought_for_thirty_days(
    memory: list[Trade], *, barred: bool
) -> None:
    there = account("1000", {"A": "10"})
    banned = tax.bans(there, memory, GUARD, NOW)
    assert bool(banned.get("A", Ban()).no_buy) is barred
    assert tax.bans(there, memory, Policy(), NOW) == {}


def test_the_reason_says_who_and_until_when() -> None:
    (why,) = tax.washed([trade(days=40), trade(days=1)], NOW).values()
    assert why.startswith("DU2 sold it at a loss on 2025-11-23, free again on 2025-12-24")


def holding(price: str = "120", cost: str = "100") -> Account:
    there = account("1000", {"A": price, "B": "10"}, {"A": "50"})
    held = replace(there.positions[0], avg_cost=Decimal(cost))
    return replace(there, positions=(held,))


@pytest.mark.parametrize(
    ("there", "memory", "kept"),
    [
        (holding(), [trade(action="BUY", account_id="DU1")], True),
        (holding(), [trade(action="BUY", account_id="DU1", days=366)], True),
        (holding(), [trade(action="BUY", account_id="DU1", days=367)], False),
        (holding(price="99"), [trade(action="BUY", account_id="DU1")], False),
        # The lots of another account are not this one's.
        (holding(), [trade(action="BUY", account_id="DU2")], False),
        (holding(), [], False),
    ],
)
def test_young_gains_are_not_sold(there: Account, memory: list[Trade], *, kept: bool) -> None:
    banned = tax.bans(there, memory, KEEP, NOW)
    assert bool(banned.get("A", Ban()).no_sell) is kept
    planned = tax.explained(plan(there, target(A="0.1"), tax.bounded(KEEP, banned)), banned)
    (line,) = (one for one in planned.lines if one.symbol == "A")
    assert bool(line.trade) is not kept
    if kept:
        assert "no-sell: bought on" in line.note
        assert "avoid_short_term_gains" in line.note


def test_bounds_of_the_policy_stay() -> None:
    bounds = {"A": Bounds(no_sell=True, drift_band=Decimal("0.1")), "C": Bounds(no_buy=True)}
    found = tax.bounded(replace(GUARD, bounds=bounds), {"A": Ban(no_buy="why")})
    assert found.bounds["A"] == Bounds(no_buy=True, no_sell=True, drift_band=Decimal("0.1"))
    assert found.bounds["C"] == Bounds(no_buy=True)


# Substitutes ------------------------------------------------------------------------------


def planned(
    there: Account,
    memory: list[Trade],
    *,
    scale: str = "1",
    substitute: str = "R",
    policy: Policy = GUARD,
    **weights: str,
) -> Plan:
    banned = tax.bans(there, memory, policy, NOW)
    goal, banned = tax.substituted(
        there,
        target(**weights),
        policy,
        banned,
        {"A": Substitute(substitute, Decimal(scale))},
    )
    return tax.explained(plan(there, goal, tax.bounded(policy, banned)), banned)


def lines(found: Plan) -> dict[str, tuple[int, str]]:
    return {line.symbol: (line.trade, line.note) for line in found.lines}


PRICES = {"A": "10", "B": "10", "R": "10"}


def test_without_a_substitute_the_money_stays() -> None:
    there = account("1000", {"A": "10", "B": "10"})
    found = planned(there, [trade()], A="0.5", B="0.5")
    assert lines(found)["B"][0] == 50
    assert lines(found)["A"][0] == 0
    assert "no-buy: DU2 sold it at a loss on" in lines(found)["A"][1]


def test_a_substitute_is_bought_with_what_the_barred_one_lacks() -> None:
    there = account("800", PRICES, {"A": "20"})
    found = planned(there, [trade()], A="0.5", B="0.5")
    assert lines(found)["A"][0] == 0
    assert lines(found)["A"][1].startswith("no-buy: R is bought instead: DU2 sold it at a loss")
    assert 28 <= lines(found)["R"][0] <= 30
    assert 48 <= lines(found)["B"][0] <= 50
    assert found.target.source == "test; R instead of A"


def test_the_reserve_does_not_make_the_barred_one_be_sold() -> None:
    there = account("800", PRICES, {"A": "20"})
    wide = replace(GUARD, cash_reserve=Decimal("0.3"))
    found = planned(there, [trade()], policy=wide, A="0.5", B="0.5")
    assert lines(found)["A"][0] == 0
    assert found.cash_worst >= found.reserve


def test_a_substitute_has_its_scale_but_never_more_than_there_is() -> None:
    there = account("1000", PRICES)
    assert 24 <= lines(planned(there, [trade()], scale="0.5", A="0.5"))["R"][0] <= 25
    twice = planned(there, [trade()], scale="2", A="0.5", B="0.4")
    assert sum(twice.target.weights.values()) == 1
    assert twice.target.weights["R"] == Decimal("0.6")


def test_a_substitute_that_is_barred_itself_is_none() -> None:
    found = planned(account("1000", PRICES), [trade(), trade("R")], A="0.5", B="0.5")
    assert lines(found).keys() == {"A", "B"}


def test_a_substitute_that_is_the_same_contract_is_none() -> None:
    there = account("1000", PRICES)
    same = {**there.instruments, "R": replace(there.instruments["A"], symbol="R")}
    found = planned(replace(there, instruments=same), [trade("A")], A="0.5", B="0.5")
    assert found.target.weights.keys() == {"A", "B"}


def test_a_substitute_in_the_target_already_gets_the_weight_on_top() -> None:
    found = planned(account("1000", PRICES), [trade()], substitute="B", A="0.4", B="0.5")
    assert found.target.weights == {"A": 0, "B": Decimal("0.9")}


def test_above_its_weight_the_barred_one_may_still_be_sold() -> None:
    found = planned(account("200", PRICES, {"A": "80"}), [trade()], A="0.5", B="0.5")
    assert lines(found)["A"][0] < 0
    assert "R" not in lines(found)


def test_an_empty_account_has_nothing_to_substitute() -> None:
    there = account("0", PRICES)
    assert planned(there, [trade()], A="0.5").lines == ()


def test_seconds_are_on_the_cautious_side() -> None:
    assert WASH_SECONDS == 31 * DAY
    assert SHORT_TERM_SECONDS > 366 * DAY
