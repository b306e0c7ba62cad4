"""What the gateway must show before it is trusted: accounts, balances, positions, its time.

A gateway that has just started, or lost IBKR, accepts connections and answers with nothing,
which would read as an empty portfolio. Nothing is proven by silence or by emptiness.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from rebalancer.errors import GatewayUnavailableError
from rebalancer.gateway import balances
from rebalancer.gateway.replies import together
from rebalancer.gateway.session import Session
from rebalancer.gateway.wire import Wire

#: The gateway tells its time in whole seconds; a smaller difference to ours is none.
CLOCK_NOISE = 1.5
#: An advisor's login may have hundreds of accounts; the balances of some prove the point.
PROVEN_BY = 10


@dataclass(frozen=True, slots=True)
class Proof:
    """What a gateway has shown."""

    accounts: frozenset[str]
    #: Seconds its clock is ahead of ours.
    clock_offset: float


async def prove(wire: Wire, session: Session, clock: Callable[[], float]) -> Proof:
    """Ask for all of it at once.

    Raises:
        GatewayUnavailableError: something is missing; the text says what.
        GatewayError: it did not answer in time.
    """
    accounts = sorted(wire.client.getAccounts())
    if not accounts:
        raise GatewayUnavailableError("the gateway named no account; is the login complete?")
    async with together() as group:
        offset = group.create_task(clock_offset(wire, session, clock))
        shown = [
            group.create_task(balances.values(session, account_id, within=session.timeout))
            for account_id in accounts[:PROVEN_BY]
        ]
    worth = [row for task in shown for row in task.result() if row[2] == "NetLiquidation"]
    if not worth:
        raise GatewayUnavailableError(
            "the gateway shows no balance of any account: it has not loaded them yet",
        )
    session.check()
    return Proof(frozenset(accounts), offset.result())


async def clock_offset(wire: Wire, session: Session, clock: Callable[[], float]) -> float:
    """How far the gateway's clock is ahead of ours, in seconds; small differences are none.

    Raises:
        GatewayUnavailableError: it did not tell its time in time.
    """
    sent = clock()
    try:
        async with asyncio.timeout(session.timeout):
            told = (await wire.reqCurrentTimeAsync()).timestamp()
    except (TimeoutError, ConnectionError) as error:
        raise GatewayUnavailableError(
            f"the gateway does not answer (no time within {session.timeout:g} s)",
        ) from error
    # It tells whole seconds, so on average it is half a second further.
    offset = told + 0.5 - (sent + clock()) / 2
    return offset if abs(offset) > CLOCK_NOISE else 0.0


async def positions(wire: Wire, session: Session) -> None:
    """Have every position listed once, as ib_async's start-up does.

    Raises:
        GatewayUnavailableError: the list did not end in time.
    """
    try:
        async with asyncio.timeout(session.timeout):
            await wire.reqPositionsAsync()
    except (TimeoutError, ConnectionError) as error:
        raise GatewayUnavailableError("the gateway does not list its positions") from error
    session.send(wire.client.cancelPositions)
