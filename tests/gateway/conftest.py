"""A connection of ours to a simulated gateway, over TCP, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from rebalancer.core.order import Action, Order, OrderReport
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.market import Contracts
from rebalancer.sim.server import SimServer
from rebalancer.sim.vocabulary import Fault
from rebalancer.sim.world import AccountSpec, Holding, Listing, World
from tests.support.sim_gateway import AAPL, BND, SPY, sim_gateway, small_world

ONE, TWO = "DU1000001", "DU1000002"
VWCE, PUT = 900001, 900002
CLIENT = 7


def wide_world(**changes: Any) -> World:
    """``small_world``, where account one also holds an ETF in euros and is short an option."""
    world = small_world()
    listings = (
        *world.listings,
        Listing(VWCE, "VWCE", Decimal(120), primary_exchange="IBIS2", currency="EUR"),
        Listing(
            PUT,
            "SPY",
            Decimal(5),
            sec_type="OPT",
            local_symbol="SPY   270115P00400000",
            expiry="20270115",
            strike="400.0",
            right="P",
            multiplier="100",
        ),
    )
    holdings = (
        Holding(AAPL, Decimal(10), Decimal(150)),
        Holding(VWCE, Decimal(3), Decimal(100)),
        Holding(PUT, Decimal(-2), Decimal(450)),
    )
    accounts = (
        AccountSpec(ONE, "USD", {"USD": Decimal(100_000)}, holdings),
        AccountSpec(TWO, "USD", {"USD": Decimal(50_000)}),
    )
    return replace(
        world,
        listings=listings,
        accounts=accounts,
        rates={"EUR": Decimal("1.10")},
        **changes,
    )


def fault(kind: str, when: str = "+0", *, count: int = 1, **args: str) -> Fault:
    return Fault(kind, when, count, tuple(args.items()))


def order(
    symbol: str = "SPY",
    quantity: int = 10,
    action: Action = "BUY",
    *,
    limit: str | None = None,
    account: str = ONE,
    number: int = 1,
    event: str = "e1",
) -> Order:
    return Order(
        order_ref=f"rb:{event}:{number}:{symbol}",
        account_id=account,
        symbol=symbol,
        con_id={"SPY": SPY, "AAPL": AAPL, "BND": BND}[symbol],
        action=action,
        quantity=quantity,
        order_type="MKT" if limit is None else "LMT",
        limit_price=None if limit is None else Decimal(limit),
    )


def told(report: OrderReport) -> tuple[str, int, int]:
    """Status, shares filled and shares left."""
    return report.status, int(report.filled), int(report.remaining)


@dataclass
class Desk:
    """A simulated gateway and our connection to it."""

    server: SimServer
    connection: Connection
    contracts: Contracts

    def sent(self) -> int:
        """Messages we have sent on this socket."""
        return self.connection.session.client.conn.numMsgSent


Start = Callable[..., Awaitable[Desk]]
Connect = Callable[..., Connection]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Start connections; they are hung up at the end."""
    tasks: list[asyncio.Task[None]] = []

    def start(port: int, client_id: int = CLIENT, **changes: Any) -> Connection:
        options = {"trading_mode": "paper", "timeout": 2.0, "jitter": lambda: 0.0, **changes}
        connection = Connection("127.0.0.1", port, client_id, **options)
        tasks.append(asyncio.create_task(connection.run()))
        return connection

    yield start
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a gateway in a world and connect to it."""
    async with AsyncExitStack() as stack:

        async def run(
            world: World | None = None,
            *,
            latency: float = 0.0,
            ready: bool = True,
            **changes: Any,
        ) -> Desk:
            server = await stack.enter_async_context(
                sim_gateway(world or wide_world(), latency=latency),
            )
            options = {
                "trading_mode": "paper",
                "timeout": 2.0,
                "jitter": lambda: 0.0,
                **changes,
            }
            connection = Connection("127.0.0.1", server.port, CLIENT, **options)
            task = asyncio.create_task(connection.run())
            stack.push_async_callback(_ended, task)
            if ready:
                await connection.ready(5.0)
            return Desk(server, connection, Contracts(connection))

        yield run


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


@asynccontextmanager
async def far_end(answer: bytes | None) -> AsyncIterator[int]:
    """A listener that answers everybody with the same bytes; ``None`` hangs up at once."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if answer is None:
            writer.close()
            return
        writer.write(answer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
