"""What the last gate counts and remembers: a trading day's turnover, and trades."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.order import Action, Intent, OrderReport, OrderStatus
from rebalancer.core.trades import MEMORY_SECONDS, WASH_SECONDS, Trade
from rebalancer.errors import PermanentError
from rebalancer.queue import journal, keys, moves
from rebalancer.queue.values import Lease, Recorded, Refused
from tests.queue.lab import START, Lab, intent

DAY = "2026-01-05"


def leased(lab: Lab, account: str = "U1") -> Lease:
    lab.enqueue(account)
    return lab.leased()


def counted(lease: Lease, symbol: str = "SPY", turnover: int = 60_00, **changes: Any) -> Intent:
    pass_number = changes.pop("pass_number", 1)
    action: Action = changes.pop("action", "BUY")
    found = intent(lease, symbol, pass_number)
    order = replace(found.order, action=action)
    return replace(found, order=order, turnover=turnover, trading_day=DAY, **changes)


def record(lab: Lab, lease: Lease, *intents: Intent, limit: int | None = 100_00) -> Recorded:
    return lab.run(moves.record_intents(lease, intents, now=START, day_limit=limit))


def settle(
    lab: Lab,
    lease: Lease,
    sent: Intent,
    filled: str = "0",
    status: OrderStatus = "cancelled",
    trade: Trade | None = None,
) -> None:
    left = Decimal(sent.order.quantity) - Decimal(filled)
    report = OrderReport(sent.order.order_ref, status, Decimal(filled), left, Decimal(1))
    lab.run(moves.settle_intent(lease, report, now=START, trade=trade))


def spent(lab: Lab, account: str = "U1") -> Decimal | str:
    return lab.run(moves.day_turnover(account, DAY))


# Turnover ---------------------------------------------------------------------------------


def test_a_day_is_spent_order_by_order_and_never_over_its_limit(lab: Lab) -> None:
    lease = leased(lab)
    spy, agg = counted(lease, "SPY"), counted(lease, "AGG", 40_01)
    bnd = counted(lease, "BND", 40_00)
    recorded = record(lab, lease, spy, agg, bnd)
    assert recorded.allowed == {spy.order.order_ref, bnd.order.order_ref}
    assert recorded.refused == {agg.order.order_ref: Refused("turnover", "6000")}
    assert spent(lab) == 100
    assert {i.order.symbol for i in lab.run(moves.open_intents("U1"))} == {"SPY", "BND"}
    told = [e for e in lab.run(journal.read()) if e.kind == "refused"]
    assert [e.data["orders"] for e in told] == [{agg.order.order_ref: ["turnover", "6000"]}]


def test_a_resend_counts_nothing_twice_and_refuses_nothing_it_allowed(lab: Lab) -> None:
    lease = leased(lab)
    sent = counted(lease, turnover=100_00)
    first, again = record(lab, lease, sent), record(lab, lease, sent)
    assert first == again
    assert again.allowed == {sent.order.order_ref}
    assert spent(lab) == 100


def test_the_count_outlives_the_event_its_worker_and_the_server(lab: Lab) -> None:
    lease = leased(lab)
    record(lab, lease, counted(lease))
    lab.run(moves.bury(lease, now=START, reason="r", error="e"))
    lab.enqueue("U1")
    other = lab.leased("another processor")
    refused = record(lab, other, counted(other, "AGG"))
    assert set(refused.refused.values()) == {Refused("turnover", "6000")}
    assert spent(lab, "U2") == 0


def test_another_day_and_another_account_count_for_themselves(lab: Lab) -> None:
    lease = leased(lab)
    record(lab, lease, counted(lease))
    tomorrow = replace(counted(lease, "AGG"), trading_day="2026-01-06")
    assert record(lab, lease, tomorrow).refused == {}
    other = leased(lab, "U2")
    assert record(lab, other, counted(other)).refused == {}


@pytest.mark.parametrize(
    ("filled", "left"), [("0", "0"), ("10", "60"), ("4", "24"), ("3", "18"), ("11", "60")]
)
def test_what_did_not_fill_is_given_back(lab: Lab, filled: str, left: str) -> None:
    lease = leased(lab)
    sent = counted(lease)
    record(lab, lease, sent)
    settle(lab, lease, sent, filled)
    assert spent(lab) == Decimal(left)
    settle(lab, lease, sent, "0")
    assert spent(lab) == Decimal(left), "an order was given back twice"


def test_what_is_given_back_is_rounded_down(lab: Lab) -> None:
    lease = leased(lab)
    sent = counted(lease, turnover=33)
    record(lab, lease, sent)
    settle(lab, lease, sent, "5")
    assert spent(lab) == Decimal("0.17")


@pytest.mark.parametrize("found", ["lots", "-5", "1e3", "", "9" * 16, "1.5"])
def test_a_count_nobody_can_read_stops_everything(lab: Lab, found: str) -> None:
    lease = leased(lab)
    lab.redis.hset(keys.turnover("U1"), DAY, found)
    sent = counted(lease, turnover=1)
    recorded = record(lab, lease, sent)
    assert recorded.refused == {sent.order.order_ref: Refused("counter", found)}
    assert lab.run(moves.open_intents("U1")) == ()
    if not found.isdigit():
        assert spent(lab) == found
    # Without a limit nobody needs it; and it is not overwritten.
    assert record(lab, lease, sent, limit=None).allowed == {sent.order.order_ref}
    settle(lab, lease, sent)
    assert lab.redis.hget(keys.turnover("U1"), DAY) == found.encode()


def test_a_limit_of_nothing_allows_nothing(lab: Lab) -> None:
    lease = leased(lab)
    assert len(record(lab, lease, counted(lease, turnover=1), limit=0).refused) == 1


def test_without_a_limit_it_is_counted_all_the_same(lab: Lab) -> None:
    lease = leased(lab)
    record(lab, lease, counted(lease, turnover=10**13), limit=None)
    assert spent(lab) == 10**11


def test_a_halt_is_not_counted(lab: Lab) -> None:
    lease = leased(lab)
    lab.run(moves.halt("all", now=START, reason="drill"))
    recorded = record(lab, lease, counted(lease))
    assert (len(recorded.halted), recorded.refused, spent(lab)) == (1, {}, 0)


def test_a_week_of_days_is_kept(lab: Lab) -> None:
    lease = leased(lab)
    for day in range(1, 13):
        sent = counted(lease, f"S{day}")
        record(lab, lease, replace(sent, trading_day=f"2026-01-{day:02}"))
    kept = sorted(name.decode() for name in lab.redis.hkeys(keys.turnover("U1")))
    assert kept == [f"2026-01-{day:02}" for day in range(6, 13)]


def test_foreign_fields_do_not_cost_the_day_its_count(lab: Lab) -> None:
    lease = leased(lab)
    lab.redis.hset(keys.turnover("U1"), mapping={f"x{n}": "1" for n in range(9)})
    record(lab, lease, counted(lease))
    assert spent(lab) == 60


def test_an_intent_is_read_back_with_what_it_counts_as(lab: Lab) -> None:
    lease = leased(lab)
    sent = counted(lease, avg_cost=Decimal("1.50"), may_lose=True)
    record(lab, lease, sent)
    assert lab.run(moves.open_intents("U1")) == (sent,)


# Trades -----------------------------------------------------------------------------------


def trade(account: str = "U2", *, at: float = START, action: Action = "SELL") -> Trade:
    return Trade("rb:t:1:SPY", account, "SPY", 756733, action, at, Decimal(3), Decimal("1.5"))


def remember(lab: Lab, *trades: Trade) -> None:
    """Settle orders that were these trades."""
    for number, one in enumerate(trades):
        lease = leased(lab, one.account_id)
        sent = counted(lease, pass_number=number + 1, action=one.action)
        record(lab, lease, sent, limit=None)
        settle(lab, lease, sent, "3", trade=one)
        lab.run(moves.complete(lease, now=START, result={}))


def guarded(lab: Lab, *intents: Intent, lease: Lease) -> Recorded:
    move = moves.record_intents(lease, intents, now=START, guarded=("U1", "U2", "U3"))
    return lab.run(move)


def test_a_trade_is_remembered_once_and_for_its_account(lab: Lab) -> None:
    one = trade()
    remember(lab, one)
    assert lab.run(moves.trades("U2", since=START)) == (one,)
    assert lab.run(moves.trades("U2", since=START + 1)) == ()
    assert lab.run(moves.trades("U1", since=0)) == ()


def test_settling_again_remembers_nothing_more(lab: Lab) -> None:
    lease = leased(lab)
    sent = counted(lease)
    record(lab, lease, sent)
    settle(lab, lease, sent, "3", trade=trade("U1"))
    settle(lab, lease, sent, "3", trade=replace(trade("U1"), quantity=Decimal(4)))
    assert lab.run(moves.trades("U1", since=0)) == (trade("U1"),)


def test_what_is_very_old_is_forgotten(lab: Lab) -> None:
    old = replace(trade(at=START - MEMORY_SECONDS - 1), order_ref="rb:old:1:SPY")
    recent = trade(at=START - MEMORY_SECONDS + 1)
    remember(lab, old, recent)
    assert lab.run(moves.trades("U2", since=0)) == (recent,)


@pytest.mark.parametrize("raw", ["not json", "{}", '{"con_id": 1, "quantity": "x"}'])
def test_a_trade_nobody_can_read_is_no_trade_to_ignore(lab: Lab, raw: str) -> None:
    lab.redis.zadd(keys.trades("U2"), {raw: START})
    with pytest.raises(PermanentError, match=r"rebalance_trades:U2 .* unreadable .* ZREM"):
        lab.run(moves.trades("U2", since=0))


def test_what_another_account_sold_at_a_loss_is_not_bought(lab: Lab) -> None:
    remember(lab, trade())
    lease = leased(lab)
    spy, agg = counted(lease), counted(lease, "AGG")
    agg = replace(agg, order=replace(agg.order, con_id=1))
    recorded = guarded(lab, spy, agg, lease=lease)
    assert recorded.allowed == {agg.order.order_ref}
    why = recorded.refused[spy.order.order_ref]
    assert why == Refused("wash_sale", "sold at a loss: rebalance_trades:U2")
    # Without the guard, and to sell it, it is no bar.
    sale = counted(lease, pass_number=2, action="SELL")
    assert guarded(lab, sale, lease=lease).refused == {}
    assert record(lab, lease, spy, limit=None).refused == {}


def test_what_another_account_is_selling_at_a_loss_is_not_bought(lab: Lab) -> None:
    selling = leased(lab, "U2")
    record(lab, selling, counted(selling, action="SELL", may_lose=True))
    lease = leased(lab)
    (why,) = guarded(lab, counted(lease), lease=lease).refused.values()
    assert why == Refused("wash_sale", "being sold at a loss: rebalance_intents:U2")


@pytest.mark.parametrize(
    ("action", "may_lose"), [("SELL", False), ("BUY", True), ("BUY", False)]
)
def test_other_orders_of_others_are_no_bar(lab: Lab, action: Action, *, may_lose: bool) -> None:
    other = leased(lab, "U2")
    record(lab, other, counted(other, action=action, may_lose=may_lose))
    lease = leased(lab)
    assert guarded(lab, counted(lease), lease=lease).refused == {}


def test_old_losses_and_buys_are_no_bar(lab: Lab) -> None:
    old = trade(at=START - WASH_SECONDS - 1)
    remember(lab, old, replace(trade(action="BUY"), order_ref="rb:t:2:SPY"))
    lease = leased(lab)
    assert guarded(lab, counted(lease), lease=lease).refused == {}


@pytest.mark.parametrize("key", ["trades", "intents"])
def test_under_the_guard_what_nobody_can_read_bars_every_buy(lab: Lab, key: str) -> None:
    if key == "trades":
        lab.redis.zadd(keys.trades("U3"), {"garbage": START})
    else:
        lab.redis.hset(keys.intents("U3"), "rb:x:1:SPY", "garbage")
    lease = leased(lab)
    (why,) = guarded(lab, counted(lease), lease=lease).refused.values()
    assert why == Refused("wash_sale", f"an unreadable entry in rebalance_{key}:U3")
