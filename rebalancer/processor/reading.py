"""Reading an account so that the plan made of it is true when its orders are sent."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from rebalancer.core.account import Account
from rebalancer.core.order import OpenOrder
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError, RetryableError
from rebalancer.gateway import trading
from rebalancer.gateway.lines import MAX_AGE
from rebalancer.gateway.snapshot import take_snapshot
from rebalancer.processor.run import Run

A = TypeVar("A")
B = TypeVar("B")


async def read_account(run: Run, target: Target | None) -> Account:
    """Return positions, cash and prices; working orders are neither touched nor counted."""
    policy = run.portfolio.policy
    return await take_snapshot(
        run.gateway,
        run.contracts,
        run.portfolio.account_id,
        tuple(target.weights) if target else (),
        allow_delayed=policy.allow_delayed_prices,
        max_age=policy.limits.max_price_age_seconds or MAX_AGE,
        deadline=run.deadlines.prices,
    )


async def read_cleared(run: Run, target: Target) -> Account:
    """Return the account after its working orders were dealt with as its policy says.

    Raises:
        PermanentError: the policy is to refuse and there are some, or one of them cannot be
            cancelled from here.
        RetryableError: a cancel stayed unanswered.
    """
    # The question for open orders goes out first, so the positions that come back are no
    # older than the answer to it; most accounts have none, and a round trip is saved.
    found, account = await _both(_open_orders(run), read_account(run, target))
    if not found:
        return account
    match run.portfolio.policy.open_orders:
        case "respect":
            return _with_working(account, found)
        case "refuse":
            msg = (
                f"account {run.portfolio.account_id} has working orders ({_listed(found)}) "
                f"and open_orders: refuse; cancel them, or set it to cancel or respect"
            )
            raise PermanentError(msg)
        case "cancel":
            await cancel_all(run, found)
            return await read_account(run, target)


async def read_planned_around(run: Run, target: Target) -> Account:
    """Return the account with working orders counted if its policy respects them."""
    found, account = await _both(_open_orders(run), read_account(run, target))
    respected = run.portfolio.policy.open_orders == "respect"
    return _with_working(account, found) if respected else account


async def cancel_all(run: Run, found: Sequence[OpenOrder]) -> None:
    """Cancel working orders, and prove that none of them is left.

    Raises:
        PermanentError: some belong to other API clients or to TWS.
        RetryableError: a cancel stayed unanswered; late is not failed.
    """
    outcome = await trading.cancel(run.gateway, found, deadline=run.deadlines.cancel)
    run.record.cancelled += [order for order in found if order not in outcome.foreign]
    if outcome.foreign:
        msg = (
            f"working orders of other API clients or of TWS cannot be cancelled from here: "
            f"{_listed(outcome.foreign)}; cancel them where they were placed, "
            f"or set open_orders: respect"
        )
        raise PermanentError(msg)
    if outcome.unanswered:
        msg = f"cancels are unanswered: {_listed(outcome.unanswered)}; nothing else is sent"
        raise RetryableError(msg)


async def _open_orders(run: Run) -> tuple[OpenOrder, ...]:
    return await trading.open_orders(run.gateway, run.portfolio.account_id)


def _with_working(account: Account, found: Iterable[OpenOrder]) -> Account:
    symbols = {i.con_id: symbol for symbol, i in account.instruments.items()}
    working: dict[str, Decimal] = {}
    for order in found:
        if order.con_id in symbols:
            symbol = symbols[order.con_id]
            signed = order.remaining if order.action == "BUY" else -order.remaining
            working[symbol] = working.get(symbol, Decimal(0)) + signed
    return dataclasses.replace(account, working=working)


def _listed(orders: Iterable[OpenOrder]) -> str:
    return ", ".join(
        f"{o.action} {o.remaining} {o.symbol} (client {o.client_id}, permId {o.perm_id})"
        for o in orders
    )


async def _both(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Await two things at once; if one fails, the other is cancelled."""
    one, two = asyncio.create_task(first), asyncio.create_task(second)
    try:
        return await asyncio.gather(one, two)
    finally:
        one.cancel()
        two.cancel()
