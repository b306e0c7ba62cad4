"""What recorded gateways answered, as sequences of messages.

Two public sources, both MIT: "ibkr-go" is github.com/ThomasMarcelis/ibkr-go, files under
testdata/transcripts, a paper gateway at server version 200 in April 2026; "rust-ibapi" is
github.com/wboayue/rust-ibapi, tws_interactions.yaml, raw frames at version 173. Where
recordings differ from each other or from the simulator, docs/reference/simulator-wire.md says
how and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from rebalancer.sim.protocol.layouts import COMPLETED_ORDER
from rebalancer.sim.vocabulary import Fault
from rebalancer.sim.world import AccountSpec, Clock, Habits, Holding, Listing, World
from tests.support.sim_client import Client, Said

AAPL = 265598


def apple_world(price: str = "265.15", **changes: Any) -> World:
    """Apple alone, one account that holds ten of it; open around the clock."""
    aapl = Listing(
        AAPL,
        "AAPL",
        Decimal(price),
        primary_exchange="NASDAQ",
        trading_class="NMS",
        market_name="NMS",
        long_name="APPLE INC",
        stock_type="COMMON",
    )
    account = AccountSpec(
        "DU9000001",
        cash={"USD": Decimal(100_000)},
        holdings=(Holding(AAPL, Decimal(10), Decimal("256.10")),),
    )
    world = World((aapl,), (account,), clock=Clock(always_open=True))
    return replace(world, **changes)


def short(said: Said) -> str:
    """A message as the recordings' sequences name it."""
    about = ""
    match said.name:
        case "orderStatus":
            held = f" {said[9]}" if said[9] else ""
            about = f" {said[1]} {said[2]}/{said[3]}{held} client {said[8]}"
        case "execDetails":
            about = f" {said[17]} {said[18]}"
        case "error":
            about = f" {said[2]}"
        case "tickPrice" | "accountSummary":
            about = f" {said[2] if said.name == 'tickPrice' else said[3]}"
        case "completedOrder":
            row = dict(zip(COMPLETED_ORDER, said.fields, strict=True))
            about = f" {row['action']} {row['status']}"
    return said.name + about


def place(order_id: int, **fields: str) -> Callable[[Client], None]:
    """A placeOrder for Apple."""
    known = {"conId": str(AAPL), "symbol": "AAPL", "account": "DU9000001", **fields}

    def send(client: Client) -> None:
        client.place(order_id, **known)

    return send


def ask(name: str, *fields: Any) -> Callable[[Client], None]:
    """A request by name."""

    def send(client: Client) -> None:
        client.ask(name, *fields)

    return send


def limit(order_id: int, price: str, **fields: str) -> Callable[[Client], None]:
    """A limit order for Apple."""
    return place(order_id, orderType="LMT", lmtPrice=price, **fields)


AAPL_FIELDS = ("0", "AAPL", "STK", "", "", "", "", "SMART", "", "USD", "", "")
_RESTING = [
    *("openOrder", "orderStatus PreSubmitted 0/1 client 1"),
    *("openOrder", "orderStatus Submitted 0/1 client 1"),
]


def _bought(shares: int, client: int = 1) -> list[str]:
    return [
        "openOrder",
        f"orderStatus PreSubmitted 0/{shares} client {client}",
        f"execDetails BOT {shares}",
        f"orderStatus Filled {shares}/0 client {client}",
    ]


def _sold(shares: int) -> list[str]:
    return [
        "openOrder",
        f"orderStatus Submitted 0/{shares} client 1",
        f"execDetails SLD {shares}",
        f"orderStatus Filled {shares}/0 client 1",
    ]


@dataclass(frozen=True)
class Recording:
    """Requests and what came back, in steps; ``leaves_out`` is what a recording lacks."""

    source: str
    steps: list[tuple[Callable[[Client], None], list[str]]]
    world: World
    client_id: int = 1
    leaves_out: tuple[str, ...] = ()


ONE_STEP = Habits(two_step_ack=False, pending_cancel=False, open_order_on_fill=False)
_DIRECT_CANCEL = Habits(pending_cancel=False)
_NO_SHOW = Habits(open_order_on_fill=False)

RECORDINGS = [
    Recording(
        "ibkr-go grounded_bootstrap.txt",
        [],
        apple_world(),
    ),
    Recording(
        "ibkr-go current_time.txt",
        [(ask("reqCurrentTime"), ["currentTime"])],
        apple_world(),
    ),
    Recording(
        "ibkr-go grounded_account_summary.txt",
        [
            (
                ask(
                    "reqAccountSummary",
                    5,
                    "All",
                    "NetLiquidation,TotalCashValue,BuyingPower,ExcessLiquidity",
                ),
                [
                    "accountSummary BuyingPower",
                    "accountSummary ExcessLiquidity",
                    "accountSummary NetLiquidation",
                    "accountSummary TotalCashValue",
                    "accountSummaryEnd",
                ],
            ),
            (ask("cancelAccountSummary", 5), []),
        ],
        apple_world(),
    ),
    Recording(
        "ibkr-go grounded_contract_details_aapl.txt",
        [
            (
                ask("reqContractDetails", 5, *AAPL_FIELDS, 0, "", "", ""),
                ["contractDetails", "contractDetailsEnd"],
            )
        ],
        apple_world(),
    ),
    Recording(
        "ibkr-go quote_delayed_data.txt",
        [
            (ask("reqMarketDataType", 3), []),
            (
                ask("reqMktData", 5, *AAPL_FIELDS, 0, "", 1, 0, ""),
                ["error 10167", "marketDataType", "tickPrice 66", "tickPrice 67"],
            ),
        ],
        apple_world(listings=(replace(apple_world().listings[0], data="delayed"),)),
        leaves_out=("tickReqParams",),
    ),
    Recording(
        "ibkr-go api_order_rest_cancel_aapl.txt",
        [
            (limit(1, "10", totalQuantity="1"), _RESTING),
            (
                ask("cancelOrder", 1, ""),
                [
                    "orderStatus PendingCancel 0/1 client 1",
                    "orderStatus Cancelled 0/1 client 1",
                    "error 202",
                ],
            ),
        ],
        apple_world(),
    ),
    Recording(
        "ibkr-go direct_cancel_order.txt",
        [
            (
                limit(1, "150", totalQuantity="1"),
                ["openOrder", "orderStatus Submitted 0/1 client 1"],
            ),
            (
                ask("cancelOrder", 1, ""),
                ["orderStatus Cancelled 0/1 client 1"],
            ),
        ],
        apple_world(habits=ONE_STEP),
        leaves_out=("error 202",),
    ),
    Recording(
        "ibkr-go api_ioc_fok_aapl.txt",
        [
            (
                limit(61, "309.6", totalQuantity="1", tif="IOC"),
                [
                    "openOrder",
                    "orderStatus PendingCancel 0/1 client 1",
                    "orderStatus Cancelled 0/1 client 1",
                ],
            ),
            (
                limit(62, "309.6", totalQuantity="1", tif="FOK"),
                ["openOrder", "orderStatus Inactive 0/1 client 1"],
            ),
            (
                limit(63, "12.9", totalQuantity="1", tif="FOK"),
                ["openOrder", "orderStatus Inactive 0/1 client 1"],
            ),
        ],
        apple_world("257.95"),
    ),
    Recording(
        "ibkr-go api_tif_attribute_matrix_aapl.txt",
        [
            (limit(246, "10", totalQuantity="1", tif="GTC"), _RESTING),
            (
                ask("cancelOrder", 246, ""),
                ["orderStatus Cancelled 0/1 client 1", "error 202"],
            ),
            (
                place(
                    247,
                    action="SELL",
                    totalQuantity="1",
                    orderType="TRAIL",
                    trailingPercent="1.5",
                ),
                ["openOrder", "orderStatus PreSubmitted 0/1 trigger client 1"],
            ),
            (
                lambda client: client.speaker.set_price("AAPL", "255.00"),
                [
                    "openOrder",
                    "orderStatus Submitted 0/1 client 1",
                    "execDetails SLD 1",
                    "openOrder",
                    "orderStatus Filled 1/0 client 1",
                    "commissionReport",
                ],
            ),
        ],
        apple_world(habits=_DIRECT_CANCEL),
    ),
    Recording(
        "ibkr-go api_transmit_false_then_transmit_aapl.txt",
        [
            (limit(293, "13.26", transmit="0"), []),
            (
                limit(293, "13.26"),
                ["openOrder", "orderStatus Submitted 0/10 client 1"],
            ),
            (
                ask("cancelOrder", 293, ""),
                ["orderStatus Cancelled 0/10 client 1", "error 202"],
            ),
        ],
        apple_world(habits=ONE_STEP),
    ),
    Recording(
        "ibkr-go api_dollar_cost_averaging_aapl.txt",
        [
            (place(282, totalQuantity="5"), _bought(5)),
            (place(283, totalQuantity="5"), _bought(5)),
            (place(284, totalQuantity="5"), _bought(5)),
            (place(285, totalQuantity="15", action="SELL"), _sold(15)),
        ],
        apple_world(habits=_NO_SHOW),
        leaves_out=("commissionReport",),
    ),
    Recording(
        "ibkr-go api_completed_orders_variants_aapl.txt",
        [
            (place(297, totalQuantity="5"), _bought(5)),
            (place(298, totalQuantity="5", action="SELL"), _sold(5)),
            (
                ask("reqCompletedOrders", 0),
                [
                    "completedOrder BUY Filled",
                    "completedOrder SELL Filled",
                    "completedOrdersEnd",
                ],
            ),
        ],
        apple_world(habits=_NO_SHOW),
        leaves_out=("commissionReport",),
    ),
    Recording(
        "ibkr-go place_order_fill_native_execution_time.txt",
        [
            (
                place(1, totalQuantity="1"),
                [
                    "openOrder",
                    "orderStatus PreSubmitted 0/1 client 94",
                    "execDetails BOT 1",
                    "openOrder",
                    "orderStatus Filled 1/0 client 94",
                    "commissionReport",
                ],
            )
        ],
        apple_world("257.94"),
        client_id=94,
    ),
    Recording(
        "ibkr-go place_order_invalid_type_live_error.txt",
        [(place(40, orderType="FEELINGS", totalQuantity="1"), ["error 321"])],
        apple_world(),
    ),
    Recording(
        "ibkr-go executions_missing_end_live.txt",
        [(ask("reqExecutions", 5, 0, "", "", "", "", "", ""), [])],
        apple_world(
            faults=(Fault("drop", "reqExecutions", 0, (("message", "execDetailsEnd"),)),)
        ),
    ),
    Recording(
        "rust-ibapi tws_interactions.yaml: pnl (93 is the cancellation)",
        [(ask("cancelPnL", 9001), [])],
        apple_world(),
    ),
]
