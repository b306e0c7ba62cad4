"""The order in which an order's life is reported, as recorded from paper gateways in 2026.

The recordings are public: github.com/ThomasMarcelis/ibkr-go, testdata/transcripts.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from rebalancer.sim.vocabulary import ExecutionFilter, OrderView
from rebalancer.sim.world import Habits, Listing
from tests.support.exchange_play import ACCOUNT, Play, account, market

RESTING = [
    "openOrder PreSubmitted",
    "orderStatus PreSubmitted 0/1",
    "openOrder Submitted",
    "orderStatus Submitted 0/1",
]
CANCELED = [
    "orderStatus PendingCancel 0/1",
    "orderStatus Cancelled 0/1",
    "error 202 Order Canceled - reason:",
]


def one(views: tuple[OrderView, ...]) -> OrderView:
    assert len(views) == 1
    return views[0]


def test_a_market_buy_is_presubmitted_then_filled_and_pays_its_commission_last() -> None:
    assert Play().buy(5) == [
        "openOrder PreSubmitted",
        "orderStatus PreSubmitted 0/5",
        "execDetails BOT 5 @ 258.01",
        "openOrder Filled",
        "orderStatus Filled 5/0",
        "commission 1.00",
    ]


def test_a_market_sell_is_submitted_then_filled() -> None:
    play = Play(market(accounts=account(positions={265598: 5})))
    assert play.sell(5) == [
        "openOrder Submitted",
        "orderStatus Submitted 0/5",
        "execDetails SLD 5 @ 258.00",
        "openOrder Filled",
        "orderStatus Filled 5/0",
        "commission 1.00",
    ]


def test_a_limit_far_from_the_market_rests_and_is_cancelled() -> None:
    play = Play()
    assert play.buy(1, limit=10) == RESTING
    assert play.cancel(1) == CANCELED


def test_gateways_differ_in_how_they_acknowledge_and_cancel() -> None:
    habits = Habits(two_step_ack=False, pending_cancel=False)
    play = Play(market(habits=habits))
    assert play.buy(1, limit=10, tif="GTC") == RESTING[2:]
    assert play.cancel(1) == CANCELED[1:]


def test_gateways_differ_in_what_they_repeat_on_a_fill() -> None:
    play = Play(market(habits=Habits(open_order_on_fill=False)))
    assert play.buy(1)[2:] == [
        "execDetails BOT 1 @ 258.01",
        "orderStatus Filled 1/0",
        "commission 1.00",
    ]
    play = Play(market(habits=Habits(repeat_on_commission=True)))
    assert play.buy(1)[3:] == [
        "openOrder Filled",
        "orderStatus Filled 1/0",
        "openOrder Filled",
        "orderStatus Filled 1/0",
        "commission 1.00",
    ]


def test_an_ioc_order_20_percent_through_the_market_is_cancelled_unfilled() -> None:
    assert Play().buy(1, limit="309.60", tif="IOC") == [
        "openOrder PreSubmitted",
        "orderStatus PendingCancel 0/1",
        "orderStatus Cancelled 0/1",
    ]


@pytest.mark.parametrize("limit", ["309.60", "12.90"])
def test_a_fok_order_that_cannot_fill_becomes_inactive(limit: str) -> None:
    assert Play().buy(1, limit=limit, tif="FOK") == [
        "openOrder PreSubmitted",
        "orderStatus Inactive 0/1",
    ]


def test_a_day_order_far_through_the_market_is_canceled_with_the_reason() -> None:
    reports = Play().buy(1, limit="309.60")
    assert reports[:3] == [
        "openOrder PreSubmitted",
        "orderStatus PreSubmitted 0/1",
        "orderStatus Cancelled 0/1",
    ]
    assert reports[3].startswith(
        "error 202 Order Canceled - reason:We cannot accept an order at the limit price"
    )


def test_a_staged_order_says_nothing_until_it_is_transmitted() -> None:
    play = Play()
    assert play.buy(10, limit="13.26", transmit=False) == []
    assert play.exchange.open_orders() == ()
    assert play.buy(10, limit="13.26", order_id=1)[-1] == "orderStatus Submitted 0/10"


def test_a_trailing_sell_waits_for_its_trigger() -> None:
    play = Play(market(accounts=account(positions={265598: 1})))
    trail = (("trailingPercent", "1.5"),)
    assert play.sell(1, kind="TRAIL", fields=trail) == [
        "openOrder PreSubmitted",
        "orderStatus PreSubmitted 0/1 trigger",
    ]
    assert play.move("AAPL", "270.00") == []
    assert play.move("AAPL", "266.00") == []
    assert play.move("AAPL", "265.90") == [
        "openOrder Submitted",
        "orderStatus Submitted 0/1",
        "execDetails SLD 1 @ 265.90",
        "openOrder Filled",
        "orderStatus Filled 1/0",
        "commission 1.00",
    ]


def test_a_stop_sell_waits_for_its_trigger() -> None:
    play = Play(market(accounts=account(positions={265598: 2})))
    assert play.sell(2, kind="STP", stop="250.00", tif="GTC")[-1].endswith("trigger")
    assert play.move("AAPL", "250.01") == []
    assert "execDetails SLD 2 @ 249.50" in play.move("AAPL", "249.50")


def test_an_order_larger_than_the_touch_fills_in_parts() -> None:
    # One commission an order, not a fill: the parts recorded cost 1.00012, 0.00012, 0.00006.
    thin = Listing(265598, "AAPL", Decimal("292.18"), liquidity=Decimal(40), refill=1.0)
    play = Play(market(listings=(thin,)))
    assert play.buy(100)[2:] == [
        "execDetails BOT 40 @ 292.19",
        "openOrder Submitted",
        "orderStatus Submitted 40/60",
        "commission 1.00",
    ]
    assert play.wait(1)[2:] == ["orderStatus Submitted 80/20", "commission 0.00"]
    assert play.wait(1)[2:] == ["orderStatus Filled 100/0", "commission 0.00"]
    assert sum(fill.commission for fill in play.exchange.fills) == Decimal("1.00")
    assert one(play.exchange.orders_by_ref("")).avg_price == Decimal("292.19")


def test_an_ioc_order_takes_what_is_there_and_cancels_the_rest() -> None:
    thin = Listing(265598, "AAPL", Decimal("100.00"), liquidity=Decimal(40))
    play = Play(market(listings=(thin,)))
    assert play.buy(100, tif="IOC")[-2:] == [
        "orderStatus PendingCancel 40/60",
        "orderStatus Cancelled 40/60",
    ]


def test_a_fok_order_fills_whole_or_not_at_all() -> None:
    thin = Listing(265598, "AAPL", Decimal("100.00"), liquidity=Decimal(40))
    play = Play(market(listings=(thin,)))
    assert play.buy(41, limit="101.00", tif="FOK")[-1] == "orderStatus Inactive 0/41"
    assert "orderStatus Filled 40/0" in play.buy(40, limit="101.00", tif="FOK")


def test_a_marketable_limit_gets_the_better_price_a_resting_one_its_own() -> None:
    play = Play()
    assert "execDetails BOT 1 @ 258.01" in play.buy(1, limit="260.00")
    play.buy(1, limit="255.00")
    assert "execDetails BOT 1 @ 255.00" in play.move("AAPL", "251.00")


def test_an_adaptive_order_trades_inside_a_wide_spread() -> None:
    wide = Listing(265598, "AAPL", Decimal("100.00"), spread=4)
    play = Play(market(listings=(wide,)))
    assert "execDetails BOT 1 @ 100.02" in play.buy(1)
    assert "execDetails BOT 1 @ 100.00" in play.buy(1, algo_strategy="Adaptive")


def test_modifying_keeps_the_order_and_acknowledges_it_anew() -> None:
    play = Play()
    play.buy(1, limit=10)
    perm_id = one(play.exchange.open_orders()).perm_id
    assert play.buy(1, limit=11, order_id=1) == RESTING
    changed = one(play.exchange.open_orders())
    assert (changed.perm_id, changed.order.limit_price) == (perm_id, Decimal(11))
    assert "orderStatus Filled 1/0" in play.buy(1, limit=259, order_id=1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"action": "SELL"}, "error 105 Order being modified does not match original order."),
        ({"symbol": "BND"}, "error 105 Order being modified does not match original order."),
    ],
)
def test_only_the_terms_of_an_order_can_be_modified(change: dict[str, str], error: str) -> None:
    play = Play()
    play.buy(1, limit=10)
    assert play.place(**{"action": "BUY", "shares": "1", **change}, limit=10, order_id=1) == [  # type: ignore[arg-type]
        error
    ]


def test_an_order_id_serves_one_order() -> None:
    play = Play()
    play.buy(1)
    assert play.buy(1, order_id=1) == ["error 103 Duplicate order id"]
    assert play.buy(2, order_id=1) == ["error 104 Cannot modify a filled order."]
    play.buy(1, limit=10, order_id=7)
    play.cancel(7)
    assert play.buy(1, limit=10, order_id=7) == ["error 103 Duplicate order id"]
    assert play.buy(1, order_id=3) == ["error 103 Duplicate order id"]


def test_order_ids_belong_to_clients() -> None:
    play = Play()
    play.buy(1, client=1, order_id=295)
    assert play.exchange.connect(1, play.now) == 296
    assert play.exchange.connect(2, play.now) == 1
    assert "orderStatus Filled 1/0" in play.buy(1, client=2)


def test_rolled_back_ids_are_reissued_and_the_old_orders_live_on() -> None:
    play = Play()
    play.buy(1, limit=10, order_ref="first")
    play.exchange.roll_back_ids(1, 1)
    play.buy(1, limit=11, order_ref="second")
    views = play.exchange.open_orders()
    assert [(v.order_id, v.order.order_ref) for v in views] == [(1, "first"), (1, "second")]
    assert views[0].perm_id != views[1].perm_id
    play.cancel(1)
    assert one(play.exchange.open_orders()).order.order_ref == "first"


# Refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "error"),
    [
        ({"kind": "FEELINGS"}, "error 321 Error validating request.-'bF' : cause - Invalid"),
        ({"kind": "PEG MID"}, "error 387 "),
        ({"symbol": "ZZZZNONE"}, "error 200 No security definition has been found"),
        (
            {"account": "DU404"},
            "error 321 Error validating request.-'bF' : cause - Invalid acc",
        ),
        ({"shares": "1.5"}, "error 10243 Fractional-sized order cannot be placed via API"),
        ({"shares": 0}, "error 434 The order size cannot be zero."),
        ({"shares": -1}, "error 321 "),
        ({"limit": "10.005"}, "error 110 The price does not conform to the minimum price"),
        ({"limit": "NaN"}, "error 321 "),
        ({"kind": "LMT"}, "error 321 "),
        ({"tif": "SOON"}, "error 10052 Invalid time in force:SOON"),
        ({"tif": "GTC", "kind": "MOC"}, "error 113 "),
        ({"tif": "GTD"}, "error 321 "),
        ({"tif": "GTD", "good_till": "tomorrow"}, "error 321 "),
        ({"action": "HOLD"}, "error 321 "),
        ({"algo_strategy": "Vwap"}, "error 439 "),
    ],
)
def test_what_is_not_an_order_is_refused_and_uses_no_id(
    order: dict[str, object], error: str
) -> None:
    play = Play()
    request: dict[str, object] = {"action": "BUY", "shares": 1, **order}
    (reply,) = play.place(**request)  # type: ignore[arg-type]
    assert reply.startswith(error)
    assert play.exchange.connect(1, play.now) == 1
    assert play.exchange.completed_orders() == ()


def test_a_read_only_account_takes_no_orders() -> None:
    play = Play(market(accounts=account(read_only=True)))
    (reply,) = play.buy(1)
    assert reply.startswith("error 321 Error validating request.-'bF' : cause - ")
    assert reply.endswith("The API interface is currently in Read-Only mode.")


def test_with_several_accounts_an_order_must_name_one() -> None:
    several = (*account(), replace(account()[0], account_id="DU9000002"))
    (reply,) = Play(market(accounts=several)).buy(1, account="")
    assert reply.endswith("You must specify an account.")
    assert "orderStatus Filled 1/0" in Play().buy(1, account="")


def test_a_rejected_order_gets_the_error_first_and_becomes_inactive() -> None:
    # erdewit/ib_insync issue 554: error 201, then openOrder and orderStatus, both Inactive.
    play = Play()
    reply = play.buy(2000)
    assert reply[0].startswith(
        "error 201 Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE "
        "DESIRED POSITION YOUR EQUITY WITH LOAN VALUE [100000.00 USD] MUST EXCEED"
    )
    assert reply[1:] == ["openOrder Inactive", "orderStatus Inactive 0/2000"]
    assert play.exchange.connect(1, play.now) == 2


# Cancelling ---------------------------------------------------------------------------------


def test_what_cannot_be_cancelled_says_why() -> None:
    play = Play()
    play.buy(1)
    play.buy(1, limit=10)
    play.cancel(2)
    play.buy(1, limit=10, tif="FOK")
    cannot = "that needs to be cancelled cannot be cancelled, state:"
    assert play.cancel(1) == [f"error 10148 OrderId 1 {cannot} Filled."]
    assert play.cancel(2) == [f"error 10148 OrderId 2 {cannot} Cancelled."]
    assert play.cancel(3)[0].startswith(
        "error 161 Cancel attempted when order is not in a cancellable state.  Order permId ="
    )
    assert play.cancel(99) == [
        "error 10147 OrderId 99 that needs to be cancelled is not found."
    ]


def test_only_client_0_cancels_orders_of_others() -> None:
    play = Play()
    play.buy(1, limit=10, order_id=295)
    assert play.cancel(295, client=2)[0].startswith("error 10147")
    assert play.cancel(295, client=0) == CANCELED


def test_a_global_cancel_spares_nobody() -> None:
    play = Play()
    play.buy(1, limit=10, client=1)
    play.buy(1, limit=10, client=2)
    play.exchange.global_cancel(3, play.now)
    assert play.exchange.open_orders() == ()
    ended = play.exchange.completed_orders()
    assert {view.completed_status for view in ended} == {"Cancelled by Trader"}


# What is left afterwards --------------------------------------------------------------------


def test_completed_orders_say_how_they_ended() -> None:
    play = Play()
    play.buy(5, order_ref="a")
    play.buy(1, limit=10, order_ref="b")
    play.cancel(2)
    play.buy(1, limit=10, order_ref="c", tif="IOC")
    filled, cancelled, killed = play.exchange.completed_orders()
    # A recorded filled order has lost its quantity; the filled one is what is left of it.
    assert filled.order.quantity == 0
    assert filled.filled == 5
    assert filled.completed_status == "Filled Size: 5"
    assert filled.completed_time == "20260415 10:00:00 US/Eastern"
    assert cancelled.completed_status == "Cancelled by Trader"
    assert killed.completed_status == "Cancelled by System:\n"
    play.until("2026-04-16 10:00")
    assert play.exchange.completed_orders() == ()


def test_executions_are_todays_and_can_be_filtered() -> None:
    play = Play()
    play.buy(5, order_ref="mine")
    play.buy(7, symbol="BND", client=2)

    def found(**wanted: object) -> list[Decimal]:
        fills = play.exchange.executions(ExecutionFilter(**wanted))  # type: ignore[arg-type]
        return [fill.shares for fill in fills]

    assert found() == [5, 7]
    assert found(client_id=2) == [7]
    assert found(symbol="AAPL") == found(side="BUY", exchange="NASDAQ") == [5]
    assert found(account="DU404") == found(side="SLD") == found(since=play.now + 1) == []
    play.until("2026-04-16 00:01")
    assert found() == []
    assert [fill.shares for fill in play.exchange.fills] == [5, 7]


def test_ids_are_unique_and_shaped_like_real_ones() -> None:
    play = Play(market(accounts=account(positions={265598: 5})))
    for _ in range(3):
        play.buy(1)
    play.sell(1)
    ids = [fill.exec_id for fill in play.exchange.fills]
    assert len(set(ids)) == len({fill.perm_id for fill in play.exchange.fills}) == 4
    assert [len(part) for part in ids[0].split(".")] == [8, 8, 2, 2]
    assert ids[0].startswith("0000e0d5.")
    assert ids[3].startswith("0000dc8f.")


def test_a_preview_changes_nothing() -> None:
    play = Play()
    assert play.buy(100, what_if=True) == ["whatIf"]
    assert play.exchange.open_orders() == ()
    assert play.exchange.fills == ()
    assert play.exchange.connect(1, play.now) == 1


# Groups -------------------------------------------------------------------------------------


def test_children_wait_for_their_parent() -> None:
    play = Play()
    play.buy(1, limit=250, order_id=1, transmit=False)
    play.sell(1, limit=300, order_id=2, parent_id=1, transmit=False)
    placed = play.sell(1, kind="STP", stop=240, order_id=3, parent_id=1)
    assert [line for line in placed if line.startswith("orderStatus")][1:] == [
        "orderStatus Submitted 0/1",
        "orderStatus PreSubmitted 0/1 child",
        "orderStatus PreSubmitted 0/1 child",
    ]
    play.move("AAPL", 249)
    assert [view.why_held for view in play.exchange.open_orders()] == ["", "trigger"]


def test_children_end_with_their_parent() -> None:
    play = Play()
    play.buy(1, limit=250, order_id=1, transmit=False)
    play.sell(1, limit=300, order_id=2, parent_id=1)
    play.cancel(1)
    assert play.exchange.open_orders() == ()


def test_one_cancels_all() -> None:
    play = Play()
    play.buy(1, limit=250, oca_group="either")
    play.buy(1, limit=249, oca_group="either")
    assert "orderStatus Cancelled 0/1" in play.move("AAPL", "249.99")
    assert play.held() == 1
    assert play.exchange.positions(ACCOUNT)[0].avg_cost == Decimal(251)
