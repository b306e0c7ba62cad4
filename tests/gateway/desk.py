"""A session without a socket: what the gateway says is put into it message by message."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from ib_async import CommissionReport, Contract, Execution, OrderState
from ib_async import Order as IbOrder

from rebalancer.core.order import Order
from rebalancer.gateway.session import Session
from rebalancer.gateway.ticket import Ticket
from rebalancer.gateway.wire import Wire

ACCOUNT = "DU1000001"
CLIENT = 7
SPY = Contract(conId=756733, symbol="SPY", secType="STK", exchange="SMART", currency="USD")


def spy_order(quantity: int = 10, ref: str = "rb:e1:1:SPY") -> Order:
    return Order(
        order_ref=ref,
        account_id=ACCOUNT,
        symbol="SPY",
        con_id=756733,
        action="BUY",
        quantity=quantity,
        order_type="MKT",
        limit_price=None,
    )


class Desk:
    """One order desk: our tickets, and the gateway's side of the conversation."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int, str]] = []
        self.wire = Wire(lambda *said: self.heard.append(said))
        self.wire.client.clientId = CLIENT
        self.wire.client._apiReady = True
        self.session = Session(self.wire.client, 1, timeout=1.0, clock=lambda: 0.0)
        self.inbox = self.wire.inbox
        self.inbox.session = self.session
        self.loop = asyncio.get_running_loop()

    def ticket(self, order: Order, order_id: int) -> Ticket:
        ticket = Ticket(order, order_id, self.session, self.loop.time())
        self.session.tickets[order_id] = ticket
        return ticket

    def open_order(
        self,
        order_id: int,
        perm_id: int,
        status: str = "Submitted",
        *,
        ref: str = "rb:e1:1:SPY",
        client: int = CLIENT,
        quantity: float = 10.0,
        account: str = ACCOUNT,
    ) -> None:
        order = IbOrder(
            orderId=order_id,
            clientId=client,
            permId=perm_id,
            action="BUY",
            totalQuantity=quantity,
            orderType="MKT",
            orderRef=ref,
            account=account,
        )
        self.inbox.openOrder(order_id, SPY, order, OrderState(status=status))

    def completed(self, perm_id: int, status: str, *, ref: str = "rb:e1:1:SPY") -> None:
        order = IbOrder(
            permId=perm_id,
            action="BUY",
            totalQuantity=10.0,
            orderType="MKT",
            orderRef=ref,
            account=ACCOUNT,
        )
        state = OrderState(status=status, completedStatus=f"{status} by System")
        self.inbox.completedOrder(SPY, order, state)

    def status(
        self,
        order_id: int,
        perm_id: int,
        status: str,
        filled: float = 0.0,
        average: float = 0.0,
    ) -> None:
        self.inbox.orderStatus(
            order_id, status, filled, 10 - filled, average, perm_id, 0, 0.0, CLIENT, "", 0.0
        )

    def fill(
        self,
        order_id: int,
        perm_id: int,
        exec_id: str,
        shares: float = 10.0,
        price: float = 100.0,
        *,
        ref: str = "rb:e1:1:SPY",
        client: int = CLIENT,
        account: str = ACCOUNT,
    ) -> None:
        execution = Execution(
            execId=exec_id,
            time=datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC),
            acctNumber=account,
            side="BOT",
            shares=shares,
            price=price,
            permId=perm_id,
            clientId=client,
            orderId=order_id,
            orderRef=ref,
        )
        self.inbox.execDetails(-1, SPY, execution)

    def commission(self, exec_id: str, amount: float) -> None:
        self.inbox.commissionReport(CommissionReport(exec_id, amount, "USD"))

    def error(self, order_id: int, code: int, text: str = "text") -> None:
        self.inbox.error(order_id, code, text, "")

    @property
    def now(self) -> float:
        return self.loop.time()


TEN = Decimal(10)
