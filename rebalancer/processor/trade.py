"""One pass of orders: written down, sent, followed to their end, written off."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from rebalancer.core.account import Account
from rebalancer.core.order import Intent, Order, OrderReport, order_ref
from rebalancer.core.plan import PlanLine
from rebalancer.errors import DelayedError, GatewayUnavailableError
from rebalancer.gateway import trading
from rebalancer.processor.gate import require_open
from rebalancer.processor.run import Run
from rebalancer.processor.settle import cancel_working, settle
from rebalancer.queue import moves

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
) -> tuple[OrderReport, ...]:
    """Send one order per line and return what became of each.

    1. a pass number is drawn, so that no ``orderRef`` is ever used twice
    2. per chunk: everything in it is open; lease and halts are proven and the intents
       stored, in one script
    3. the chunk is sent
    4. fills are awaited; what is unfilled at the deadline is cancelled
    5. the balances show the fills, and every intent gets its outcome

    Raises:
        DelayedError: a halt or a close stopped orders; those sent before are settled first.
        RetryableError: the connection was lost, or an order's fate is unknown. Its intent
            stays open and is settled before anything new is planned.
        LeaseLostError: another worker owns the event; nothing more was sent.
    """
    run.trading = True
    number = await run.queue.run(moves.begin_pass(run.lease, now=run.clock()))
    intents = [_intent(run, number, line, account) for line in lines]
    sent: list[Intent] = []
    tickets: list[trading.Ticket] = []
    halted: dict[str, str] = {}
    closed: DelayedError | None = None
    for chunk in _chunks(intents):
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
            in_time = _within(run.deadlines.in_flight / 2, run)
            written = [replace(i, recorded_at=run.clock()) for i in chunk]
            record = moves.record_intents(run.lease, written, now=run.clock())
            recorded = await run.queue.run(record)
            halted.update(recorded.halted)
            allowed = [i for i in written if i.order.order_ref in recorded.allowed]
            sent += allowed
            tickets += trading.place(
                run.gateway,
                [i.order for i in allowed],
                account.instruments,
                may_send=in_time,
            )
    run.tickets.update({ticket.order.order_ref: ticket for ticket in tickets})
    reports = await _followed(run, tickets)
    await settle(run, sent, reports)
    if closed is not None:
        raise closed
    if halted:
        ref, reason = next(iter(halted.items()))
        msg = f"halted before {len(halted)} orders, among them {ref}: {reason}"
        raise DelayedError(msg, until=run.clock() + HALT_RECHECK)
    return reports


async def _followed(run: Run, tickets: Sequence[trading.Ticket]) -> tuple[OrderReport, ...]:
    reports = await trading.wait(tickets, deadline=run.deadlines.fills)
    by_ref = {report.order_ref: report for report in reports}
    late = [ref for ref, report in by_ref.items() if report.status == "working"]
    if late:
        log.warning("%d orders unfilled at the deadline are cancelled", len(late))
    return tuple((await cancel_working(run, by_ref)).values())


def _within(seconds: float, run: Run) -> Callable[[], bool]:
    """Return whether less than this has passed since now, even if everything stood still.

    And nothing was missed meanwhile: the connection is the one that the run began on.

    An intent that is looked for and not found counts as never sent once it is older than
    ``Deadlines.in_flight``. So an order is sent well before that, or not at all: a process
    that was frozen meanwhile must not send what another has already replaced. The clock of
    the host may be set, and the monotonic one stops while a machine sleeps; both together
    leave no gap.
    """
    began, booted = run.clock(), time.clock_gettime(time.CLOCK_BOOTTIME)

    def still() -> bool:
        passed = time.clock_gettime(time.CLOCK_BOOTTIME) - booted
        return run.unbroken and passed < seconds and run.clock() - began < seconds

    return still


def _intent(run: Run, number: int, line: PlanLine, account: Account) -> Intent:
    policy = run.portfolio.policy
    currency = account.instruments[line.symbol].currency
    order = Order(
        order_ref=order_ref(run.event.event_id, number, line.symbol),
        account_id=run.portfolio.account_id,
        symbol=line.symbol,
        con_id=line.con_id,
        action="BUY" if line.trade > 0 else "SELL",
        quantity=abs(line.trade),
        order_type=policy.order_type,
        limit_price=line.limit_price,
        outside_rth=policy.extended_hours,
    )
    return Intent(
        order,
        run.event.event_id,
        number,
        run.clock(),
        currency=currency,
        held_before=line.held,
        cash_before=account.cash.get(currency),
    )


def _chunks(intents: Sequence[Intent]) -> Iterator[Sequence[Intent]]:
    return (intents[start : start + CHUNK] for start in range(0, len(intents), CHUNK))
