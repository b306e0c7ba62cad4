"""What became of orders written down earlier: asked of the gateway, never guessed.

An intent without an outcome is left by a crash, a lost connection or a deadline. Before any
new plan it is settled by its ``orderRef`` over open orders, completed orders and executions:

1. final there            -> its outcome is recorded
2. still working          -> cancelled, and the final state (perhaps filled) recorded
3. nowhere, and so young that it may still be on its way -> asked again a little later
4. nowhere                -> it never reached the exchange, or belongs to a past trading day
                             whose DAY orders are gone; the fresh snapshot shows either
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal

from rebalancer.core.order import Intent, OrderReport
from rebalancer.errors import RetryableError
from rebalancer.gateway import trading
from rebalancer.processor.run import Run
from rebalancer.queue import moves

log = logging.getLogger("rebalancer.processor")


async def settle_unfinished(run: Run) -> tuple[OrderReport, ...]:
    """Give every open intent of the account its outcome; return the outcomes.

    Raises:
        RetryableError: an order is still working although its cancel was asked for, or the
            gateway did not answer.
    """
    account_id = run.portfolio.account_id
    intents = await run.queue.run(moves.open_intents(account_id))
    if not intents:
        return ()
    log.warning("settling %d unfinished orders of %s", len(intents), account_id)
    found = await _found(run, intents)
    reports = await cancel_working(run, found)
    for intent in intents:
        report = reports.get(intent.order.order_ref) or _never_seen(intent)
        await run.queue.run(moves.settle_intent(run.lease, report, now=run.clock()))
    return tuple(reports.values())


async def _found(run: Run, intents: Sequence[Intent]) -> dict[str, OrderReport]:
    refs = [intent.order.order_ref for intent in intents]
    account_id = run.portfolio.account_id
    found = await trading.find(run.gateway, account_id, refs)
    youngest = max(
        (i.recorded_at for i in intents if i.order.order_ref not in found),
        default=None,
    )
    if youngest is None:
        return found
    age = run.clock() - youngest
    if 0 <= age < run.deadlines.in_flight:
        # Bytes of a dead process may still be read by the gateway: absence proves nothing yet.
        await asyncio.sleep(run.deadlines.in_flight - age)
        found = await trading.find(run.gateway, account_id, refs)
    return found


async def cancel_working(
    run: Run,
    reports: Mapping[str, OrderReport],
) -> dict[str, OrderReport]:
    """Cancel those still working and return every report in its final state.

    Raises:
        RetryableError: a cancel stayed unanswered; late is not failed, so nothing new may be
            sent until the order's fate is known.
    """
    working = {ref for ref, report in reports.items() if report.status == "working"}
    if not working:
        return dict(reports)
    account_id = run.portfolio.account_id
    open_now = await trading.open_orders(run.gateway, account_id)
    ours = [order for order in open_now if order.order_ref in working]
    await trading.cancel(run.gateway, ours, deadline=run.deadlines.cancel)
    final = {**reports, **await trading.find(run.gateway, account_id, sorted(working))}
    left = sorted(ref for ref in working if final[ref].status == "working")
    if left:
        msg = (
            f"{len(left)} orders are still working after their cancel was sent "
            f"({', '.join(left)}); they are settled at the next try"
        )
        raise RetryableError(msg)
    return final


def _never_seen(intent: Intent) -> OrderReport:
    return OrderReport(
        order_ref=intent.order.order_ref,
        status="cancelled",
        filled=Decimal(0),
        remaining=Decimal(intent.order.quantity),
        avg_price=Decimal(0),
        reason="not known to the gateway: it was never sent, or its trading day is over",
    )
