"""Orders for the closing auction: sent shortly before the close, and ended by it.

An auction takes orders until some minutes before the close and fills them all at once. So
what its sells bring is not there yet when its buys have to be in: only the cash that is there
is spent, and what the sells bring waits for the next auction. That takes an account that has
to sell before it can buy two closes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from rebalancer.core import hours
from rebalancer.core.account import Account, Instrument
from rebalancer.core.approval import Proposal, affordable, remainder
from rebalancer.core.execution import AT_CLOSE
from rebalancer.core.order import OrderReport
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.errors import DelayedError
from rebalancer.processor.funding import funded
from rebalancer.processor.gate import RECHECK, sessions_of
from rebalancer.processor.reading import read_planned_around
from rebalancer.processor.run import Run
from rebalancer.processor.taxes import Planner
from rebalancer.processor.trade import trade
from rebalancer.processor.vetting import sound
from rebalancer.queue import moves

#: Orders are sent from this many seconds before the close on, and until so many. NYSE takes
#: market and limit on close until ten minutes before it, Nasdaq until five; the exchanges'
#: own rules (NYSE 7.35B, Nasdaq 4754).
LEAD = 20 * 60.0
CUTOFF = 11 * 60.0
#: Seconds after the close by which its fills have come.
GRACE = 300.0


@dataclass(frozen=True, slots=True)
class Auctions:
    """When what is to trade at the close can be sent."""

    #: Symbols whose window is open now, and seconds until the last of them has closed.
    due: frozenset[str]
    within: float
    #: When the next of the others opens, in seconds from now; ``None`` if none is published.
    wait: float | None


def auctions(run: Run, instruments: Iterable[Instrument]) -> Auctions:
    """Find the next closing auction of each instrument, by the gateway's clock."""
    now = run.gateway.now()
    due: dict[str, float] = {}
    waits: list[float] = []
    for instrument in instruments:
        close = hours.next_close(sessions_of(instrument), now + CUTOFF)
        if close is None:
            continue
        if close - LEAD <= now:
            due[instrument.symbol] = close
        else:
            waits.append(close - LEAD - now)
    within = max(due.values(), default=now) - now
    return Auctions(frozenset(due), within, min(waits, default=None))


def at_close(planned: Plan) -> list[PlanLine]:
    """Lines of a plan that are to trade in the closing auction."""
    return [line for line in planned.lines if line.trade and line.order_type in AT_CLOSE]


async def trade_at_close(
    run: Run, plans: Planner, account: Account, proposal: Proposal | None = None
) -> tuple[tuple[OrderReport, ...], Account]:
    """Send what is due for the auction, and return what became of it and the account then.

    No more than ``proposal``, if there is one.

    Raises:
        DelayedError: no auction takes orders now, or buys wait for what sells have brought;
            until the next one does.
        RetryableError, LeaseLostError: as ``trade``.
    """
    before = await run.queue.run(moves.spending(run.event.event_id))
    spent = None if before is None else before.until(account.total_cash)
    planned = plans.plan(account, spent=spent)
    if proposal is not None:
        planned = remainder(proposal, planned)
    symbols = [line.symbol for line in at_close(planned)]
    found = auctions(run, [account.instruments[s] for s in symbols])
    if symbols and not found.due:
        raise _until(run, found.wait, f"{', '.join(symbols)} trade at the close")

    def buying(there: Account) -> Plan:
        made = plans.plan(there, spent=spent or Decimal(0), buying_only=True)
        made = made if proposal is None else affordable(proposal, made)
        due = [x for x in at_close(made) if x.symbol in found.due]
        return replace(made, lines=tuple(due))

    money = await funded(run, plans, account, buying(account), buying)
    account = money.account
    lines = [x for x in at_close(planned) if x.symbol in found.due and x.trade < 0]
    lines += money.plan.lines
    sent, _ = await sound(run, replace(money.plan, lines=tuple(lines)), account, "replanned")
    reports: tuple[OrderReport, ...] = ()
    if lines:
        reports = await trade(run, sent.lines, account, sent, within=found.within + GRACE)
        account = await read_planned_around(run, plans.priced)
    sold = any(line.trade < 0 for line in lines)
    if sold and all(report.status == "filled" for report in reports):
        _require_done(run, account, plans.plan(account, spent=spent or Decimal(0)))
    return reports, account


def _require_done(run: Run, account: Account, left: Plan) -> None:
    symbols = [line.symbol for line in at_close(left) if line.trade > 0]
    if symbols:
        # The auction that has just been is none of the next ones.
        soonest = run.gateway.now() + LEAD
        closes = [
            hours.next_close(sessions_of(account.instruments[symbol]), soonest)
            for symbol in symbols
        ]
        waits = [close - soonest for close in closes if close is not None]
        what = f"{', '.join(symbols)} wait for what the sells of this close have brought"
        raise _until(run, min(waits, default=None), what)


def _until(run: Run, wait: float | None, what: str) -> DelayedError:
    wait = RECHECK if wait is None else max(wait, 0.0)
    return DelayedError(
        f"{what}; orders for the next closing auction are sent in {wait:.0f} s",
        until=run.clock() + wait,
    )
