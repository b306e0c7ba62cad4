"""The orders of one rebalance in their order: sells, conversions, buys, and the close.

Sells fund buys, so after the sells the account is read and planned again: replan, never
replay. What the buys lack in another currency is converted before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rebalancer.core.account import Account
from rebalancer.core.approval import Proposal, affordable
from rebalancer.core.execution import AT_CLOSE
from rebalancer.core.order import OrderReport
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.errors import RetryableError
from rebalancer.processor.closing import at_close, trade_at_close
from rebalancer.processor.funding import funded
from rebalancer.processor.reading import read_planned_around
from rebalancer.processor.run import Run
from rebalancer.processor.taxes import Planner
from rebalancer.processor.trade import trade
from rebalancer.processor.vetting import sound


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """The account afterwards, and what became of the orders."""

    account: Account
    reports: Sequence[OrderReport]
    converted: Sequence[OrderReport]


async def carried_out(
    run: Run,
    plans: Planner,
    first: Plan,
    account: Account,
    *,
    spent: Decimal | None,
    proposal: Proposal | None,
) -> CarriedOut:
    """Trade what ``first`` says; ``spent`` is what an earlier attempt has spent already.

    With a ``proposal`` no more is bought than a person agreed to.

    Raises:
        DelayedError, RetryableError, PermanentError, LeaseLostError: as ``trade``.
    """
    sold = [line.symbol for line in first.sells]

    def buying(there: Account) -> Plan:
        # A sell that did not fill funds nothing: only the cash that has come is spent.
        made = plans.plan(there, spent=spent or Decimal(0), buying_only=True, sold=sold)
        return made if proposal is None else affordable(proposal, made)

    reports: list[OrderReport] = []
    latest = first
    if sells := _at_once(first.sells):
        unsold = account
        reports += await trade(run, sells, unsold, first)
        account = await read_planned_around(run, plans.priced)
        _require_untouched(unsold, account, first)
        if plans.aim.mode == "full":
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
    return CarriedOut(account, reports, converted)


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
