"""Orders that were sent, followed to their end: awaited, moved on, given up.

The time for fills is cut into equal parts, one more than a limit may be moved. At the end of
each but the last, what has not filled is moved one step towards the edge of the collar. At the
end of the last it is cancelled; the next plan has the rest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rebalancer.core.account import Account
from rebalancer.core.execution import REPRICED, limit_at
from rebalancer.core.order import Intent, OrderReport
from rebalancer.core.plan import PlanLine
from rebalancer.errors import DelayedError, GatewayError, GatewayUnavailableError
from rebalancer.gateway import trading
from rebalancer.gateway.trading import Ticket
from rebalancer.processor.gate import require_open
from rebalancer.processor.run import Run
from rebalancer.processor.settle import cancel_working
from rebalancer.queue import moves

log = logging.getLogger("rebalancer.processor")


@dataclass(frozen=True, slots=True)
class Pursuit:
    """The orders of one pass, once they are sent."""

    run: Run
    account: Account
    #: What was written down, by orderRef.
    intents: Mapping[str, Intent]
    lines: Sequence[PlanLine]

    async def reports(
        self, tickets: Sequence[Ticket], within: float
    ) -> tuple[OrderReport, ...]:
        """Return what became of the orders, within so many seconds and a cancel's time.

        Raises:
            RetryableError: the connection was lost, or a cancel stayed unanswered.
            LeaseLostError: another worker owns the event.
        """
        steps = self.run.portfolio.policy.reprice_times
        part = within / (steps + 1)
        for step in range(1, steps + 1):
            reports = await trading.wait(tickets, deadline=part)
            late = self._late(tickets, reports)
            if not late or not await self._moved_on(late, step, steps):
                # Nothing of this is to be moved; the rest of the time is one wait.
                part = within - part * step
                break
        reports = await trading.wait(tickets, deadline=part)
        by_ref = {report.order_ref: report for report in reports}
        late_refs = [ref for ref, report in by_ref.items() if report.status == "working"]
        if late_refs:
            log.warning("%d orders unfilled at the deadline are cancelled", len(late_refs))
        return tuple((await cancel_working(self.run, by_ref)).values())

    def _late(self, tickets: Sequence[Ticket], reports: Sequence[OrderReport]) -> list[Ticket]:
        """Orders that still work, and whose limit may be moved."""
        working = {report.order_ref for report in reports if report.status == "working"}
        return [
            ticket
            for ticket in tickets
            if ticket.order.order_ref in working and ticket.order.order_type in REPRICED
        ]

    async def _moved_on(self, late: Sequence[Ticket], step: int, steps: int) -> bool:
        """Move limits one step on; ``False`` if nothing may be sent any more.

        A change is an order like any other: the lease is proven and the halts are looked at
        in one step, and nothing may lie between that and the wire.
        """
        run, refs = self.run, [ticket.order.order_ref for ticket in late]
        try:
            async with run.gateway.sending:
                await trading.room(run.gateway, len(late))
                require_open(run, [self.account.instruments[t.order.symbol] for t in late])
                in_time = within_time(run.deadlines.in_flight / 2, run)
                again = [self.intents[ref] for ref in refs]
                record = moves.record_intents(run.lease, again, now=run.clock())
                allowed = (await run.queue.run(record)).allowed
                limits = {
                    ticket: limit
                    for ticket in late
                    if ticket.order.order_ref in allowed
                    and (limit := self._limit(ticket, step, steps)) is not None
                    and limit != ticket.order.limit_price
                }
                instruments = self.account.instruments
                trading.reprice(run.gateway, limits, instruments, may_send=in_time)
        except DelayedError as error:
            log.warning("orders stay as they are: %s", error)
            return False
        except GatewayUnavailableError:
            raise
        except GatewayError as error:
            log.warning("orders stay as they are: %s", error)
            return True
        log.info("%d orders moved on, step %d of %d", len(limits), step, steps)
        return True

    def _limit(self, ticket: Ticket, step: int, steps: int) -> Decimal | None:
        line = next(line for line in self.lines if line.symbol == ticket.order.symbol)
        return limit_at(line, self.account.quotes.get(line.symbol), step, steps)


def within_time(seconds: float, run: Run) -> Callable[[], bool]:
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
