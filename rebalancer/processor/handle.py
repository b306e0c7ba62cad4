"""One event's recipe: from a leased event to a result, or to the error that says what next.

    hours gate -> settle -> clear open orders -> snapshot -> plan -> sells -> wait
    -> snapshot -> plan -> conversions -> buys -> wait -> verify

What is traded in which order is told in ``passes``. A crash anywhere leads back to the start;
``settle`` is what makes that safe.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rebalancer.core import request
from rebalancer.core.account import Account, Instrument
from rebalancer.core.order import OrderReport
from rebalancer.core.plan import Plan
from rebalancer.core.request import Aim
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError, RebalancerError, RetryableError
from rebalancer.gateway import trading
from rebalancer.gateway.snapshot import take_snapshot
from rebalancer.processor import report
from rebalancer.processor.approving import agreed, done
from rebalancer.processor.deciding import Decision, decide, require_raised
from rebalancer.processor.gate import require_open
from rebalancer.processor.passes import carried_out
from rebalancer.processor.reading import (
    cancel_all,
    read_account,
    read_cleared,
    read_planned_around,
)
from rebalancer.processor.record_json import named_json, seen_json
from rebalancer.processor.run import Run
from rebalancer.processor.settle import settle_unfinished
from rebalancer.processor.taxes import planner
from rebalancer.processor.vetting import sound, vetted
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
    asked = request.parse(run.event.data)
    target = await _target(run)
    run.record.target, run.record.policy = target, run.portfolio.policy
    instruments = await _targeted(run, target)
    require_open(run, instruments.values())
    settled = await settle_unfinished(run)
    plans = await planner(run, target, instruments)
    decision = await decide(run, plans, asked)
    if decision.aim is None:
        return await _nothing_due(run, decision)
    run.record.aim = decision.aim
    plans = replace(plans, aim=decision.aim)
    account = await read_cleared(run, plans.priced)
    # Where an earlier attempt has traded, this one goes on as if it had not died.
    before = await run.queue.run(moves.spending(run.event.event_id))
    spent = None if before is None else before.until(account.total_cash)
    run.record.account, run.record.spent = account, spent
    run.record.plan = plans.plan(account, spent=spent)
    require_raised(run.record.plan)
    first, found = await sound(run, run.record.plan, account, "planned")
    first, proposal = await agreed(run, first, found["conversions"])
    if proposal is not None:
        first, found = await sound(run, first, account, "planned")
    run.record.plan = first

    traded = await carried_out(run, plans, first, account, spent=spent, proposal=proposal)
    account, reports = traded.account, traded.reports

    reached = plans.plan(account)
    run.record.account_after, run.record.reached = account, reached
    await _save(run, account, reached)
    result = {
        "target": named_json(first.target),
        "condition": run.record.condition,
        "plan": found,
        "checks": report.checks_json(run.tally.checks),
        "settled": report.reports_json(settled),
        "conversions": report.reports_json(_with_commissions(run, traded.converted)),
        "orders": report.reports_json(_with_commissions(run, reports)),
        "drift_before": format(first.drift_before, "f"),
        "drift_planned": format(first.drift_after, "f"),
        "drift_reached": format(reached.drift_before, "f"),
        "account": report.account_json(account),
    }
    await _require_filled(run, reports, result)
    await done(run)
    return result


async def preview(run: Run) -> Result:
    """Plan exactly as ``rebalance`` would, and send nothing; markets may be closed."""
    asked = request.parse(run.event.data)
    target = await run.portfolio.target()
    plans = await planner(run, target, await _targeted(run, target))
    decision = await decide(run, plans, asked, foreseen=True)
    account = decision.account or await read_planned_around(run, plans.priced)
    planned = replace(plans, aim=decision.aim or Aim()).plan(account)
    require_raised(planned)
    planned, found = await vetted(run, planned, account)
    await _save(run, account, planned)
    return {
        "target": named_json(planned.target),
        "condition": run.record.condition,
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


async def _target(run: Run) -> Target:
    """Return the target as it is now.

    If it cannot be had, orders of an earlier attempt are settled all the same: they must not
    work on unseen until a server that has the weights comes back.
    """
    try:
        return await run.portfolio.target()
    except RebalancerError:
        await settle_unfinished(run)
        raise


async def _nothing_due(run: Run, decision: Decision) -> Result:
    """Say how far off the account is, and that this is not far enough."""
    account, planned = decision.account, decision.plan
    if account is None or planned is None:
        return {"nothing_due": decision.says}
    run.record.account = run.record.account_after = account
    run.record.reached = planned
    await _save(run, account, planned)
    await done(run)
    return {
        "nothing_due": decision.says,
        "condition": run.record.condition,
        "target": named_json(planned.target),
        "orders": [],
        "drift_before": format(planned.drift_before, "f"),
        "drift_reached": format(planned.drift_before, "f"),
        "account": report.account_json(account),
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
        **seen_json(account),
        "event_id": run.event.event_id,
        "command": run.event.exec_command,
    }
    if planned is not None:
        snapshot["plan"] = report.plan_json(planned)
    await run.queue.run(
        moves.save_snapshot(run.portfolio.account_id, snapshot, now=run.clock()),
    )
