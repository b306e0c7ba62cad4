"""What the plays share: the stage, what an account should hold, and what must always hold."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from rebalancer.core.event import Event
from rebalancer.processor.daemon import Processor
from rebalancer.queue import journal, moves
from rebalancer.queue.values import Entry
from rebalancer.sim.scenario import load_world
from tests.processor.chaos import Arena, arena
from tests.processor.system import eventually
from tests.support.redis_server import RedisServer

ONE, TWO = "DU1000001", "DU1000002"
#: The client id of the processor, which must never change.
CLIENT = 10
#: How far from its target an account may end, as a share of its value: commissions, whole
#: shares, the reserve of one percent.
NEAR = Decimal("0.025")

ACCOUNTS = """\
accounts:
  - {account_id: DU1000001, type: paper, unlisted: liquidate, targets: {SPY: 60%, BND: 40%}}
  - {account_id: DU1000002, type: paper, unlisted: liquidate, targets: {SPY: 50%, AAPL: 50%}}
"""

#: Quick to give up on an answer, slow to give up on an event.
SERVICE = """\
retry: {retry_delay_seconds: 0.05, max_delay_seconds: 0.1, max_attempts: 40}
gateway: {request_timeout_seconds: 2}
processor:
  lease_seconds: 3
  fill_deadline_seconds: 0.5
  cancel_deadline_seconds: 0.3
  settlement_deadline_seconds: 1
  price_deadline_seconds: 2.5
"""
#: The same where answers are missing on purpose.
QUICK = SERVICE.replace("request_timeout_seconds: 2", "request_timeout_seconds: 0.4").replace(
    "price_deadline_seconds: 2.5", "price_deadline_seconds: 0.7"
)
#: The same, with few attempts.
IMPATIENT = SERVICE.replace("max_attempts: 40", "max_attempts: 3")


@dataclass(frozen=True, slots=True)
class Play:
    """How one mode is played, and with which settings."""

    run: Callable[[Arena], Awaitable[None]]
    accounts: str
    service: str


#: By the mode's name.
PLAYS: dict[str, Play] = {}


def plays(
    name: str, *, accounts: str = ACCOUNTS, service: str = SERVICE
) -> Callable[[Callable[[Arena], Awaitable[None]]], Callable[[Arena], Awaitable[None]]]:
    """Say which mode a function plays."""

    def enter(run: Callable[[Arena], Awaitable[None]]) -> Callable[[Arena], Awaitable[None]]:
        assert name not in PLAYS
        PLAYS[name] = Play(run, accounts, service)
        return run

    return enter


async def play(name: str, folder: Path, redis: RedisServer) -> None:
    """Play a mode in the world of its scenario, and look at what must always hold."""
    it, world = PLAYS[name], load_world(f"failures/{name}")
    async with arena(folder, redis, world, accounts=it.accounts, service=it.service) as stage:
        await it.run(stage)
        await sound(stage)


# What is done -----------------------------------------------------------------------------


@asynccontextmanager
async def started(stage: Arena) -> AsyncIterator[Processor]:
    """A processor whose gateway is ready, whatever that takes."""
    async with stage.processor() as processor:
        await processor.gateway.ready(10.0)
        yield processor


async def rebalanced(stage: Arena, *accounts: str) -> list[Entry]:
    """Have accounts rebalanced, at once; how each ended, which is on its target."""
    events = [await stage.enqueue(account) for account in accounts or (ONE,)]
    ends = [await stage.until("completed", event) for event in events]
    for event in events:
        assert Decimal(ends[events.index(event)].data["drift_reached"]) < NEAR
    return ends


async def entries(stage: Arena, kind: str, event: Event | None = None) -> list[Entry]:
    """Everything of one kind that the journal has, perhaps about one event."""
    found: list[Entry] = []
    position = journal.START
    while page := await stage.queue.run(journal.read(position)):
        position = page[-1].id
        found += page
    about = None if event is None else event.event_id
    return [e for e in found if e.kind == kind and about in {None, e.event_id}]


async def alerts(stage: Arena) -> list[str]:
    """The titles of what a person was told."""
    return [str(entry.data["title"]) for entry in await entries(stage, "alert")]


# What holds -------------------------------------------------------------------------------


def weights(stage: Arena, account: str) -> Mapping[str, Decimal]:
    """Shares of the account's value by symbol, as the exchange knows them."""
    exchange = stage.exchange
    (row,) = exchange.account_summary(account, ["NetLiquidation"])
    return {
        exchange.contract(view.con_id).symbol: view.market_value / Decimal(row.value)
        for view in exchange.positions(account)
    }


def on_target(stage: Arena, account: str, **target: float) -> bool:
    """Whether the account holds this and nothing else."""
    held = weights(stage, account)
    names = held.keys() | target.keys()
    far = (abs(held.get(n, Decimal(0)) - Decimal(str(target.get(n, 0)))) for n in names)
    return all(distance < NEAR for distance in far)


def sent(stage: Arena, account: str = ONE) -> list[tuple[str, str]]:
    """What was sent to the exchange for an account, as (action, symbol)."""
    orders = (order for order in stage.exchange.orders if order.account == account)
    return [(order.action, order.order_ref.rsplit(":", 1)[-1]) for order in orders]


async def sound(stage: Arena) -> None:
    """Nothing was sent twice, nothing was left open, no cash or share was spent twice."""
    exchange = stage.exchange
    assert {ref: n for ref, n in exchange.sent.items() if n > 1} == {}
    assert stage.executed_twice() == []
    assert {order.tif for order in exchange.orders} <= {"DAY"}
    assert all(order.account and order.order_ref for order in exchange.orders)
    await eventually(lambda: not [o for o in exchange.open_orders() if o.client_id == CLIENT])
    for account in (ONE, TWO):
        intents = await stage.queue.run(moves.open_intents(account, now=time.time()))
        assert intents == ()
    stats = await stage.queue.run(moves.stats(now=time.time()))
    assert (stats.queued, stats.parked, stats.leased, stats.retrying) == (0, 0, 0, 0)
