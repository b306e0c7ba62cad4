"""One event's recipe: from a leased event to a result, or to the error that says what next.

    hours gate -> settle -> clear open orders -> snapshot -> plan -> sells -> wait
    -> snapshot -> plan -> buys -> wait -> verify

Sells fund buys, so after the sells the account is read and planned again: replan, never
replay. A crash anywhere leads back to the start; ``settle`` is what makes that safe.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from rebalancer.core.account import Account, Instrument
from rebalancer.core.order import OrderReport
from rebalancer.core.plan import Plan
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError, RetryableError
from rebalancer.gateway import trading
from rebalancer.gateway.snapshot import take_snapshot
from rebalancer.processor import report
from rebalancer.processor.checks import check_plan, require
from rebalancer.processor.gate import require_open
from rebalancer.processor.reading import (
    cancel_all,
    read_account,
    read_cleared,
    read_planned_around,
)
from rebalancer.processor.run import Run
from rebalancer.processor.settle import settle_unfinished
from rebalancer.processor.taxes import planner
from rebalancer.processor.trade import trade
from rebalancer.processor.what_if import ask, costed
from rebalancer.queue import moves

Result = Mapping[str, Any]


async def handle(run: Run) -> Result:
    """Carry out one event and return its result for the journal.

    Raises:
        DelayedError: markets are closed, or trading is halted.
        RetryableError: the gateway, its data or an order's fate is not there yet.
        PermanentError: unknown command, wrong account, no target, unknown symbol.
        LeaseLostError: another worker owns the event.
    """
    command = run.event.exec_command
    recipe = RECIPES.get(command)
    if recipe is None:
        msg = f"unknown exec_command {command!r}; known are: {', '.join(RECIPES)}"
        raise PermanentError(msg)
    run.gateway.check_account(run.portfolio.account_id, run.portfolio.mode)
    return {"command": command, **await recipe(run)}


async def rebalance(run: Run) -> Result:
    """Bring the account to its target."""
    target = run.portfolio.target()
    instruments = await _targeted(run, target)
    require_open(run, instruments.values())
    settled = await settle_unfinished(run)
    plans = await planner(run, target, instruments)
    account = await read_cleared(run, plans.priced)
    # What its own earlier passes sold is there to be spent; nothing of it is left over.
    opening = Decimal(0) if await run.queue.run(moves.has_traded(run.event.event_id)) else None
    first, found = await _planned(run, plans.plan(account, opening_cash=opening), account)
    require_open(run, _traded(first, account))
    await run.note("planned", found)
    require(run, run.tally.checks, _traded(first, account))

    reports: list[OrderReport] = []
    latest = first
    if first.sells:
        before = account
        sold = await trade(run, first.sells, before, first)
        reports += sold
        account = await read_planned_around(run, plans.priced)
        _require_untouched(before, account, first)
        # A sell that did not fill funds nothing: only the cash that has come is spent.
        cash = before.total_cash if opening is None else opening
        second = plans.plan(account, opening_cash=cash, buying_only=True)
        second, told = await _planned(run, second, account)
        await run.note("replanned", told)
        require(run, run.tally.checks, _traded(second, account))
        latest = second
    if latest.buys:
        bought = await trade(run, latest.buys, account, latest)
        reports += bought
        account = await read_planned_around(run, plans.priced)

    reached = plans.plan(account)
    await _save(run, account, reached)
    result = {
        "target": {"source": first.target.source, "hash": target.hash},
        "plan": found,
        "checks": report.checks_json(run.tally.checks),
        "settled": report.reports_json(settled),
        "orders": report.reports_json(_with_commissions(run, reports)),
        "drift_before": format(first.drift_before, "f"),
        "drift_planned": format(first.drift_after, "f"),
        "drift_reached": format(reached.drift_before, "f"),
        "account": report.account_json(account),
    }
    await _require_filled(run, reports, result)
    return result


async def preview(run: Run) -> Result:
    """Plan exactly as ``rebalance`` would, and send nothing; markets may be closed."""
    target = run.portfolio.target()
    plans = await planner(run, target, await _targeted(run, target))
    account = await read_planned_around(run, plans.priced)
    planned, found = await _planned(run, plans.plan(account), account)
    await _save(run, account, planned)
    return {
        "target": {"source": planned.target.source, "hash": target.hash},
        "plan": found,
        "account": report.account_json(account),
    }


async def positions(run: Run) -> Result:
    """Report every holding with its price and value."""
    account = await read_account(run, None)
    await _save(run, account, None)
    return report.account_json(account)


async def equity(run: Run) -> Result:
    """Report NetLiquidation and cash by currency; needs no market data."""
    account = await take_snapshot(
        run.gateway,
        run.contracts,
        run.portfolio.account_id,
        (),
        prices=False,
        deadline=run.deadlines.prices,
    )
    full = report.account_json(account)
    shown = ("account_id", "currency", "net_liquidation", "total_cash", "cash")
    return {key: full[key] for key in shown}


async def orders(run: Run) -> Result:
    """Report the account's working orders, whoever placed them."""
    found = await trading.open_orders(run.gateway, run.portfolio.account_id)
    return {"orders": report.open_orders_json(found)}


async def cancel_orders(run: Run) -> Result:
    """Cancel every working order of the account, and prove that none is left."""
    run.trading = True
    settled = await settle_unfinished(run)
    found = await trading.open_orders(run.gateway, run.portfolio.account_id)
    if found:
        await cancel_all(run, found)
    return {
        "settled": report.reports_json(settled),
        "cancelled": report.open_orders_json(found),
    }


async def settle_orders(run: Run) -> Result:
    """Find out what became of orders that a crash left open, and cancel what still works."""
    run.trading = True
    return {"settled": report.reports_json(await settle_unfinished(run))}


RECIPES: Mapping[str, Callable[[Run], Awaitable[Result]]] = {
    "rebalance": rebalance,
    "print-rebalance": preview,
    "print-positions": positions,
    "print-equity": equity,
    "print-orders": orders,
    "cancel-orders": cancel_orders,
    "settle-orders": settle_orders,
}


async def _targeted(run: Run, target: Target) -> Mapping[str, Instrument]:
    """Return the target's instruments by symbol.

    Raises:
        PermanentError: two spellings name one contract; it would be bought twice.
    """
    instruments = await run.contracts.resolve(tuple(target.weights))
    spelled: dict[int, str] = {}
    for symbol, instrument in instruments.items():
        other = spelled.setdefault(instrument.con_id, symbol)
        if other != symbol:
            msg = f"{other} and {symbol} are the same contract; give it one weight"
            raise PermanentError(msg)
    return instruments


async def _planned(run: Run, planned: Plan, account: Account) -> tuple[Plan, dict[str, Any]]:
    """Hold a plan against the gateway's what-if and the rails; return it and what to show."""
    answers = await ask(run, planned, account)
    planned = costed(planned, account, answers)
    checks = await check_plan(run, planned, account, answers)
    return planned, {
        **report.plan_json(planned),
        "checks": report.checks_json(checks),
        "what_if": report.what_if_json(answers),
    }


def _traded(planned: Plan, account: Account) -> list[Instrument]:
    return [account.instruments[line.symbol] for line in planned.lines if line.trade]


def _require_untouched(before: Account, after: Account, planned: Plan) -> None:
    """Raise ``RetryableError`` if holdings changed that this run has not traded.

    Somebody else trades the account, or its positions are not all there: what comes next
    needs a plan of its own.
    """
    ours = {line.con_id for line in planned.sells}
    shown = [
        {p.con_id: p.quantity for p in account.positions if p.con_id not in ours}
        for account in (before, after)
    ]
    if shown[0] != shown[1]:
        msg = f"holdings of {after.account_id} changed that were not traded; planning anew"
        raise RetryableError(msg)


def _with_commissions(run: Run, reports: Sequence[OrderReport]) -> list[OrderReport]:
    """Return the reports with the commissions that have come since; they come last."""
    newest = {ref: ticket.report() for ref, ticket in run.tickets.items()}
    return [replace(r, fills=newest[r.order_ref].fills or r.fills) for r in reports]


async def _require_filled(run: Run, reports: Sequence[OrderReport], result: Result) -> None:
    """Raise ``RetryableError`` when orders did not fill: the next try plans the rest anew."""
    unfilled = [r for r in reports if r.status != "filled"]
    if not unfilled:
        return
    await run.note("partially_done", result)
    reasons = "; ".join(
        f"{r.order_ref} {r.status}, {r.remaining} left ({r.reason or 'not filled in time'})"
        for r in unfilled
    )
    msg = f"{len(unfilled)} of {len(reports)} orders did not fill: {reasons}"
    raise RetryableError(msg)


async def _save(run: Run, account: Account, planned: Plan | None) -> None:
    snapshot: dict[str, Any] = {
        **report.account_json(account),
        "event_id": run.event.event_id,
        "command": run.event.exec_command,
    }
    if planned is not None:
        snapshot["plan"] = report.plan_json(planned)
    await run.queue.run(
        moves.save_snapshot(run.portfolio.account_id, snapshot, now=run.clock()),
    )
