"""Accounts whose plans a person has to agree to before anything is sent.

The plan is put down with its hash, the person is told, and the event waits. Once that plan
is agreed to, the event is called up and trades exactly it. If it has expired, or the account
or its prices have moved too far meanwhile, the person is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rebalancer.core import approval
from rebalancer.core.approval import Proposal
from rebalancer.core.plan import Plan
from rebalancer.errors import DelayedError
from rebalancer.processor import report
from rebalancer.processor.run import Run
from rebalancer.queue import approvals, moves


async def agreed(
    run: Run, fresh: Plan, conversions: Sequence[Mapping[str, Any]] = ()
) -> tuple[Plan, Proposal | None]:
    """Return the plan to trade, and the proposal it is; no proposal where none is needed.

    ``conversions`` of currencies that it would take are shown with it.

    Raises:
        DelayedError: a person has to agree first; until the proposal expires.
        LeaseLostError: another worker owns the event.
    """
    policy, account_id = run.portfolio.policy, run.portfolio.account_id
    if policy.approval != "required" or not any(line.trade for line in fresh.lines):
        return fresh, None
    now = run.clock()
    found = (await run.queue.run(approvals.pending())).get(account_id)
    why = "" if found else "no plan has been shown yet"
    if found is not None:
        why = approval.why_not(
            found.proposal,
            fresh,
            run.event.event_id,
            now=now,
            tolerance=policy.approval_tolerance,
        )
    if found is None or why:
        expires_at = now + 60.0 * policy.approval_expires_minutes
        asked = approval.propose(fresh, run.event.event_id, now=now, expires_at=expires_at)
        # First: killed in between, a person is told twice. A plan that waits untold would wait
        # until it expires.
        await _tell(run, asked, "" if found is None else f"The last one: {why}.")
        shown = {**report.plan_json(fresh), "conversions": conversions}
        await run.queue.run(approvals.propose(run.lease, asked, shown, now=now))
        raise _waiting(asked)
    if found.approved_at is None:
        raise _waiting(found.proposal)
    return approval.remainder(found.proposal, fresh), found.proposal


async def done(run: Run) -> None:
    """Forget what was put before a person, now that it is carried out or there is no need."""
    if run.portfolio.policy.approval == "required":
        await run.queue.run(approvals.withdraw(run.portfolio.account_id))


async def _tell(run: Run, asked: Proposal, before: str) -> None:
    orders = [line for line in asked.lines if line.trade]
    title = f"{asked.account_id} waits for approval"
    text = f"Plan {asked.plan_hash} has {len(orders)} orders. {before}".strip()
    await run.queue.run(
        moves.alert(
            title,
            text,
            now=run.clock(),
            remedy=f"rebalancer approve {asked.account_id} {asked.plan_hash}",
            event_id=asked.event_id,
            account_id=asked.account_id,
            level="action",
        )
    )


def _waiting(proposal: Proposal) -> DelayedError:
    return DelayedError(
        f"plan {proposal.plan_hash} waits for approval: "
        f"rebalancer approve {proposal.account_id} {proposal.plan_hash}",
        until=proposal.expires_at,
    )
