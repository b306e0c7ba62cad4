"""An unbroken stretch of a connection, in which what was read stays true.

A session ends when the socket drops, and also when the gateway loses IBKR (1100): fills in
between are never replayed, so nobody may go on as if nothing had happened. Whoever waits on a
session is woken by its end with ``GatewayUnavailableError``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from rebalancer.core.account import Instrument
from rebalancer.errors import GatewayError, GatewayUnavailableError
from rebalancer.gateway import convert
from rebalancer.gateway.book import Book, Track
from rebalancer.gateway.faults import Then, lookup
from rebalancer.gateway.lines import Lines
from rebalancer.gateway.replies import Listing, RefusedError, Reply

if TYPE_CHECKING:
    from ib_async import PriceIncrement
    from ib_async.client import Client

    from rebalancer.gateway.ticket import Ticket

log = logging.getLogger("rebalancer.gateway")

Row = TypeVar("Row")

#: The code for an order under an id that an earlier order has.
DUPLICATE_ID = 103


class Session:
    """What is asked and heard between two interruptions. ``generation`` names it."""

    def __init__(
        self,
        client: Client,
        generation: int,
        *,
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.client = client
        self.generation = generation
        #: Seconds to wait for an answer.
        self.timeout = timeout
        #: Why it ended; '' while it lasts.
        self.over = ""
        self.closed = asyncio.Event()
        self.replies: dict[int, Reply[Any]] = {}
        #: Market rules asked for, by rule id.
        self._rules: dict[int, Reply[PriceIncrement]] = {}
        self.open_orders: Listing[Track] = Listing("open orders", self._ask_open)
        self.completed_orders: Listing[Track] = Listing("completed orders", self._ask_completed)
        self.book = Book(self._bound, self._near)
        #: Orders sent on this session, and codes that came for orders being cancelled, by id.
        self.tickets: dict[int, Ticket] = {}
        self.cancels: dict[int, list[int]] = {}
        #: Clear while ib_async holds messages back to stay under the gateway's limit.
        self.flowing = asyncio.Event()
        self.flowing.set()
        client.throttleStart += self.flowing.clear
        client.throttleEnd += self.flowing.set
        self.lines = Lines(self._subscribe, self._unsubscribe, clock, loop.time)
        self._loop = loop
        #: The market data type asked for last.
        self._data_type = 0
        self._bell = asyncio.Event()

    # Waiting -------------------------------------------------------------------------------

    def ring(self) -> None:
        """Wake everyone who waits for news; once per network packet is enough."""
        self._bell.set()
        self._bell.clear()

    async def news(self, within: float) -> None:
        """Return at the next packet, or after ``within`` seconds without one.

        Raises:
            GatewayUnavailableError: the session is over.
        """
        self.check()
        try:
            async with asyncio.timeout(within):
                await self._bell.wait()
        except TimeoutError:
            pass
        self.check()

    def check(self) -> None:
        """Raise ``GatewayUnavailableError`` if the session is over."""
        if self.over:
            raise GatewayUnavailableError(self.over)

    def end(self, reason: str) -> None:
        """End the session and tell everyone who waits on it."""
        if self.over:
            return
        self.over = reason
        error = GatewayUnavailableError(reason)
        for reply in (*self.replies.values(), *self._rules.values(), *self._listings()):
            reply.fail(error)
        self.closed.set()
        self.ring()

    # Asking --------------------------------------------------------------------------------

    def send(self, request: Callable[..., None], *args: object) -> None:
        """Send one message.

        Raises:
            GatewayUnavailableError: there is nobody to send it to.
        """
        self.check()
        try:
            request(*args)
        except ConnectionError as error:
            raise GatewayUnavailableError(f"not connected: {error}") from error

    def new_id(self) -> int:
        """The next id for a request or an order; they share one sequence.

        Raises:
            GatewayUnavailableError: the session is over.
        """
        self.check()
        try:
            return int(self.client.getReqId())
        except ConnectionError as error:
            raise GatewayUnavailableError(f"not connected: {error}") from error

    def seen_id(self, order_id: int) -> None:
        """Never issue an id that an order of any client already has."""
        self.client.updateReqId(order_id + 1)  # type: ignore[no-untyped-call]

    def open(self, what: str) -> Reply[Any]:
        """A reply under a new request id; to be closed with ``close``."""
        reply: Reply[Any] = Reply(what, self._loop.create_future(), self.new_id())
        self.replies[reply.req_id] = reply
        return reply

    def close(self, reply: Reply[Any], cancel: Callable[..., None] | None = None) -> None:
        """Forget a reply and, for a subscription, tell the gateway so."""
        self.replies.pop(reply.req_id, None)
        if cancel is not None and not self.over and self.client.isReady():
            self.send(cancel, reply.req_id)

    async def answered(self, reply: Reply[Row], within: float) -> list[Row]:
        """The rows, once the end message came.

        Raises:
            GatewayError: the end did not come within ``within`` seconds, or a code came.
            GatewayUnavailableError: the session is over.
        """
        try:
            async with asyncio.timeout(within):
                await asyncio.shield(reply.ended)
        except TimeoutError:
            raise GatewayError(f"{reply.what}: no full answer within {within:g} s") from None
        return reply.rows

    async def ask(
        self, what: str, request: Callable[..., None], *args: object, within: float
    ) -> list[Any]:
        """One request with an id and an end: its rows."""
        reply = self.open(what)
        try:
            self.send(request, reply.req_id, *args)
            return await self.answered(reply, within)
        finally:
            self.close(reply)

    async def market_rule(self, rule_id: int, *, within: float) -> list[PriceIncrement]:
        """The price steps of a market rule; asked by one caller at a time.

        Raises:
            GatewayError: no answer within ``within`` seconds.
            GatewayUnavailableError: the session is over.
        """
        reply: Reply[PriceIncrement] = Reply(
            f"market rule {rule_id}",
            self._loop.create_future(),
        )
        self._rules[rule_id] = reply
        try:
            self.send(self.client.reqMarketRule, rule_id)
            return await self.answered(reply, within)
        finally:
            del self._rules[rule_id]

    # Hearing -------------------------------------------------------------------------------

    def error(self, req_id: int, code: int, text: str) -> bool:
        """A code; returns whether it was about a request, line or order of this session."""
        reply = self.replies.get(req_id)
        if reply is not None:
            fault = lookup(code)
            if fault is None or fault.then not in {Then.NOTICE, Then.DELAYED}:
                reply.fail(RefusedError(reply.what, code, text))
            return True
        if self.lines.error(req_id, code, text):
            return True
        ticket, cancel = self.tickets.get(req_id), self.cancels.get(req_id)
        if cancel is not None:
            cancel.append(code)
        if ticket is not None:
            ticket.noted(code, text)
            if code == DUPLICATE_ID:
                # The id announced at the start was used already; now it is told anew.
                with contextlib.suppress(GatewayUnavailableError):
                    self.send(self.client.reqIds, 1)
        if ticket is not None or cancel is not None:
            return True
        if code == 100:
            # Some message was thrown away, and nobody says which.
            for ticket in self.tickets.values():
                ticket.dropped(code, text)
        if req_id == -1 and code == 321 and "read-only" in text.lower():
            # Listings carry no request id, and neither does their refusal.
            for reply in self._listings():
                reply.fail(RefusedError(reply.what, code, text))
        return False

    def rule(self, rule_id: int, increments: list[PriceIncrement]) -> None:
        """The price steps of a market rule."""
        reply = self._rules.get(rule_id)
        if reply is not None:
            reply.rows.extend(increments)
            reply.end()

    def unreadable(self, message: str) -> None:
        """A message could not be read: no answer being collected is to be trusted."""
        error = GatewayError(f"the gateway sent an unreadable message: {message}")
        for reply in (*self.replies.values(), *self._listings()):
            reply.fail(error)

    # Details -------------------------------------------------------------------------------

    def _bound(self, track: Track) -> None:
        ticket = self.tickets.get(track.order_id)
        if ticket is not None and track.client_id == self.client.clientId:
            ticket.bind(track, self._loop.time())

    def _near(self, con_id: int) -> Decimal | None:
        line = self.lines.standing(con_id)
        return None if line is None else line.price()

    async def _ask_open(self, reply: Reply[Track], within: float) -> list[Track]:
        self.send(self.client.reqAllOpenOrders)
        return await self.answered(reply, within)

    async def _ask_completed(self, reply: Reply[Track], within: float) -> list[Track]:
        self.send(self.client.reqCompletedOrders, False)
        return await self.answered(reply, within)

    def _listings(self) -> list[Reply[Any]]:
        both = (self.open_orders.reply, self.completed_orders.reply)
        return [reply for reply in both if reply is not None]

    def _subscribe(self, instrument: Instrument, asked: int) -> int:
        req_id = self.new_id()
        if self._data_type != asked:
            # It holds for the requests that follow.
            self.send(self.client.reqMarketDataType, asked)
            self._data_type = asked
        contract = convert.ib_contract(instrument)
        self.send(self.client.reqMktData, req_id, contract, "", False, False, [])
        return req_id

    def _unsubscribe(self, req_id: int) -> None:
        if not self.over and self.client.isReady():
            self.send(self.client.cancelMktData, req_id)
