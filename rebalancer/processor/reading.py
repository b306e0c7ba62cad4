"""Reading an account so that the plan made of it is true when its orders are sent."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from rebalancer.core.account import Account
from rebalancer.core.order import Fill, OpenOrder, OrderReport
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError, RetryableError
from rebalancer.gateway import trading
from rebalancer.gateway.snapshot import await_positions, take_snapshot
from rebalancer.processor.run import Run

#: Share of a sell's proceeds that commissions not yet reported and fees may take.
BOOKING_SLACK = Decimal("0.01")

A = TypeVar("A")
B = TypeVar("B")


async def read_account(run: Run, target: Target | None) -> Account:
    """Return positions, cash and prices; working orders are neither touched nor counted."""
    return await take_snapshot(
        run.gateway,
        run.contracts,
        run.portfolio.account_id,
        tuple(target.weights) if target else (),
        allow_delayed=run.portfolio.policy.allow_delayed_prices,
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


async def read_after(
    run: Run,
    target: Target,
    before: Account,
    reports: Sequence[OrderReport],
) -> Account:
    """Return the account once its positions and its cash show the fills of ``reports``.

    Raises:
        RetryableError: they do not within the deadline. Planning on balances that miss a
            fill would trade it twice.
    """
    fills = [fill for r in reports for fill in r.fills]
    account_id, limit = run.portfolio.account_id, run.deadlines.settlement
    shown = await await_positions(
        run.gateway,
        account_id,
        _expected_shares(before, fills),
        deadline=limit,
        cash=_least_cash(before, fills),
    )
    if not shown:
        msg = f"the balances of {account_id} do not show the latest fills within {limit:g} s"
        raise RetryableError(msg)
    return await read_planned_around(run, target)


def _expected_shares(before: Account, fills: Sequence[Fill]) -> Mapping[int, Decimal]:
    held = {p.con_id: p.quantity for p in before.positions}
    expected = {fill.con_id: held.get(fill.con_id, Decimal(0)) for fill in fills}
    for fill in fills:
        expected[fill.con_id] += fill.quantity if fill.action == "BUY" else -fill.quantity
    return expected


def _least_cash(before: Account, fills: Sequence[Fill]) -> Mapping[str, Decimal]:
    """Cash by currency that must be there once the sells among ``fills`` have been booked."""
    least: dict[str, Decimal] = {}
    for fill in fills:
        if fill.action == "SELL":
            booked = fill.quantity * fill.price * (1 - BOOKING_SLACK) - (fill.commission or 0)
            least.setdefault(fill.currency, before.cash.get(fill.currency, Decimal(0)))
            least[fill.currency] += booked
    return least


async def cancel_all(run: Run, found: Sequence[OpenOrder]) -> None:
    """Cancel working orders, and prove that none of them is left.

    Raises:
        PermanentError: some belong to other API clients or to TWS.
        RetryableError: a cancel stayed unanswered; late is not failed.
    """
    outcome = await trading.cancel(run.gateway, found, deadline=run.deadlines.cancel)
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
