# ruff: noqa: N802, N803, N815, PLR0913, PLR0917, ARG002 - callbacks are named and called by ib_async
"""ib_async with our meanings: its socket, framing, pacing and codecs; our answers and orders.

ib_async keeps a table of trades by order id, marks live orders cancelled on notices (10349),
leaves refused ones active for ever (321), and drops positions that were asked for by account.
So its callbacks are overridden here and hand every message to the current session instead.
One ``Wire`` lives for one socket: nothing of an old connection can be mistaken for news.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ib_async import (
    IB,
    CommissionReport,
    Contract,
    ContractDetails,
    Execution,
    OrderState,
    PriceIncrement,
)
from ib_async import Order as IbOrder
from ib_async.client import Client
from ib_async.ib import StartupFetchNONE
from ib_async.wrapper import Wrapper

from rebalancer.gateway import convert
from rebalancer.gateway.decoder import PatientDecoder
from rebalancer.gateway.faults import from_rival
from rebalancer.gateway.session import Session

#: Seconds in which ib_async sends at most 45 messages. The gateway allows 50 in one second as
#: it receives them; with one second here, two bursts may meet there when the first is delayed.
PACE = 1.2


class Wire(IB):
    """One socket to the gateway."""

    def __init__(self, ear: Callable[[int, int, str], None]) -> None:
        super().__init__()
        self.inbox = Inbox(self, ear)
        self.wrapper = self.inbox
        self.client = Client(self.inbox)  # type: ignore[no-untyped-call]
        self.client.RequestsInterval = PACE  # type: ignore[assignment]
        self.client.decoder = PatientDecoder(self.inbox, 0)
        self.client.apiEnd += self.disconnectedEvent
        self._given_up: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # ib_async itself would wait out its timeout when the gateway hangs up on the hello.
        self.client.conn.disconnected += self.give_up

    def give_up(self, reason: str) -> None:
        """Let a connect that is under way fail for this reason."""
        if not self._given_up.done():
            self._given_up.set_result(reason or "the gateway closed the connection")

    async def open(self, host: str, port: int, client_id: int, *, within: float) -> None:
        """Connect, and prove that the gateway answers: an unanswered start-up is an error.

        Raises:
            OSError, TimeoutError: it does not, or not within ``within`` seconds.
        """
        connecting = asyncio.ensure_future(
            self.connectAsync(
                host,
                port,
                client_id,
                timeout=within,
                raiseSyncErrors=True,
                fetchFields=StartupFetchNONE,
            ),
        )
        try:
            async with asyncio.timeout(within):
                await asyncio.wait(
                    {connecting, self._given_up},
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not connecting.done():
                    raise ConnectionError(self._given_up.result())
                await connecting
        finally:
            connecting.cancel()
            await asyncio.wait({connecting})
            if not connecting.cancelled():
                connecting.exception()  # seen: it is raised above or came too late to matter
        # The start-up's positions have proven their point; ours are asked for by account.
        self.inbox.session.send(self.client.cancelPositions)


class Inbox(Wrapper):
    """Every message of one socket, handed to the session that is current when it comes."""

    def __init__(self, wire: Wire, ear: Callable[[int, int, str], None]) -> None:
        #: Told of every code that is about no request, line or order, and of rivals.
        self._ear = ear
        self.session: Session
        super().__init__(wire)

    def tcpDataProcessed(self) -> None:
        """A network packet has been handled: whoever waits looks again."""
        self.session.ring()

    def error(
        self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str
    ) -> None:
        """A code, for a request, a line, an order, or the connection."""
        text = errorString
        if advancedOrderRejectJson:
            text = f"{text} {advancedOrderRejectJson}"
        # Another session concerns the whole connection, whichever request it is told to.
        if not self.session.error(reqId, errorCode, text) or from_rival(errorCode, text):
            self._ear(reqId, errorCode, text)

    def nextValidId(self, req_id: int) -> None:
        """The ids below are used up, whatever was said of them before."""
        self.session.client.updateReqId(req_id)  # type: ignore[no-untyped-call]

    # Requests with an id -------------------------------------------------------------------

    def _row(self, req_id: int, row: Any) -> None:
        reply = self.session.replies.get(req_id)
        if reply is not None:
            reply.rows.append(row)

    def _end(self, req_id: int) -> None:
        reply = self.session.replies.get(req_id)
        if reply is not None:
            reply.end()

    def contractDetails(self, req_id: int, details: ContractDetails) -> None:
        """A contract."""
        self._row(req_id, details)

    bondContractDetails = contractDetails  # type: ignore[assignment]

    def contractDetailsEnd(self, req_id: int) -> None:
        """No more contracts."""
        self._end(req_id)

    def positionMulti(
        self,
        req_id: int,
        account: str,
        model: str,
        contract: Contract,
        size: float,
        avg_cost: float,
    ) -> None:
        """A position of the account that was asked for."""
        self._row(req_id, (account, model, contract, size, avg_cost))

    def positionMultiEnd(self, req_id: int) -> None:
        """No more positions."""
        self._end(req_id)

    def accountUpdateMulti(
        self,
        req_id: int,
        account: str,
        model: str,
        tag: str,
        value: str,
        currency: str,
    ) -> None:
        """An account value."""
        self._row(req_id, (account, model, tag, value, currency))

    def accountUpdateMultiEnd(self, req_id: int) -> None:
        """No more account values."""
        self._end(req_id)

    def marketRule(self, rule_id: int, increments: list[PriceIncrement]) -> None:
        """Price steps; the answer carries the rule's id instead of the request's."""
        self.session.rule(rule_id, increments)

    # Orders --------------------------------------------------------------------------------

    def openOrder(
        self,
        order_id: int,
        contract: Contract,
        order: IbOrder,
        state: OrderState,
    ) -> None:
        """An order as it stands, or the answer to a what-if."""
        session = self.session
        if order.whatIf:
            # A first answer may come without figures.
            if convert.number(state.initMarginChange) is not None:
                self._row(order_id, state)
                self._end(order_id)
            return
        session.seen_id(order_id)
        if not order.permId:
            return  # not with IBKR yet; the next one has its permId
        track = session.book.opened(contract, order, state)
        if session.open_orders.reply is not None:
            session.open_orders.reply.rows.append(track)

    def openOrderEnd(self) -> None:
        """No more open orders."""
        if self.session.open_orders.reply is not None:
            self.session.open_orders.reply.end()

    def completedOrder(self, contract: Contract, order: IbOrder, state: OrderState) -> None:
        """An order that ended today; it may also come unasked."""
        if not order.permId:
            return
        track = self.session.book.completed(contract, order, state)
        if self.session.completed_orders.reply is not None:
            self.session.completed_orders.reply.rows.append(track)

    def completedOrdersEnd(self) -> None:
        """No more completed orders."""
        if self.session.completed_orders.reply is not None:
            self.session.completed_orders.reply.end()

    def orderStatus(
        self,
        order_id: int,
        status: str,
        filled: float,
        remaining: float,
        avg_price: float,
        perm_id: int,
        parent_id: int,
        last_price: float,
        client_id: int,
        why_held: str,
        cap_price: float = 0.0,
    ) -> None:
        """An order's state."""
        if perm_id:
            why = why_held or (f"its price is capped at {cap_price:g}" if cap_price else "")
            self.session.book.status(perm_id, status, filled, avg_price, why)
            return
        ticket = self.session.tickets.get(order_id)
        if ticket is not None and client_id == self.session.client.clientId:
            ticket.stated(status)

    def execDetails(self, req_id: int, contract: Contract, execution: Execution) -> None:
        """A fill, live or asked for."""
        self.session.book.executed(contract, execution)

    def execDetailsEnd(self, req_id: int) -> None:
        """No more fills."""
        self._end(req_id)

    def commissionReport(self, report: CommissionReport) -> None:
        """What a fill cost."""
        self.session.book.commission(report)

    # Prices --------------------------------------------------------------------------------

    def priceSizeTick(self, req_id: int, tick_type: int, price: float, size: float) -> None:
        """A price."""
        self.session.lines.price_tick(req_id, tick_type, price, size)

    def tickSize(self, req_id: int, tick_type: int, size: float) -> None:
        """A size."""
        self.session.lines.size_tick(req_id, tick_type, size)

    def marketDataType(self, req_id: int, kind: int) -> None:
        """The kind of data a line carries."""
        self.session.lines.announced(req_id, kind)
