"""What a rebalance has to do: all that was asked for, as far as its conditions hold.

Conditions are looked at on fresh data, before any working order is touched. Once the event
has begun to trade, or a person has agreed to its plan, what was due stays due: its own sells,
or the market while the person thought, may have brought it back below the threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rebalancer.core import due
from rebalancer.core.account import Account
from rebalancer.core.plain import plain
from rebalancer.core.plan import Plan
from rebalancer.core.request import Aim, Request, When, aim_from
from rebalancer.errors import PermanentError
from rebalancer.processor.reading import read_planned_around
from rebalancer.processor.report import text
from rebalancer.processor.run import Run
from rebalancer.processor.taxes import Planner
from rebalancer.queue import approvals, moves


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do; no ``aim``: nothing. What was looked at for it, if it was a condition."""

    aim: Aim | None
    #: Why nothing is due.
    says: str = ""
    account: Account | None = None
    plan: Plan | None = None


async def decide(
    run: Run, plans: Planner, asked: Request, *, foreseen: bool = False
) -> Decision:
    """Decide, and leave the figures in the run's record.

    ``foreseen`` gives what would be done if everything were due.
    """
    if not asked.conditional:
        return Decision(due.aim(asked), "nothing was asked for")
    account = await read_planned_around(run, plans.priced)
    # Its orders do not matter: it knows what every symbol weighs, and should.
    measured = replace(plans, aim=Aim("full", asked.raise_cash)).plan(account)
    found = due.state(measured)
    begun = None if foreseen else await _begun(run)
    aim = due.aim(asked, found, begun)
    conditions = {
        kind: when
        for kind, when in (("full", asked.full), ("buy-only", asked.buy_only))
        if when is not None
    }
    over = {kind: due.exceeded(found, when) for kind, when in conditions.items()}
    says = "; ".join(why for reasons in over.values() for why in reasons)
    if aim is not None and not says:
        says = "it was due when it began"
    if aim is None:
        says = "below threshold: " + "; ".join(
            due.below(found, when) for when in conditions.values()
        )
    run.record.condition = {
        "due": aim is not None,
        "begun": None if begun is None else str(begun),
        "says": says,
        "when": {kind: _thresholds(when) for kind, when in conditions.items()},
        "exceeded": {kind: list(reasons) for kind, reasons in over.items()},
        "drift": {
            drift.symbol: {"absolute": text(drift.absolute), "relative": text(drift.relative)}
            for drift in found.drifts
        },
        "uninvested_cash": text(found.uninvested),
    }
    if foreseen and aim is None:
        aim = Aim("full" if asked.full is not None else "buy-only", asked.raise_cash)
    return Decision(aim, says, account, measured)


def require_raised(planned: Plan) -> None:
    """Raise ``PermanentError`` if the cash that was asked for cannot be had."""
    if not planned.lacking:
        return
    currency, own = planned.currency, planned.reserve - planned.aside
    there = max(planned.aside - planned.lacking, planned.aside * 0)
    raise PermanentError(
        f"raise_cash {planned.aside:.2f} {currency}: with all that may be sold, at worst "
        f"{there:.2f} can be had above the reserve of {own:.2f}, {planned.lacking:.2f} too "
        f"little; ask for less, or let more be sold (bounds, no_sell, max_turnover_percent, "
        f"min_order_value)"
    )


async def _begun(run: Run) -> Aim | None:
    """What an earlier attempt has begun to trade, or a person has agreed to."""
    before = await run.queue.run(moves.spending(run.event.event_id))
    if before is not None and before.aim is not None:
        return before.aim
    if run.portfolio.policy.approval != "required":
        return None
    found = (await run.queue.run(approvals.pending())).get(run.portfolio.account_id)
    if found is None or found.approved_at is None:
        return None
    asked = found.proposal
    holds = asked.event_id == run.event.event_id and run.clock() < asked.expires_at
    return aim_from(asked.asked) if holds else None


def _thresholds(when: When) -> Mapping[str, Any]:
    thresholds: Mapping[str, Any] = plain(when)
    return {name: limit for name, limit in thresholds.items() if limit is not None}
