"""Money in the right currency before the buys: what is missing is converted first.

Only where the account says ``fx: auto-convert``. A conversion is an order like any other: it is
written down before it is sent, followed, and settled once the cash of both currencies shows it.
Killed anywhere, the next run finds out what became of it and converts what is missing then. One
is sent at a time, so that the balances tell what each has done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from rebalancer.core import forex
from rebalancer.core.account import Account
from rebalancer.core.forex import Conversion
from rebalancer.core.order import OrderReport
from rebalancer.core.plan import Plan
from rebalancer.errors import RetryableError
from rebalancer.gateway.lines import MAX_AGE
from rebalancer.gateway.market import quotes
from rebalancer.processor import report
from rebalancer.processor.reading import read_planned_around
from rebalancer.processor.run import Run
from rebalancer.processor.taxes import Planner
from rebalancer.processor.trade import trade

log = logging.getLogger("rebalancer.processor")

#: Times that what is missing is looked at and converted. The first has nearly always been
#: enough: a little more is converted than is missing.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Funded:
    """What the buys are to be made of, and what was converted for them."""

    account: Account
    plan: Plan
    reports: tuple[OrderReport, ...] = ()


async def funded(
    run: Run,
    plans: Planner,
    account: Account,
    planned: Plan,
    replanned: Callable[[Account], Plan],
) -> Funded:
    """Convert what the buys of a plan are short of, and plan them again on what there is then.

    ``replanned`` makes the plan of the buys anew; none of them is made larger by it. A share
    that what is left cannot pay for is not bought.

    Raises:
        RetryableError: a conversion did not fill, or something is missing all the same.
        DelayedError, PermanentError, LeaseLostError: as ``trade``.
    """
    if run.portfolio.policy.fx != "auto-convert":
        return Funded(account, planned)
    reports: list[OrderReport] = []
    for _ in range(ROUNDS):
        wanted = forex.conversions(_buys(planned), account)
        if not wanted:
            return Funded(account, planned, tuple(reports))
        sent: list[OrderReport] = []
        for conversion in wanted:
            if done := await _convert(run, account, planned, conversion):
                sent += done
                account = await read_planned_around(run, plans.priced)
        if not sent:
            break
        reports += sent
        planned = _at_most(_buys(planned), _buys(replanned(account)))
    # Commissions and half a unit here and there: all is converted, and a little is missing.
    affordable = forex.within(_buys(planned), account)
    if affordable is None:
        missing = forex.short(_buys(planned), account)
        listed = ", ".join(f"{amount:.2f} {name}" for name, amount in missing.items())
        raise RetryableError(f"{listed} are missing and there is nothing left to convert")
    return Funded(account, affordable, tuple(reports))


async def _convert(
    run: Run, account: Account, planned: Plan, wanted: Conversion
) -> tuple[OrderReport, ...]:
    """Send one conversion and return what became of it, once the balances show it.

    Nothing is sent where too little is left to be worth an order.
    """
    policy = run.portfolio.policy
    found = await run.contracts.resolve((wanted.symbol,))
    priced = await quotes(
        run.gateway,
        tuple(found.values()),
        deadline=run.deadlines.prices,
        allow_delayed=policy.allow_delayed_prices,
        max_age=policy.limits.max_price_age_seconds or MAX_AGE,
    )
    quote = priced[wanted.symbol]
    pair = run.contracts.stepped(found[wanted.symbol], quote.price)
    line = forex.converted(wanted, pair, quote, account, policy)
    if not line.trade:
        return ()
    there = replace(
        account,
        instruments={**account.instruments, pair.symbol: pair},
        quotes={**account.quotes, pair.symbol: quote},
    )
    alone = replace(planned, lines=(line,))
    log.info("converting: %+d %s, as %s is missing", line.trade, line.symbol, wanted.got)
    run.record.conversions.append(alone)
    await run.note("converting", report.conversion_json(wanted, line))
    missing = {wanted.got: wanted.missing}
    reports = await trade(run, alone.lines, there, alone, missing=missing)
    unfilled = [each for each in reports if each.status != "filled"]
    if unfilled:
        said = "; ".join(f"{r.order_ref} {r.status} ({r.reason})" for r in unfilled)
        raise RetryableError(f"a conversion into {wanted.got} did not fill: {said}")
    return reports


def _buys(planned: Plan) -> Plan:
    """The plan without its sells: what they bring is there already, or comes too late."""
    return replace(planned, lines=tuple(x for x in planned.lines if x.trade >= 0))


def _at_most(before: Plan, fresh: Plan) -> Plan:
    """The fresh plan with no buy larger than it was when the money for it was converted."""
    trades = {line.symbol: line.trade for line in before.lines}
    lines = (
        line._replace(trade=min(line.trade, trades.get(line.symbol, 0))) for line in fresh.lines
    )
    return replace(fresh, lines=tuple(lines))
