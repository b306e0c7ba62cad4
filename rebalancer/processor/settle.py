"""What became of orders written down earlier: asked of the gateway, never guessed.

An intent without an outcome is left by a crash, a lost connection or a deadline. Before any
new plan it is settled by its ``orderRef`` over open orders, completed orders and executions:

1. final there            -> its outcome is recorded
2. still working          -> cancelled, and the final state (perhaps filled) recorded
3. nowhere, and so young that it may still be on its way -> asked again a little later
4. nowhere                -> it never reached the exchange, or belongs to a past trading day
                             whose DAY orders are gone; the fresh snapshot shows either

An outcome is recorded only once the account's positions and cash show it: a plan made on
balances that miss a fill would trade it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal

from rebalancer.core.execution import AT_CLOSE
from rebalancer.core.order import Intent, OrderReport
from rebalancer.core.pairs import currencies, is_pair
from rebalancer.core.trades import trade_of
from rebalancer.errors import DelayedError, RetryableError
from rebalancer.gateway import trading
from rebalancer.gateway.snapshot import await_positions
from rebalancer.processor.run import Run
from rebalancer.queue import moves

log = logging.getLogger("rebalancer.processor")

#: Share of a sell's value that commissions not yet reported and fees may take.
BOOKING_SLACK = Decimal("0.01")
#: Seconds after which balances that do not fit are somebody else's doing: a deposit, a manual
#: trade. Balances lag by seconds, so by then they are simply true.
LONGEST_LAG = 900.0
#: Seconds between looks at orders that only another client id can cancel.
FOREIGN_RECHECK = 10.0


async def settle_unfinished(run: Run) -> tuple[OrderReport, ...]:
    """Give every open intent of the account its outcome; return the outcomes.

    Raises:
        RetryableError: an order is still working although its cancel was asked for, the
            balances do not show a fill yet, or the gateway did not answer.
    """
    account_id = run.portfolio.account_id
    intents = await run.queue.run(moves.open_intents(account_id, now=run.clock()))
    if not intents:
        return ()
    log.warning("settling %d unfinished orders of %s", len(intents), account_id)
    known = await cancel_working(run, await _found(run, intents))
    reports = [known.get(i.order.order_ref) or _never_seen(i) for i in intents]
    await settle(run, intents, reports)
    return tuple(reports)


async def settle(
    run: Run,
    intents: Sequence[Intent],
    reports: Sequence[OrderReport],
) -> None:
    """Record each intent's outcome, once the balances show it. ``reports`` match ``intents``.

    Raises:
        RetryableError: they do not within the deadline; the intents stay open.
        LeaseLostError: another worker owns the event.
    """
    pairs = list(zip(intents, reports, strict=True))
    fresh = [pair for pair in pairs if _age(run, *pair) < LONGEST_LAG]
    account_id, limit = run.portfolio.account_id, run.deadlines.settlement
    pairs_traded = [pair for pair in fresh if is_pair(pair[0].order.symbol)]
    traded = [pair for pair in fresh if not is_pair(pair[0].order.symbol)]
    least, most = _converted(pairs_traded)
    if not await await_positions(
        run.gateway,
        account_id,
        _expected_shares(traded),
        deadline=limit,
        cash={**_least_cash(traded), **least},
        spent=most,
    ):
        msg = f"the balances of {account_id} do not show the latest fills within {limit:g} s"
        raise RetryableError(msg)
    for intent, report in pairs:
        trade = trade_of(intent, report, run.gateway.now())
        now = run.clock()
        await run.queue.run(moves.settle_intent(run.lease, report, now=now, trade=trade))


def _age(run: Run, intent: Intent, report: OrderReport) -> float:
    """Seconds since the order was written down, or since its latest fill."""
    since_fills = [run.gateway.now() - fill.at for fill in report.fills]
    return min([run.clock() - intent.recorded_at, *since_fills])


def _expected_shares(pairs: Sequence[tuple[Intent, OrderReport]]) -> Mapping[int, Decimal]:
    expected: dict[int, Decimal] = {}
    for intent, report in pairs:
        if intent.held_before is not None:
            expected.setdefault(intent.order.con_id, intent.held_before)
            signed = report.filled if intent.order.action == "BUY" else -report.filled
            expected[intent.order.con_id] += signed
    return expected


def _least_cash(pairs: Sequence[tuple[Intent, OrderReport]]) -> Mapping[str, Decimal]:
    """Cash by currency that must be there once these sells have been booked.

    Of buys nothing is asked: cash that still shows what they cost is seen by the shares that
    are there already, and after a crash some of them may be settled and spent.
    """
    if any(intent.order.action == "BUY" for intent, _ in pairs):
        return {}
    least: dict[str, Decimal] = {}
    for intent, report in pairs:
        if intent.cash_before is not None:
            least.setdefault(intent.currency, intent.cash_before)
            fees = sum((fill.commission or Decimal(0) for fill in report.fills), Decimal(0))
            booked = report.filled * report.avg_price * (1 - BOOKING_SLACK)
            least[intent.currency] += booked - fees
    return least


def _converted(
    pairs: Sequence[tuple[Intent, OrderReport]],
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Least cash of what conversions have brought, and most of what they took, by currency.

    Both sides are looked at: whoever saw one of them only would convert once more. What came
    in has paid the commission, perhaps a good part of it; what went out has been paid in full.
    """
    least: dict[str, Decimal] = {}
    most: dict[str, Decimal] = {}
    for intent, report in pairs:
        first, second = currencies(intent.order.symbol)
        if not report.filled or intent.held_before is None or intent.cash_before is None:
            continue
        worth = report.filled * report.avg_price
        if intent.order.action == "BUY":
            least[first] = intent.held_before + report.filled / 2
            most[second] = intent.cash_before - worth * (1 - BOOKING_SLACK)
        else:
            least[second] = intent.cash_before + worth / 2
            most[first] = intent.held_before - report.filled * (1 - BOOKING_SLACK)
    return least, most


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
        DelayedError: they belong to another processor's client id, which has to cancel them,
            or to a gateway session before a restart, and only people can.
        RetryableError: a cancel stayed unanswered; late is not failed, so nothing new may be
            sent until the order's fate is known.
    """
    working = {ref for ref, report in reports.items() if report.status == "working"}
    if not working:
        return dict(reports)
    account_id = run.portfolio.account_id
    open_now = await trading.open_orders(run.gateway, account_id)
    ours = [order for order in open_now if order.order_ref in working]
    outcome = await trading.cancel(run.gateway, ours, deadline=run.deadlines.cancel)
    final = {**reports, **await trading.find(run.gateway, account_id, sorted(working))}
    left = sorted(ref for ref in working if final[ref].status == "working")
    foreign = [order for order in outcome.foreign if order.order_ref in left]
    if foreign:
        clients = ", ".join(sorted({str(order.client_id) for order in foreign}))
        raise DelayedError(
            f"{len(foreign)} orders still work that were sent by API client {clients} and "
            f"cannot be cancelled from here; waiting for them to end",
            until=run.clock() + FOREIGN_RECHECK,
        )
    if left and any(order.order_type in AT_CLOSE for order in ours):
        raise DelayedError(
            f"{len(left)} orders for the closing auction can no longer be cancelled; waiting "
            f"for it",
            until=run.clock() + FOREIGN_RECHECK,
        )
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
