"""One pass of orders: written down, sent, followed to their end, written off."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from rebalancer.core.account import Account
from rebalancer.core.execution import limit_at
from rebalancer.core.order import Intent, Order, OrderReport, order_ref
from rebalancer.core.pairs import currencies, is_pair
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.errors import DelayedError, GatewayUnavailableError
from rebalancer.gateway import trading
from rebalancer.processor.checks import Watch
from rebalancer.processor.gate import require_open
from rebalancer.processor.pursuit import Pursuit, within_time
from rebalancer.processor.run import Run
from rebalancer.processor.settle import settle
from rebalancer.queue import moves

T = TypeVar("T")

log = logging.getLogger("rebalancer.processor")

#: Orders per gate check. Small enough that a halt is seen between two chunks of a long list,
#: and under the 50 messages a second that the gateway allows.
CHUNK = 20
#: Seconds after which an event stopped by a halt looks again.
HALT_RECHECK = 60.0


async def trade(
    run: Run,
    lines: Sequence[PlanLine],
    account: Account,
    planned: Plan,
    *,
    within: float | None = None,
    missing: Mapping[str, Decimal] | None = None,
) -> tuple[OrderReport, ...]:
    """Send one order per line of the plan and return what became of each.

    ``missing`` makes it a conversion: what is missing by currency, of which it is to bring no
    more.

    1. a pass number is drawn, so that no ``orderRef`` is ever used twice
    2. per chunk: everything in it is open and keeps to the safety rails; lease, halts and the
       trading day's turnover are proven and the intents stored, in one script
    3. the chunk is sent
    4. fills are awaited for ``within`` seconds (as configured, if not given); limits that do
       not fill are moved towards the edge of the collar; what is unfilled then is cancelled
    5. the balances show the fills, and every intent gets its outcome

    Raises:
        DelayedError: a halt, a close or the day's turnover stopped orders; those sent before
            are settled first.
        PermanentError: a safety rail stopped orders for good; likewise.
        RetryableError: a safety rail stopped orders, but may let a new plan pass; likewise. Or
            the connection was lost, or an order's fate is unknown. Its intent
            stays open and is settled before anything new is planned.
        LeaseLostError: another worker owns the event; nothing more was sent.
    """
    run.trading = True
    number = await run.queue.run(
        moves.begin_pass(
            run.lease, now=run.clock(), cash=account.total_cash, aim=run.record.aim
        )
    )
    intents = [_intent(run, number, line, account) for line in lines]
    sent: list[Intent] = []
    tickets: list[trading.Ticket] = []
    halted: dict[str, str] = {}
    closed: DelayedError | None = None
    watch = Watch(run, planned, account, missing)
    for chunk, chunk_lines in zip(_chunks(intents), _chunks(lines), strict=True):
        # Nothing may lie between the gate and the wire, not even the gateway's pacing.
        async with run.gateway.sending:
            await trading.room(run.gateway, len(chunk))
            try:
                require_open(run, [account.instruments[i.order.symbol] for i in chunk])
            except DelayedError as error:
                closed = error
                break
            if not run.unbroken:
                raise GatewayUnavailableError("the connection was interrupted in mid-flight")
            in_time = within_time(run.deadlines.in_flight / 2, run)
            fit = chunk_lines[: watch.fit(chunk_lines)]
            written = [watch.marked(i, line) for i, line in zip(chunk, fit, strict=False)]
            record = moves.record_intents(
                run.lease,
                written,
                now=run.clock(),
                day_limit=watch.day_limit,
                guarded=watch.guarded,
            )
            recorded = await run.queue.run(record)
            watch.recorded(recorded, fit, written)
            halted.update(recorded.halted)
            allowed = [i for i in written if i.order.order_ref in recorded.allowed]
            sent += allowed
            run.record.intents.update({i.order.order_ref: i for i in allowed})
            tickets += trading.place(
                run.gateway,
                [i.order for i in allowed],
                account.instruments,
                may_send=in_time,
            )
        if watch.broken:
            break
    run.tickets.update({ticket.order.order_ref: ticket for ticket in tickets})
    followed = Pursuit(run, account, {i.order.order_ref: i for i in sent}, lines)
    reports = await followed.reports(tickets, within or run.deadlines.fills)
    await settle(run, sent, reports)
    if closed is not None:
        raise closed
    broken = watch.error
    if broken is not None:
        raise broken
    if halted:
        ref, reason = next(iter(halted.items()))
        msg = f"halted before {len(halted)} orders, among them {ref}: {reason}"
        raise DelayedError(msg, until=run.clock() + HALT_RECHECK)
    return reports


def _intent(run: Run, number: int, line: PlanLine, account: Account) -> Intent:
    policy = run.portfolio.policy
    currency = account.instruments[line.symbol].currency
    # Without what others' working orders may yet bring: the balances do not show that.
    held = line.held - account.working.get(line.symbol, Decimal(0))
    cash = account.cash.get(currency)
    if is_pair(line.symbol):
        held = account.cash.get(currencies(line.symbol)[0], Decimal(0))
        cash = account.cash.get(currency, Decimal(0))
    order = Order(
        order_ref=order_ref(run.event.event_id, number, line.symbol),
        account_id=run.portfolio.account_id,
        symbol=line.symbol,
        con_id=line.con_id,
        action="BUY" if line.trade > 0 else "SELL",
        quantity=abs(line.trade),
        order_type=line.order_type,
        limit_price=limit_at(
            line, account.quotes.get(line.symbol), 0, run.portfolio.policy.reprice_times
        ),
        outside_rth=policy.extended_hours,
        urgency=policy.urgency,
    )
    return Intent(
        order,
        run.event.event_id,
        number,
        run.clock(),
        currency=currency,
        held_before=held,
        cash_before=cash,
    )


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + CHUNK] for start in range(0, len(items), CHUNK))
