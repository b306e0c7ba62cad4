"""A plan on its way to the market: asked about, held against the rails, and open to trade."""

from __future__ import annotations

from typing import Any

from rebalancer.core.account import Account
from rebalancer.core.forex import conversions
from rebalancer.core.plan import Plan
from rebalancer.processor import report
from rebalancer.processor.checks import check_plan, require
from rebalancer.processor.gate import require_open
from rebalancer.processor.run import Run
from rebalancer.processor.what_if import ask, costed, shown


async def vetted(run: Run, planned: Plan, account: Account) -> tuple[Plan, dict[str, Any]]:
    """Hold a plan against the gateway's what-if and the rails; return it and what to show."""
    answers = await ask(run, planned, account)
    planned = costed(planned, account, answers)
    checks = await check_plan(run, planned, account, answers)
    return planned, {
        **report.plan_json(planned),
        "conversions": _conversions(run, planned, account),
        "checks": report.checks_json(checks),
        "what_if": shown(answers),
    }


def _conversions(run: Run, planned: Plan, account: Account) -> list[dict[str, Any]]:
    """What would be converted before the buys, if the sells bring what they at least may."""
    if run.portfolio.policy.fx != "auto-convert":
        return []
    return [report.conversion_json(wanted) for wanted in conversions(planned, account)]


async def sound(
    run: Run, planned: Plan, account: Account, step: str
) -> tuple[Plan, dict[str, Any]]:
    """Return a plan that may be sent now, and what to show of it; ``step`` names it.

    Raises:
        DelayedError: something that it trades is closed, or a rail says to wait.
        PermanentError, RetryableError: it breaks a rail.
    """
    planned, found = await vetted(run, planned, account)
    traded = [account.instruments[line.symbol] for line in planned.lines if line.trade]
    require_open(run, traded)
    await run.note(step, found)
    require(run, run.tally.checks, traded)
    return planned, found
