"""The record of a run: what was asked, seen, planned, checked, sent, and where it ended.

While an event is carried out the recipe drops facts into its ``Recorder``. When it ends, the
record is written of them and appended to the history by the script that ends the event: a run
that ended has its record, and no run has two. A run that is killed has none; what became of
its orders is told by the next record of the account, because Redis keeps the ends of orders
until a record tells them. So each order's end, with its fills, is in exactly one record.
"""

from __future__ import annotations

import logging
from asyncio import Lock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rebalancer.core.account import Account
from rebalancer.core.order import Intent, OpenOrder
from rebalancer.core.plain import plain
from rebalancer.core.plan import Plan
from rebalancer.core.policy import Policy
from rebalancer.core.request import Aim
from rebalancer.core.target import Target
from rebalancer.processor import record_json, report
from rebalancer.queue import history
from rebalancer.queue.history import Sealed
from rebalancer.queue.move import Move
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Lease
from rebalancer.queue.wire import ChainMovedError

if TYPE_CHECKING:
    from rebalancer.gateway.trading import Ticket

log = logging.getLogger("rebalancer.processor")

#: Raised when a reader of older records would misunderstand newer ones.
VERSION = 1
#: Commands that may touch orders; the others only look, and the journal is enough for them.
RECORDED = frozenset({"rebalance", "cancel-orders", "settle-orders"})
#: Endings after which the event runs again as if nothing had been tried: a night of waiting
#: for a halt to be lifted is no thousand records, unless orders were touched.
_UNEVENTFUL = frozenset({"delayed", "released"})


@dataclass(frozen=True, slots=True)
class Check:
    """One look at the run before it was let on: ``figure`` against ``limit``."""

    name: str
    passed: bool
    figure: str
    limit: str
    #: The setting that says so.
    key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the run ended. ``at`` and ``until`` are Unix seconds."""

    #: completed, retrying, delayed, dead, released
    status: str
    at: float
    reason: str = ""
    #: When the event runs again at the earliest.
    until: float | None = None


@dataclass(slots=True)
class Recorder:
    """The facts of one run, as they become known; what did not come to pass stays empty."""

    #: Unix seconds.
    began_at: float = 0.0
    target: Target | None = None
    policy: Policy | None = None
    #: What was to be done, and how far the account was off where that depended on it.
    aim: Aim | None = None
    condition: Mapping[str, Any] | None = None
    #: What was seen before the first order, and what was planned on it.
    account: Account | None = None
    plan: Plan | None = None
    #: What earlier attempts of the event had spent; ``None``: none had traded.
    spent: Decimal | None = None
    #: The plan of the buys, made after the sells.
    replan: Plan | None = None
    #: Conversions of currencies, each as the plan of its one order.
    conversions: list[Plan] = field(default_factory=list)
    #: What was seen in the end, and how far from the target that is.
    account_after: Account | None = None
    reached: Plan | None = None
    checks: list[Check] = field(default_factory=list)
    #: Orders written down to be sent, by orderRef.
    intents: dict[str, Intent] = field(default_factory=dict)
    #: Working orders of the account that were told to end.
    cancelled: list[OpenOrder] = field(default_factory=list)
    #: The record as it was last sent.
    sealed: Sealed | None = None

    def check(self, name: str, passed: bool, figure: str, limit: str, key: str) -> None:  # noqa: FBT001 - an interface that reads well where it is called
        """Note one check, whether it let the run on or not."""
        self.checks.append(Check(name, passed, figure, limit, key))


@dataclass(frozen=True, slots=True)
class Ending:
    """What a record is made of when its run is over."""

    lease: Lease
    facts: Recorder
    outcome: Outcome
    tickets: Mapping[str, Ticket]


async def end(
    queue: AsyncQueue,
    turn: Lock,
    ending: Ending,
    move: Callable[..., Move[Any]],
    *,
    keep: float | None,
) -> None:
    """End the event by ``move``, which takes its record along if it has one.

    Args:
        queue: the queue.
        turn: held from looking at the chain until the record is in it, so that the runs of
            this process do not outrun one another.
        ending: what to record.
        move: makes the move that ends the event, given its ``record``.
        keep: seconds after which records are forgotten; ``None`` keeps them all.

    Raises:
        QueueError, LeaseLostError: as ``AsyncQueue.run``; doing all of it again is safe.
    """
    event = ending.lease.event
    if event.exec_command not in RECORDED:
        await queue.run(move(record=None))
        return
    while True:
        async with turn:
            sealed = await _sealed(queue, ending, keep)
            try:
                await queue.run(move(record=sealed))
            except ChainMovedError:
                continue  # another processor was quicker
        if sealed is not None:
            # The log is not in Redis: a chain made anew would not fit what it says.
            log.info("record %d of the history: %s", sealed.seq, sealed.hash)
        return


async def _sealed(queue: AsyncQueue, ending: Ending, keep: float | None) -> Sealed | None:
    """Make the record for the place that is free now; ``None`` if the run is to have none."""
    before = ending.facts.sealed
    if before is not None and before.hash in {
        link.hash for link in await queue.run(history.oldest(after=before.seq - 1, limit=1))
    }:
        return before  # it went in, only the answer was lost
    account_id = ending.lease.event.account_id
    move = history.open_record(account_id, now=ending.outcome.at, keep=keep)
    opening = await queue.run(move)
    if not _worth_it(ending, opening.outcomes):
        return None
    body, told = written(ending, opening.outcomes)
    # Once more through the sieve: a run must end, whatever is in its record.
    ending.facts.sealed = history.seal(plain(body), opening.head, told)
    return ending.facts.sealed


def _worth_it(ending: Ending, outcomes: Mapping[str, Any]) -> bool:
    touched = ending.facts.intents or ending.facts.cancelled or outcomes
    return bool(touched) or ending.outcome.status not in _UNEVENTFUL


def written(
    ending: Ending, outcomes: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write the record's content, and name the orders whose ends it tells.

    ``outcomes`` are the ends of the account's orders that no record tells yet: those of this
    run, those that it settled, and those of runs that ended without a record.
    """
    facts, lease, outcome = ending.facts, ending.lease, ending.outcome
    event = lease.event
    mine = [_own(ending, ref, outcomes.get(ref)) for ref in facts.intents]
    earlier = [
        record_json.ended_json(ref, ended)
        for ref, ended in sorted(outcomes.items())
        if ref not in facts.intents
    ]
    body = {
        "version": VERSION,
        "at": outcome.at,
        "began_at": facts.began_at,
        "event": {
            "event_id": event.event_id,
            "account_id": event.account_id,
            "exec_command": event.exec_command,
            "received_at": event.received_at,
            "priority": event.priority,
            "source": event.source,
            "attempt": event.attempt,
            "merged": event.merged,
            "data": record_json.masked(event.data),
        },
        "run": {"token": lease.token, "worker": lease.worker, "reclaims": event.reclaims},
        "target": facts.target and record_json.target_json(facts.target),
        "policy": facts.policy and plain(facts.policy),
        "aim": plain(facts.aim),
        "condition": facts.condition,
        "snapshot": facts.account and record_json.seen_json(facts.account),
        "spent": record_json.text(facts.spent),
        "plan": facts.plan and report.plan_json(facts.plan),
        "replan": facts.replan and record_json.orders_json(facts.replan),
        "checks": [plain(check) for check in facts.checks],
        "cancelled": report.open_orders_json(facts.cancelled),
        "orders": mine,
        "earlier": earlier,
        "costs": record_json.costs_json([*mine, *earlier]),
        "after": facts.account_after and report.account_json(facts.account_after),
        "drift": _drift(facts),
        "outcome": {
            "status": outcome.status,
            "reason": record_json.unspoilt(outcome.reason),
            "until": outcome.until,
        },
    }
    return body, tuple(outcomes)


def _own(ending: Ending, ref: str, outcome: Mapping[str, Any] | None) -> dict[str, Any]:
    """An order of this run; without an outcome a later run finds out what became of it."""
    intent = ending.facts.intents[ref]
    reference = planned_price(ending.facts, intent)
    if outcome is None:
        return record_json.unsettled_json(intent, reference)
    ticket = ending.tickets.get(ref)
    # Commissions are reported after the fills, often after the order's end was put down.
    newest = ticket.report().fills if ticket is not None else ()
    return record_json.ended_json(ref, outcome, reference, newest)


def planned_price(facts: Recorder, intent: Intent) -> Decimal | None:
    """The price the order was planned with: that of the latest plan it can be of."""
    plans = (facts.replan, facts.plan) if intent.order.action == "BUY" else (facts.plan,)
    plans = (*plans, *reversed(facts.conversions))
    lines = (line for plan in plans if plan is not None for line in plan.lines)
    return next((line.price for line in lines if line.symbol == intent.order.symbol), None)


def _drift(facts: Recorder) -> dict[str, str | None]:
    plan, reached = facts.plan, facts.reached
    return {
        "before": record_json.text(plan.drift_before if plan else None),
        "planned": record_json.text(plan.drift_after if plan else None),
        "after": record_json.text(reached.drift_before if reached else None),
    }
