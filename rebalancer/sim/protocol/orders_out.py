"""Orders on their way to a client: openOrder, orderStatus, completedOrder."""

from __future__ import annotations

from collections.abc import Mapping

from rebalancer.sim.protocol.layouts import COMPLETED_ORDER, DEFAULTS, OPEN_ORDER
from rebalancer.sim.protocol.messages_out import Message, message
from rebalancer.sim.protocol.wire import UNSET_DOUBLE, Value
from rebalancer.sim.vocabulary import ContractView, Margin, OrderView


def open_order(view: OrderView, contract: ContractView, *, client_id: int) -> Message:
    """An order as it stands; ``client_id`` is whose it is said to be."""
    known = _order(view, contract) | {
        "orderId": view.order_id,
        "clientId": client_id,
        "parentId": view.order.parent_id,
        "whatIf": view.order.what_if,
        "warningText": view.warning,
    }
    return message("openOrder", *_row(OPEN_ORDER, known, view))


def preview(view: OrderView, contract: ContractView, margin: Margin) -> Message:
    """The answer to a whatIf order: the same message, with margin and commission."""
    known = _order(view, contract) | {
        "orderId": view.order_id,
        "clientId": view.client_id,
        "whatIf": True,
        "initMarginBefore": margin.initial_before,
        "maintMarginBefore": margin.maintenance_before,
        "equityWithLoanBefore": margin.equity_before,
        "initMarginChange": margin.initial_after - margin.initial_before,
        "maintMarginChange": margin.maintenance_after - margin.maintenance_before,
        "equityWithLoanChange": margin.equity_after - margin.equity_before,
        "initMarginAfter": margin.initial_after,
        "maintMarginAfter": margin.maintenance_after,
        "equityWithLoanAfter": margin.equity_after,
        "commission": margin.commission,
        "minCommission": UNSET_DOUBLE,
        "maxCommission": UNSET_DOUBLE,
        "commissionCurrency": margin.currency,
        "warningText": margin.warning,
    }
    return message("openOrder", *_row(OPEN_ORDER, known, view))


def completed_order(view: OrderView, contract: ContractView) -> Message:
    """An order that ended: it has lost its order id and its client id."""
    known = _order(view, contract) | {
        "filledQuantity": view.filled,
        "completedTime": view.completed_time,
        "completedStatus": view.completed_status,
    }
    return message("completedOrder", *_row(COMPLETED_ORDER, known, view))


def order_status(view: OrderView, *, client_id: int) -> Message:
    """How far an order has come; ``client_id`` is whose it is said to be."""
    return message(
        "orderStatus",
        view.order_id,
        view.status,
        view.filled,
        view.remaining,
        view.avg_price,
        view.perm_id,
        view.order.parent_id,
        view.last_price,
        client_id,
        view.why_held,
        view.cap_price,
    )


def _order(view: OrderView, contract: ContractView) -> dict[str, Value]:
    order = view.order
    return {
        **dict(order.fields),
        "conId": contract.con_id,
        "symbol": contract.symbol,
        "secType": contract.sec_type,
        "expiry": contract.expiry,
        "strike": contract.strike,
        "right": contract.right or "?",
        "multiplier": contract.multiplier,
        "exchange": dict(order.fields).get("exchange") or "SMART",
        "currency": contract.currency,
        "localSymbol": contract.local_symbol,
        "tradingClass": contract.trading_class,
        "action": order.action,
        "totalQuantity": order.quantity,
        "orderType": order.order_type,
        "lmtPrice": order.limit_price or 0,
        "auxPrice": order.aux_price or 0,
        "tif": order.tif,
        "ocaGroup": order.oca_group,
        "account": order.account,
        "orderRef": order.order_ref,
        "permId": view.perm_id,
        "outsideRth": order.outside_rth,
        "goodAfterTime": order.good_after,
        "goodTillDate": order.good_till,
        "allOrNone": order.all_or_none,
        "algoStrategy": order.algo_strategy,
        "status": view.status,
    }


def _row(layout: tuple[str, ...], known: Mapping[str, Value], view: OrderView) -> list[Value]:
    row: list[Value] = []
    for name in layout:
        row.append(known[name] if name in known else DEFAULTS.get(name, ""))
        if name == "algoStrategy" and view.order.algo_strategy:
            row.append(len(view.order.algo_params))
            row += [part for param in view.order.algo_params for part in param]
    return row
