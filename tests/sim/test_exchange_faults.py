"""Faults that the exchange applies: what a scenario can do to orders and money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from rebalancer.sim.vocabulary import Commissioned, ExecutionFilter, Fault
from tests.support.exchange_play import Play, account, market


def play_with(*faults: Fault, **changes: Any) -> Play:
    return Play(market(faults=faults, **changes))


def on_place(kind: str, *, count: int = 1, **args: Any) -> Fault:
    return Fault(kind, "placeOrder", count, tuple((k, str(v)) for k, v in args.items()))


def test_an_order_can_be_rejected_once() -> None:
    play = play_with(on_place("reject", code=201, text="Order rejected - reason:No."))
    assert play.buy(1) == [
        "error 201 Order rejected - reason:No.",
        "openOrder Inactive",
        "orderStatus Inactive 0/1",
    ]
    assert "orderStatus Filled 1/0" in play.buy(1)


def test_a_count_of_zero_strikes_for_ever() -> None:
    play = play_with(on_place("reject", count=0))
    assert [play.buy(1)[1] for _ in range(3)] == ["openOrder Inactive"] * 3


@pytest.mark.parametrize(
    "filters",
    [{"symbol": "BND"}, {"account": "DU404"}, {"action": "SELL"}, {"order_ref": "rb:"}],
)
def test_filters_spare_other_orders(filters: dict[str, Any]) -> None:
    play = play_with(on_place("reject", **filters))
    assert "orderStatus Filled 1/0" in play.buy(1, order_ref="mine")


def test_an_order_ref_is_found_by_a_part_of_it() -> None:
    play = play_with(on_place("reject", order_ref=":2:AAPL"))
    assert play.buy(1, order_ref="rb:e1:2:AAPL")[0].startswith("error 201 ")


def test_a_partial_fill_rests_or_is_cancelled() -> None:
    resting = play_with(on_place("partial", shares=3))
    assert resting.buy(10)[-2:] == ["orderStatus Submitted 3/7", "commission 1.00"]
    assert resting.wait(3_600) == []
    assert resting.cancel(1)[-2] == "orderStatus Cancelled 3/7"
    ended = play_with(on_place("partial", shares=3, then="cancel"))
    assert ended.buy(10)[-2:] == [
        "orderStatus Cancelled 3/7",
        "error 202 Order Canceled - reason:",
    ]


def test_a_late_fill_comes_late() -> None:
    play = play_with(on_place("late_fill", seconds=5))
    assert play.buy(1)[-1] == "orderStatus Submitted 0/1"
    assert play.exchange.next_wakeup(play.now) == play.now + 5
    assert play.wait(4) == []
    assert play.wait(1)[0] == "execDetails BOT 1 @ 258.01"


def test_every_order_can_take_its_time() -> None:
    play = Play(market(fill_after=2.0))
    assert play.buy(1)[-1] == "orderStatus Submitted 0/1"
    assert "orderStatus Filled 1/0" in play.wait(2)


def test_an_order_can_be_taken_without_a_word() -> None:
    play = play_with(on_place("lost_ack"))
    assert play.buy(1, order_ref="mine") == []
    assert play.held() == 1
    (fill,) = play.exchange.executions(ExecutionFilter())
    assert fill.order_ref == "mine"


def test_a_notice_under_the_orders_id_changes_nothing() -> None:
    play = play_with(on_place("notice"))
    reports = play.buy(1)
    assert reports[-1] == "error 10349 Order TIF was set to DAY based on order preset."
    assert "orderStatus Filled 1/0" in reports


def test_filled_can_come_before_the_fill() -> None:
    reports = play_with(on_place("filled_first")).buy(1)
    assert reports.index("orderStatus Filled 1/0") < reports.index("execDetails BOT 1 @ 258.01")


def test_a_fill_can_be_reported_twice_but_counts_once() -> None:
    play = play_with(on_place("double_report"))
    assert play.buy(1).count("execDetails BOT 1 @ 258.01") == 2
    assert play.held() == 1


def test_a_commission_can_come_later() -> None:
    play = play_with(on_place("late_commission", seconds=3))
    assert "commission 1.00" not in play.buy(1)
    assert play.wait(3) == ["commission 1.00"]


def test_a_correction_has_the_same_id_with_the_next_revision() -> None:
    play = play_with(on_place("correct_fill", price="250.00", seconds=3))
    play.buy(10)
    assert play.wait(3) == ["execDetails BOT 10 @ 250.00", "commission 1.00"]
    wrong, right = play.exchange.executions(ExecutionFilter())
    assert wrong.exec_id.endswith(".01.01")
    assert right.exec_id == wrong.exec_id[:-2] + "02"
    assert play.exchange.fills == (right,)
    assert right.avg_price == 250
    assert play.value("TotalCashValue") == Decimal(100_000) - 2_500 - 1
    assert play.exchange.positions(play.exchange.accounts[0])[0].avg_cost == Decimal("250.1")


def test_a_correction_can_be_made_by_hand() -> None:
    play = Play(market(accounts=account(positions={265598: 1})))
    play.sell(1)
    exec_id = play.exchange.fills[0].exec_id
    reports = play.exchange.correct_fill(exec_id, Decimal("257.00"), play.now)
    assert any(isinstance(report, Commissioned) for report in reports)
    assert play.exchange.fills[0].price == 257
    with pytest.raises(KeyError):
        play.exchange.correct_fill("nonsense", Decimal(1), play.now)


def test_a_cancel_can_be_lost_or_refused() -> None:
    lost = Fault("cancel_lost", "cancelOrder")
    refused = Fault("cancel_refused", "cancelOrder")
    play = play_with(lost, refused)
    play.buy(1, limit=10)
    assert play.cancel(1) == []
    assert play.cancel(1)[0].startswith("error 161 ")
    assert len(play.exchange.open_orders()) == 1
    assert play.cancel(1)[-1].startswith("error 202 ")


def test_proceeds_can_come_late_as_cash_though_not_as_equity() -> None:
    lag = Fault("cash_lag", "+0", args=(("later", "4"),))
    play = play_with(lag, accounts=account(1_000, {265598: 10}, kind="cash"))
    play.sell(10)
    assert play.value("TotalCashValue") == Decimal("999.00")
    assert play.value("NetLiquidation") == Decimal("3579.00")
    assert play.buy(20, "BND")[0].startswith("error 201 ")
    play.wait(4)
    assert play.value("TotalCashValue") == Decimal("3579.00")
    assert "orderStatus Filled 20/0" in play.buy(20, "BND")


def test_a_price_can_jump_and_trading_can_stop() -> None:
    jump = Fault("set_price", "+10", args=(("symbol", "AAPL"), ("price", "240")))
    halt = Fault("halt", "+20", args=(("symbol", "AAPL"), ("seconds", "30")))
    play = play_with(jump, halt)
    play.wait(10)
    assert "execDetails BOT 1 @ 240.01" in play.buy(1)
    play.wait(10)
    assert play.buy(1)[-1] == "orderStatus Submitted 0/1"
    assert play.wait(29) == []
    assert "orderStatus Filled 1/0" in play.wait(1)


def test_faults_can_be_armed_while_running() -> None:
    play = Play()
    play.wait(100)
    play.exchange.arm(on_place("reject"), play.now)
    play.exchange.arm(
        Fault("set_price", "+5", args=(("symbol", "AAPL"), ("price", "240"))), play.now
    )
    assert play.buy(1)[0].startswith("error 201 ")
    play.wait(5)
    assert "execDetails BOT 1 @ 240.01" in play.buy(1)
