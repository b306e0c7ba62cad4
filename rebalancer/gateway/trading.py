"""Orders: sent once, followed to their end, previewed; found and cancelled by ``reconcile``.

What ``wait`` cannot tell, because the connection was lost or the deadline came, ``find`` tells
later: nothing is ever concluded from silence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ib_async import OrderState

from rebalancer.core.account import Instrument
from rebalancer.core.order import OpenOrder, Order, OrderReport
from rebalancer.errors import GatewayError
from rebalancer.gateway import convert
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.reconcile import Cancellation, cancel, find, open_orders, read_all
from rebalancer.gateway.ticket import Ticket

__all__ = [
    "Cancellation",
    "OpenOrder",
    "Ticket",
    "WhatIf",
    "cancel",
    "find",
    "open_orders",
    "place",
    "reprice",
    "room",
    "wait",
    "what_if",
]

log = logging.getLogger("rebalancer.gateway")


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What an order would do to the account, in its base currency; nothing was ordered."""

    initial_margin_change: Decimal
    maintenance_margin_change: Decimal
    #: The account as it is, without the order.
    initial_margin_before: Decimal
    equity_with_loan_before: Decimal
    equity_with_loan_change: Decimal
    #: The most it may cost; ``None`` when the gateway does not tell.
    commission: Decimal | None
    commission_currency: str
    warning: str


# Sending ----------------------------------------------------------------------------------


async def room(connection: Connection, count: int = 1, *, within: float = 10.0) -> None:
    """Return when ``count`` messages go out at once, instead of being held back by the pacing.

    The gateway allows 50 messages a second; ib_async holds back what goes beyond 45 in its
    interval. Hold ``connection.sending`` from before this until the messages are sent, or
    somebody else's take the place.

    Raises:
        GatewayError: not within ``within`` seconds.
        GatewayUnavailableError: there is no connection.
    """
    session = connection.session
    client = session.client
    loop = asyncio.get_running_loop()
    began = loop.time()
    waited = not session.flowing.is_set()
    try:
        async with asyncio.timeout(within):
            while True:
                await session.flowing.wait()
                session.check()
                # ib_async's own count; it offers no other way to ask.
                sent_at = client._timeQ  # noqa: SLF001
                recent = [t for t in sent_at if loop.time() - t <= client.RequestsInterval]
                over = len(recent) + min(count, client.MaxRequests) - client.MaxRequests
                if over <= 0:
                    return
                waited = True
                # Known to the moment: when so many of the latest messages have aged.
                await asyncio.sleep(
                    recent[over - 1] + client.RequestsInterval - loop.time() + 0.001
                )
    except TimeoutError:
        raise GatewayError(f"messages are held back for more than {within:g} s") from None
    finally:
        if waited:
            connection.pacing_waits += 1
            connection.pacing_seconds += loop.time() - began


def place(
    connection: Connection,
    orders: Sequence[Order],
    instruments: Mapping[str, Instrument],
    *,
    may_send: Callable[[], bool] = lambda: True,
) -> tuple[Ticket, ...]:
    """Send all of the orders now, in this order, and return their tickets.

    Nothing is sent if any order is wrong in itself. Beyond the gateway's pace the rest waits
    in the connection: send at most about 40 at once, each after ``room``.

    Args:
        connection: a connection that is ready.
        orders: each with its own orderRef, its account and its tif.
        instruments: by symbol.
        may_send: asked right before each order; no later than that can one still be stopped.

    Raises:
        GatewayError: ``may_send`` said no, perhaps after some were sent: ``find`` tells which.
        ValueError: an order is incomplete, or its conId is not its instrument's.
        WrongGatewayError: an account is not one of this login and mode.
        GatewayUnavailableError: the connection was lost, perhaps after some were sent:
            ``find`` tells which.
    """
    session = connection.session
    for account_id in {order.account_id for order in orders}:
        connection.check_account(account_id, connection.trading_mode)
    prepared = []
    for order in orders:
        instrument = instruments[order.symbol]
        if instrument.con_id != order.con_id:
            raise ValueError(f"conId of {order} is not {instrument.con_id}")
        session.book.magnifiers[instrument.con_id] = instrument.magnifier
        ib_order = convert.ib_order(order, instrument.magnifier)
        prepared.append((order, convert.ib_contract(instrument), ib_order))
    now = asyncio.get_running_loop().time()
    tickets = []
    for order, contract, ib_order in prepared:
        session.check()
        if not may_send():
            raise GatewayError(f"{order.order_ref} was not sent: its time to be sent is over")
        order_id = session.new_id()
        ticket = Ticket(order, order_id, session, now)
        session.tickets[order_id] = ticket
        session.send(session.client.placeOrder, order_id, contract, ib_order)
        tickets.append(ticket)
    return tuple(tickets)


def reprice(
    connection: Connection,
    limits: Mapping[Ticket, Decimal],
    instruments: Mapping[str, Instrument],
    *,
    may_send: Callable[[], bool] = lambda: True,
) -> None:
    """Give working limit orders new limits; those that have ended are passed over.

    The order keeps its id, its orderRef and what has filled. Whether it filled before the
    change arrived, its status tells.

    Raises:
        GatewayError: ``may_send`` said no, perhaps after some were sent.
        GatewayUnavailableError: the connection was lost, perhaps after some were sent.
    """
    session = connection.session
    for ticket, limit in limits.items():
        session.check()
        if ticket.session is not session or ticket.verdict() is not None:
            continue
        order = replace(ticket.order, limit_price=limit)
        instrument = instruments[order.symbol]
        contract = convert.ib_contract(instrument)
        changed = convert.ib_order(order, instrument.magnifier)
        if not may_send():
            raise GatewayError(f"{order.order_ref} was not repriced: its time is over")
        session.send(session.client.placeOrder, ticket.order_id, contract, changed)
        ticket.order = order


# Following --------------------------------------------------------------------------------


async def wait(tickets: Sequence[Ticket], *, deadline: float) -> tuple[OrderReport, ...]:
    """Follow the orders until each is final and all its fills have arrived.

    Args:
        tickets: of one connection, as ``place`` returned them.
        deadline: seconds; what is not final then is reported as ``working``.

    Returns:
        One report per ticket, in the same order. Commissions that come later are in
        ``Ticket.report``.

    Raises:
        GatewayUnavailableError: the connection was lost. Fills may be missed, so nothing is
            reported; ``find`` tells after it is back.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline
    sessions = {ticket.session for ticket in tickets}
    while True:
        for session in sessions:
            session.check()
        now = loop.time()
        pending = [ticket for ticket in tickets if not ticket.settled(now)]
        if not pending or now >= until:
            return tuple(ticket.report() for ticket in tickets)
        doubted = [t for t in pending if (due := t.doubt(now)) is not None and due <= now]
        if doubted:
            await _ask_about(doubted, until - now)
            continue
        looks = [due for ticket in pending if (due := ticket.next_look(now)) is not None]
        await pending[0].session.news(min([until, *looks]) - now)


async def _ask_about(tickets: Sequence[Ticket], within: float) -> None:
    """Ask the gateway what became of these, once for all of an account."""
    session = tickets[0].session
    for account_id in sorted({ticket.order.account_id for ticket in tickets}):
        mine = [ticket for ticket in tickets if ticket.order.account_id == account_id]
        log.info("asking what became of %d orders of %s", len(mine), account_id)
        missing = await read_all(session, account_id, min(within, session.timeout))
        now = asyncio.get_running_loop().time()
        for ticket in mine:
            ticket.asked(now, fully=not missing)


# Previewing -------------------------------------------------------------------------------


async def what_if(connection: Connection, order: Order, instrument: Instrument) -> WhatIf:
    """What the gateway says the order would do to margin and cost. Nothing is ordered.

    Raises:
        GatewayError: it was refused (the text says why) or not answered.
        GatewayUnavailableError: the connection was lost.
    """
    session = connection.session
    connection.check_account(order.account_id, connection.trading_mode)
    ib_order = convert.ib_order(order, instrument.magnifier)
    ib_order.whatIf = True
    rows: list[OrderState] = await session.ask(
        f"what-if of {order.order_ref}",
        session.client.placeOrder,
        convert.ib_contract(instrument),
        ib_order,
        within=connection.timeout,
    )
    state = rows[-1]
    costs = map(convert.number, (state.commission, state.maxCommission))
    return WhatIf(
        initial_margin_change=_figure(state.initMarginChange, order),
        maintenance_margin_change=_figure(state.maintMarginChange, order),
        initial_margin_before=_figure(state.initMarginBefore, order),
        equity_with_loan_before=_figure(state.equityWithLoanBefore, order),
        equity_with_loan_change=_figure(state.equityWithLoanChange, order),
        commission=max((cost for cost in costs if cost is not None), default=None),
        commission_currency=state.commissionCurrency,
        warning=state.warningText,
    )


def _figure(value: float | str, order: Order) -> Decimal:
    found = convert.number(value)
    if found is None:
        raise GatewayError(f"the gateway gave no margin or no equity for {order.order_ref}")
    return found
