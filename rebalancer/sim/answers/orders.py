"""Orders and executions: placing, cancelling, listing, and live reports of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebalancer.sim.answers.common import Handler, invalid
from rebalancer.sim.protocol.fields import Fields
from rebalancer.sim.protocol.messages_in import executions
from rebalancer.sim.protocol.messages_out import (
    Message,
    commission_report,
    error,
    exec_details,
    message,
)
from rebalancer.sim.protocol.orders_in import place_order
from rebalancer.sim.protocol.orders_out import (
    completed_order,
    open_order,
    order_status,
    preview,
)
from rebalancer.sim.vocabulary import (
    Commissioned,
    Executed,
    Execution,
    Opened,
    OrderView,
    Refused,
    Report,
    StatusChanged,
    WhatIf,
)

if TYPE_CHECKING:
    from rebalancer.sim.session import Session


def _place(session: Session, fields: list[str], now: float) -> None:
    order_id, contract, order = place_order(fields)
    hub = session.hub
    hub.changed = True
    hub.deliver(hub.exchange.place(session.client_id, order_id, contract, order, now), now)


def _cancel(session: Session, fields: list[str], now: float) -> None:
    order_id = Fields(fields, skip=2).integer()
    hub = session.hub
    reports = hub.exchange.cancel(session.client_id, order_id, now)
    if session.client_id == 0:
        _bind(session, reports)
    hub.deliver(reports, now)


def _bind(session: Session, reports: tuple[Report, ...]) -> None:
    # Whoever uses client id 0 takes over the orders it cancels: it hears what comes of them,
    # under its own client id.
    for report in reports:
        match report:
            case Opened(view) | StatusChanged(view) if view.client_id != 0:
                session.subs.bound.add((view.client_id, view.order_id))


def _cancel_all(session: Session, _: list[str], now: float) -> None:
    hub = session.hub
    hub.deliver(hub.exchange.global_cancel(session.client_id, now), now)


def _own_open_orders(session: Session, _: list[str], now: float) -> None:
    views = [view for view in session.hub.exchange.open_orders() if _owns(session, view)]
    _list_orders(session, views, now)


def _all_open_orders(session: Session, _: list[str], now: float) -> None:
    _list_orders(session, list(session.hub.exchange.open_orders()), now)


def _list_orders(session: Session, views: list[OrderView], now: float) -> None:
    for view in views:
        session.send(_opened(session, view), now)
        session.send(_status(session, view), now)
    session.send(message("openOrderEnd", 1), now)


def _auto_open_orders(session: Session, _: list[str], now: float) -> None:
    # Binds orders made by hand in the gateway's window. The simulator has none.
    if session.client_id != 0:
        invalid(session, -1, "Only the default client (i.e 0) can auto bind orders", now)


def _completed_orders(session: Session, fields: list[str], now: float) -> None:
    tell_completed(session, now, api_only=Fields(fields, skip=1).flag())
    session.send(message("completedOrdersEnd"), now)


def tell_completed(session: Session, now: float, *, api_only: bool = False) -> None:
    """Send every order that ended today, without the end of the list."""
    for view in session.hub.exchange.completed_orders(api_only=api_only):
        session.send(completed_order(view, session.hub.contract(view.con_id)), now)


def _executions(session: Session, fields: list[str], now: float) -> None:
    req_id, wanted = executions(fields)
    for fill in session.hub.exchange.executions(wanted):
        session.send(exec_details(req_id, fill, session.hub.contract(fill.con_id)), now)
        session.send(commission_report(fill), now)
    session.send(message("execDetailsEnd", 1, req_id), now)


HANDLERS: dict[str, Handler] = {
    "placeOrder": _place,
    "cancelOrder": _cancel,
    "reqGlobalCancel": _cancel_all,
    "reqOpenOrders": _own_open_orders,
    "reqAllOpenOrders": _all_open_orders,
    "reqAutoOpenOrders": _auto_open_orders,
    "reqCompletedOrders": _completed_orders,
    "reqExecutions": _executions,
}


# Live reports -------------------------------------------------------------------------------


def tell(session: Session, report: Report, now: float) -> None:
    """Send a report about an order to its owner, and to client 0 if it took the order over."""
    match report:
        case Opened(view) if _owns(session, view):
            session.send(_opened(session, view), now)
        case StatusChanged(view) if _owns(session, view):
            session.send(_status(session, view), now)
        case Executed(fill) if _owns(session, fill):
            contract = session.hub.contract(fill.con_id)
            session.send(exec_details(-1, fill, contract), now)
        case Commissioned(fill) if _owns(session, fill):
            session.send(commission_report(fill), now)
        case WhatIf(view, margin) if _owns(session, view):
            session.send(preview(view, session.hub.contract(view.con_id), margin), now)
        case Refused(order_id=order_id, code=code, text=text) if _owns(session, report):
            session.send(error(order_id, code, text), now)


def _owns(session: Session, about: OrderView | Execution | Refused) -> bool:
    key = (about.client_id, about.order_id)
    return about.client_id == session.client_id or key in session.subs.bound


def _shown_client(session: Session, view: OrderView) -> int:
    bound = (view.client_id, view.order_id) in session.subs.bound
    return session.client_id if bound else view.client_id


def _opened(session: Session, view: OrderView) -> Message:
    contract = session.hub.contract(view.con_id)
    return open_order(view, contract, client_id=_shown_client(session, view))


def _status(session: Session, view: OrderView) -> Message:
    return order_status(view, client_id=_shown_client(session, view))
