"""One event's recipe: from a leased event to a result, or to the error that says what next.

    hours gate -> settle -> clear open orders -> snapshot -> plan -> sells -> wait
    -> snapshot -> plan -> conversions -> buys -> wait -> verify

Sells fund buys, so after the sells the account is read and planned again: replan, never
replay. A crash anywhere leads back to the start; ``settle`` is what makes that safe.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from rebalancer.core.account import Account, Instrument
from rebalancer.core.approval import affordable
from rebalancer.core.execution import AT_CLOSE
from rebalancer.core.order import OrderReport
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError, RetryableError
from rebalancer.gateway import trading
from rebalancer.gateway.snapshot import take_snapshot
from rebalancer.processor import report
from rebalancer.processor.approving import agreed, done
from rebalancer.processor.closing import at_close, trade_at_close
from rebalancer.processor.funding import funded
from rebalancer.processor.gate import require_open
from rebalancer.processor.reading import (
    cancel_all,
    read_account,
    read_cleared,
    read_planned_around,
)
from rebalancer.processor.record_json import seen_json
from rebalancer.processor.run import Run
from rebalancer.processor.settle import settle_unfinished
from rebalancer.processor.taxes import planner
from rebalancer.processor.trade import trade
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
    target = run.portfolio.target()
    run.record.target, run.record.policy = target, run.portfolio.policy
    instruments = await _targeted(run, target)
    require_open(run, instruments.values())
    settled = await settle_unfinished(run)
    plans = await planner(run, target, instruments)
    account = await read_cleared(run, plans.priced)
    # Where an earlier attempt has traded, this one goes on as if it had not died.
    before = await run.queue.run(moves.spending(run.event.event_id))
    spent = None if before is None else before.until(account.total_cash)
    run.record.account, run.record.spent = account, spent
    run.record.plan = plans.plan(account, spent=spent)
    first, found = await sound(run, run.record.plan, account, "planned")
    first, proposal = await agreed(run, first, found["conversions"])
    if proposal is not None:
        first, found = await sound(run, first, account, "planned")
    run.record.plan = first

    def buying(there: Account) -> Plan:
        # A sell that did not fill funds nothing: only the cash that has come is spent.
        made = plans.plan(there, spent=spent or Decimal(0), buying_only=True)
        return made if proposal is None else affordable(proposal, made)

    reports: list[OrderReport] = []
    latest = first
    if sells := _at_once(first.sells):
        unsold = account
        reports += await trade(run, sells, unsold, first)
        account = await read_planned_around(run, plans.priced)
        _require_untouched(unsold, account, first)
        latest, _ = await sound(run, buying(account), account, "replanned")
        run.record.replan = latest
    converted: tuple[OrderReport, ...] = ()
    if _at_once(latest.buys):
        money = await funded(run, plans, account, latest, buying)
        account, converted = money.account, money.reports
        if money.plan is not latest:
            latest, _ = await sound(run, money.plan, account, "replanned")
            run.record.replan = latest
    if buys := _at_once(latest.buys):
        reports += await trade(run, buys, account, latest)
        account = await read_planned_around(run, plans.priced)
    if at_close(first):
        closed, account = await trade_at_close(run, plans, account, proposal)
        reports += closed

    reached = plans.plan(account)
    run.record.account_after, run.record.reached = account, reached
    await _save(run, account, reached)
    result = {
        "target": {"source": first.target.source, "hash": target.hash},
        "plan": found,
        "checks": report.checks_json(run.tally.checks),
        "settled": report.reports_json(settled),
        "conversions": report.reports_json(_with_commissions(run, converted)),
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
    target = run.portfolio.target()
    plans = await planner(run, target, await _targeted(run, target))
    account = await read_planned_around(run, plans.priced)
    planned, found = await vetted(run, plans.plan(account), account)
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


def _at_once(lines: Sequence[PlanLine]) -> list[PlanLine]:
    """Lines that do not wait for the closing auction."""
    return [line for line in lines if line.order_type not in AT_CLOSE]


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
        **seen_json(account),
        "event_id": run.event.event_id,
        "command": run.event.exec_command,
    }
    if planned is not None:
        snapshot["plan"] = report.plan_json(planned)
    await run.queue.run(
        moves.save_snapshot(run.portfolio.account_id, snapshot, now=run.clock()),
    )
