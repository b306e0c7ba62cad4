"""Orders found again: after a crash or a lost connection, of other clients, or to be cancelled.

An order is recognised by its orderRef and permId, wherever the gateway shows it: among open
orders, completed orders or executions. Silence proves nothing: an answer without its end is no
proof of absence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ib_async import ExecutionFilter

from rebalancer.core.order import OpenOrder, OrderReport, symbol_of
from rebalancer.core.reconcile import Shown
from rebalancer.errors import GatewayError, GatewayUnavailableError
from rebalancer.gateway.book import AT_WORK, Track, open_order
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.faults import Then, lookup
from rebalancer.gateway.session import Session
from rebalancer.gateway.ticket import report_of

log = logging.getLogger("rebalancer.gateway")

#: The code of a cancel for an order id that the gateway does not know.
NOT_FOUND = 10147


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What became of orders that were to be cancelled."""

    #: Confirmed, perhaps after a partial fill.
    cancelled: tuple[OpenOrder, ...] = ()
    #: Filled before the cancel arrived.
    filled: tuple[OpenOrder, ...] = ()
    #: Not confirmed within the deadline: late, not failed.
    unanswered: tuple[OpenOrder, ...] = ()
    #: Placed by another client id or by hand, and the API lets nobody else cancel them; or our
    #: own, and a gateway that was restarted does not know them under our order id any more.
    foreign: tuple[OpenOrder, ...] = ()


async def find(
    connection: Connection,
    account_id: str,
    order_refs: Sequence[str],
) -> dict[str, OrderReport]:
    """What the gateway knows of these orders, whoever sent them and whenever today.

    Open orders, completed orders and executions are read. An orderRef that is in none of them
    is not in the result: the order never arrived, or its trading day is over.

    Raises:
        GatewayError: an answer stayed incomplete, and not every order was found in a final
            state without it: what arrived is no proof of absence.
        GatewayUnavailableError: the connection was lost.
    """
    session = connection.session
    missing = await read_all(session, account_id, connection.timeout)
    reports: dict[str, OrderReport] = {}
    unproven: list[str] = []
    for ref in order_refs:
        tracks = [t for t in session.book.by_ref(ref) if t.account_id == account_id]
        if tracks:
            reports[ref] = _under_our_symbol(report_of(ref, tracks, session.book))
        known = bool(tracks) and all(t.complete and t.verdict() != "working" for t in tracks)
        if not known:
            unproven.append(ref)
    if missing and unproven:
        raise GatewayError(
            f"cannot tell what became of {', '.join(unproven)}: {'; '.join(missing)}",
        )
    return reports


async def read_all(session: Session, account_id: str, within: float) -> list[str]:
    """Bring the book up to date for an account; returns what could not be read, in words.

    ``account_id`` '' is every account of the login.

    Raises:
        GatewayUnavailableError: the connection was lost.
    """
    believed_open = session.book.working(account_id)
    client = session.client
    answers = await asyncio.gather(
        session.open_orders.fetch(within),
        session.completed_orders.fetch(within),
        session.ask(
            f"executions of {account_id or 'all accounts'}",
            client.reqExecutions,
            ExecutionFilter(acctCode=account_id),
            within=within,
        ),
        return_exceptions=True,
    )
    missing: list[str] = []
    for answer in answers:
        if isinstance(answer, GatewayError) and not isinstance(answer, GatewayUnavailableError):
            log.warning("%s", answer)
            missing.append(str(answer))
        elif isinstance(answer, BaseException):
            raise answer
    session.check()
    opened = answers[0]
    if not missing and isinstance(opened, list):
        session.book.gone(believed_open - {track.perm_id for track in opened})
    return missing


async def footprint(connection: Connection) -> tuple[Shown, ...]:
    """What the gateway shows of every order and fill of its day, by permId.

    They are of every account of the login, of every client and made by hand.

    Raises:
        GatewayError: an answer stayed incomplete.
        GatewayUnavailableError: the connection was lost.
    """
    session = connection.session
    if missing := await read_all(session, "", connection.timeout):
        raise GatewayError(f"cannot list the orders of the day: {'; '.join(missing)}")
    return tuple(_shown(track) for track in session.book.tracks())


def _shown(track: Track) -> Shown:
    return Shown(
        perm_id=track.perm_id,
        order_ref=track.order_ref,
        account_id=track.account_id,
        client_id=track.client_id,
        symbol=track.symbol,
        con_id=track.con_id,
        action=track.action,
        quantity=track.quantity,
        filled=track.filled,
        working=track.status in AT_WORK,
        exec_ids=tuple(fill.exec_id for _, fill in track.fills.values()),
    )


def _under_our_symbol(report: OrderReport) -> OrderReport:
    """Fills under the operator's spelling, which our orderRef ends with."""
    symbol = symbol_of(report.order_ref)
    if not symbol:
        return report
    return replace(report, fills=tuple(replace(fill, symbol=symbol) for fill in report.fills))


async def open_orders(connection: Connection, account_id: str) -> tuple[OpenOrder, ...]:
    """The account's working orders, of every client and of TWS, oldest first.

    Raises:
        GatewayError: the gateway did not answer.
        GatewayUnavailableError: the connection was lost.
    """
    tracks = await connection.session.open_orders.fetch(connection.timeout)
    mine = {t.perm_id: t for t in tracks if t.account_id == account_id}
    shown = [open_order(track) for _, track in sorted(mine.items())]
    return tuple(order for order in shown if order is not None)


# Cancelling -------------------------------------------------------------------------------


async def cancel(
    connection: Connection,
    orders: Sequence[OpenOrder],
    *,
    deadline: float,
) -> Cancellation:
    """Cancel working orders and wait until each has ended.

    A code that says that an order cannot be cancelled does not say why: it is then looked up,
    and is perhaps filled.

    Args:
        connection: a connection that is ready.
        orders: as ``open_orders`` shows them.
        deadline: seconds.

    Raises:
        GatewayUnavailableError: the connection was lost; whether a cancel arrived is unknown.
    """
    session = connection.session
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline
    own = [o for o in orders if o.client_id == connection.client_id and o.order_id > 0]
    foreign = tuple(order for order in orders if order not in own)
    codes: dict[int, list[int]] = {order.order_id: [] for order in own}
    session.cancels.update(codes)
    try:
        for order in own:
            session.send(session.client.cancelOrder, order.order_id, "")
        asked: set[int] = set()
        while True:
            session.check()
            now = loop.time()
            left = [o for o in own if session.book.track(o.perm_id).verdict() == "working"]
            lost = [o for o in left if o.perm_id in asked and NOT_FOUND in codes[o.order_id]]
            if left == lost or now >= until:
                break
            doubted = [
                o for o in left if _in_doubt(codes[o.order_id]) and o.perm_id not in asked
            ]
            if doubted:
                asked |= {order.perm_id for order in doubted}
                for account_id in {order.account_id for order in doubted}:
                    await read_all(session, account_id, min(connection.timeout, until - now))
                continue
            await session.news(until - now)
    finally:
        for order_id in codes:
            session.cancels.pop(order_id, None)
    ends = {o.perm_id: session.book.track(o.perm_id).verdict() for o in own}
    return Cancellation(
        cancelled=tuple(o for o in own if ends[o.perm_id] in {"cancelled", "rejected"}),
        filled=tuple(o for o in own if ends[o.perm_id] == "filled"),
        unanswered=tuple(o for o in left if o not in lost),
        foreign=(*foreign, *lost),
    )


def _in_doubt(codes: Sequence[int]) -> bool:
    """Whether a code came that is no mere notice; even 202 is only believed with a status."""
    faults = [lookup(code) for code in codes]
    return any(fault is None or fault.then is not Then.NOTICE for fault in faults)
