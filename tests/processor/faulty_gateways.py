"""What the chaos tests make a gateway do wrong, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rebalancer.sim.vocabulary import Fault


def fault(kind: str, when: str, count: int = 1, **args: object) -> Fault:
    """A fault, its arguments as keywords."""
    return Fault(kind, when, count, tuple((name, str(value)) for name, value in args.items()))


#: Fills that take a moment, so that what goes wrong can meet them on their way.
SLOW = fault("late_fill", "placeOrder", 0, seconds=0.05)
_LATE = fault("late_fill", "placeOrder", 0, seconds=0.1)
#: Two orders that fill after the deadline, if their cancels let them.
_TOO_LATE = fault("late_fill", "placeOrder", 2, seconds=1.2)
_SELL: Mapping[str, Any] = {"symbol": "BND", "action": "SELL"}

#: Each strikes a rebalance of two accounts somewhere.
GATEWAY: Mapping[str, Sequence[Fault]] = {
    # The connection
    "drops as an order arrives": [fault("disconnect", "placeOrder")],
    "drops with each of three orders": [fault("disconnect", "placeOrder", 3)],
    "drops after an order took effect": [fault("disconnect", "placeOrder", 2, after="done")],
    "drops before a late fill": [SLOW, fault("disconnect", "placeOrder", after="done")],
    "drops in each listing": [
        fault("disconnect", name)
        for name in (
            "reqPositionsMulti",
            "reqAccountUpdatesMulti",
            "reqAllOpenOrders",
            "reqCompletedOrders",
            "reqExecutions",
        )
    ],
    "restarts in mid-flight": [SLOW, fault("restart", "placeOrder", seconds=0.4)],
    "restarts with its ids rolled back": [
        fault("late_fill", "placeOrder", 0, seconds=0.3),
        fault("id_rollback", "placeOrder", to=1),
        fault("restart", "placeOrder", seconds=0.2),
    ],
    "rolls its ids back without a word": [SLOW, fault("id_rollback", "placeOrder", 2, to=1)],
    "stalls": [fault("stall", "placeOrder", seconds=2.5)],
    "goes deaf, then restarts": [
        fault("half_open", "placeOrder"),
        fault("restart", "+4", seconds=0.2),
    ],
    "holds the client id for a while": [
        fault("disconnect", "placeOrder"),
        fault("error", "startApi", code=326),
    ],
    "loses IBKR while orders fill, 1102": [
        _LATE,
        fault("outage", "placeOrder", seconds=0.4, end=1102),
    ],
    "loses IBKR while orders fill, 1101": [
        _LATE,
        fault("outage", "placeOrder", seconds=0.4, end=1101),
    ],
    "says 1102 out of nothing": [SLOW, fault("error", "placeOrder", code=1102)],
    "has a competing session": [fault("competing_session", "+0.3", seconds=0.5)],
    # What it says of orders
    "loses acks": [fault("lost_ack", "placeOrder", 2)],
    "loses every ack for a while": [fault("lost_ack", "placeOrder", 3)],
    "answers late": [fault("late", "placeOrder", 0, seconds=0.3)],
    "says Filled first": [fault("filled_first", "placeOrder", 0)],
    "says everything twice": [fault("double_report", "placeOrder", 0)],
    "corrects a fill": [
        fault("correct_fill", "placeOrder", 2, symbol="AAPL", price=200.1, seconds=0.02)
    ],
    "tells commissions late": [fault("late_commission", "placeOrder", 0, seconds=0.4)],
    "is odd in every way": [
        fault("filled_first", "placeOrder", 0),
        fault("double_report", "placeOrder", 0),
        fault("late_commission", "placeOrder", 0, seconds=0.2),
        fault("notice", "placeOrder", 0, code=10349),
        fault("late_fill", "placeOrder", 2, seconds=0.1),
    ],
    **{
        f"notes {code}": [SLOW, fault("notice", "placeOrder", 0, code=code)]
        for code in (10349, 399, 404, 2109)
    },
    "refuses with 201": [fault("reject", "placeOrder", 2)],
    "refuses with 321": [fault("reject", "placeOrder", 2, code=321)],
    **{
        f"fills too late and refuses cancels with {code}": [
            _TOO_LATE,
            fault("cancel_refused", "cancelOrder", 2, code=code),
        ]
        for code in (161, 10148)
    },
    "fills too late and loses cancels": [_TOO_LATE, fault("cancel_lost", "cancelOrder", 2)],
    "fills partly": [fault("partial", "placeOrder", 2, shares=7, then="rest")],
    "fills partly and cancels": [fault("partial", "placeOrder", 2, shares=7, then="cancel")],
    # Answers without an end, or without rows
    **{
        f"leaves out {name}": [SLOW, fault("drop", request, 2, message=name)]
        for name, request in (
            ("positionMultiEnd", "reqPositionsMulti"),
            ("accountUpdateMultiEnd", "reqAccountUpdatesMulti"),
            ("openOrderEnd", "reqAllOpenOrders"),
        )
    },
    **{
        f"loses an ack and leaves out {name}": [
            fault("lost_ack", "placeOrder"),
            fault("drop", request, message=name),
        ]
        for name, request in (
            ("execDetailsEnd", "reqExecutions"),
            ("completedOrdersEnd", "reqCompletedOrders"),
        )
    },
    "starts empty": [fault("empty_start", "startApi")],
    "has no positions for a while": [fault("empty_start", "reqPositionsMulti", 2)],
    # Money and prices
    "has no prices for a while": [fault("price_nan", "+0", seconds=1.5)],
    "has no data for a while": [fault("no_data", "+0", seconds=1.5, code=10197)],
    "books cash late": [fault("cash_lag", "+0", later=0.5)],
    "books cash very late": [fault("cash_lag", "+0", later=2)],
}

#: Each strikes when a sell has filled and nothing is bought yet.
BETWEEN: Mapping[str, Sequence[Fault]] = {
    "prices NaN": [fault("price_nan", "+0", seconds=1.5)],
    "one price NaN": [fault("price_nan", "+0", seconds=1.5, symbol="SPY")],
    "no data": [fault("no_data", "+0", seconds=1.5, code=10197)],
    "no positions": [fault("empty_start", "reqPositionsMulti", 4)],
    "no balances": [fault("empty_start", "reqAccountUpdatesMulti", 4)],
    "1100": [fault("outage", "+0", seconds=0.5)],
    "2110": [fault("error", "+0", code=2110), fault("error", "+0.4", code=1102)],
    "restart": [fault("restart", "+0", seconds=0.5)],
}

#: A sell that does not fill, or not all of it, and buys that count on it.
UNFILLED_SELLS: Mapping[str, Sequence[Fault]] = {
    "a sell rests": [fault("partial", "placeOrder", shares=30, then="rest", **_SELL)],
    "a sell is cut": [fault("partial", "placeOrder", shares=30, then="cancel", **_SELL)],
    "a sell is refused": [fault("reject", "placeOrder", **_SELL)],
    "a sell is late": [fault("late_fill", "placeOrder", seconds=60, **_SELL)],
}
