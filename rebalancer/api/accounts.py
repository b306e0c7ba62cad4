"""Accounts: how they stand, and what is done with one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from flask import g
from pydantic import Field

from rebalancer.api.asks import Asks
from rebalancer.api.context import account, context, now, read, write
from rebalancer.api.problem import ProblemError
from rebalancer.api.queue import Accepted, signal
from rebalancer.api.routes import Answer, Asked, Resource, Told
from rebalancer.api.runs import RunSummary, latest
from rebalancer.api.standing import standing
from rebalancer.core.plain import plain
from rebalancer.errors import RebalancerError
from rebalancer.queue import approvals, moves
from rebalancer.queue.approvals import Pending

resource = Resource("accounts", "Accounts, their plans and their targets.")

PlanHash = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
Words = Annotated[str, Field(max_length=500)]


class StandingShown(Told):
    """An account as configured, and as last seen."""

    account_id: str
    type: Literal["paper", "live"]
    enabled: bool
    traded: bool
    #: Why it is not traded.
    why_not: str
    strategy: str
    stopped: Literal["", "held", "halted"]
    #: Why its orders are stopped.
    reason: str
    #: When the latest picture was taken; null without one.
    seen_at: float | None
    currency: str | None
    net_liquidation: str | None
    drift: str | None
    #: When its schedule signals next, as the broker says; null if it does not say.
    next_run_at: float | None


class Accounts(Told):
    """Every account of accounts.yaml."""

    items: list[StandingShown]


class TargetShown(Told):
    """What an account should hold."""

    account_id: str
    #: Null if nobody said; `lacks` tells what to do.
    weights: dict[str, str] | None
    source: str
    hash: str
    lacks: str


class ProposalShown(Told):
    """A plan that waits for a person."""

    account_id: str
    event_id: str
    plan_hash: str
    proposed_at: float
    expires_at: float
    approved_by: str
    approved_at: float | None
    #: The plan as it was shown, with its lines and checks.
    plan: dict[str, Any]


class Proposals(Told):
    """Every plan that waits."""

    items: list[ProposalShown]


class HoldShown(Told):
    """Why an account is held: what the gateway shows and nothing here explains."""

    reason: str
    at: float
    differences: list[dict[str, Any]]


class AccountShown(Told):
    """Everything about one account."""

    standing: StandingShown
    #: Its latest picture: totals, cash, positions and the plan made of it; null without one.
    snapshot: dict[str, Any] | None
    target: TargetShown
    hold: HoldShown | None
    proposal: ProposalShown | None
    #: The latest of its runs, of the last 2000 of all accounts.
    last_run: RunSummary | None
    #: When it is signalled by itself.
    schedule: list[dict[str, Any]]


class Rebalance(Asked):
    """How urgent, and what to do."""

    priority: Literal["normal", "high"] = "normal"
    data: Asks = Asks()


class Preview(Asked):
    """Of what."""

    data: Asks = Asks()


class Approval(Asked):
    """Which plan is agreed to."""

    plan_hash: PlanHash
    #: Who agrees, for the record.
    by: Annotated[str, Field(max_length=100)] = ""


class Rejection(Asked):
    """Which plan is dropped."""

    plan_hash: PlanHash


class Decided(Told):
    """What was decided about a plan."""

    account_id: str
    plan_hash: str
    status: Literal["approved", "rejected"]


class Accepting(Asked):
    """Why a held account may go on; goes to the journal."""

    reason: Words = ""


class Released(Told):
    """What held an account."""

    account_id: str
    #: False: it was not held.
    accepted: bool
    hold: HoldShown | None


@resource.route("GET", "/accounts", {200: Accounts})
def accounts() -> Accounts:
    """List the accounts: whether they are traded, held or halted, and what they are worth."""
    return Accounts(items=_standings(context().settings.accounts))


def _standings(account_ids: Iterable[str]) -> list[StandingShown]:
    settings, halts, due = context().settings, read(moves.halts()), _due()
    found = []
    for account_id in account_ids:
        picture = read(moves.load_snapshot(account_id))
        one = standing(settings.accounts[account_id], settings, halts, picture)
        shown = {**plain(one), "next_run_at": due.get(account_id)}
        found.append(StandingShown.model_validate(shown))
    return found


def _due() -> dict[str, float]:
    """When each account is signalled next, by the broker's last sign of life."""
    broker = read(moves.daemons()).get("broker")
    told = broker.info.get("next") if broker else None
    if not isinstance(told, dict):
        return {}
    times = {name: one.get("at") for name, one in told.items() if isinstance(one, dict)}
    return {name: float(at) for name, at in times.items() if isinstance(at, int | float)}


@resource.route("GET", "/accounts/{account_id}", {200: AccountShown}, problems=("not-found",))
def one(account_id: str) -> AccountShown:
    """Show everything about one account."""
    known = account(account_id)
    held = read(moves.held(account_id))
    waiting = read(approvals.pending()).get(account_id)
    return AccountShown(
        standing=_standings([account_id])[0],
        snapshot=_mapping(read(moves.load_snapshot(account_id))),
        target=_target(account_id),
        hold=None if held is None else HoldShown.model_validate(plain(held)),
        proposal=None if waiting is None else _proposal(waiting),
        last_run=next(iter(latest(account_id, limit=1).items), None),
        schedule=[plain(schedule) for schedule in known.schedules],
    )


def _mapping(found: Any) -> dict[str, Any] | None:
    return None if found is None else dict(found)


@resource.route(
    "GET", "/accounts/{account_id}/target", {200: TargetShown}, problems=("not-found",)
)
def target(account_id: str) -> TargetShown:
    """Show what an account should hold, with replacements applied."""
    return _target(account_id)


def _target(account_id: str) -> TargetShown:
    try:
        found = account(account_id).target()
    except RebalancerError as error:
        return TargetShown(
            account_id=account_id, weights=None, source="", hash="", lacks=str(error)
        )
    return TargetShown(
        account_id=account_id,
        weights=plain(found.weights),
        source=found.source,
        hash=found.hash,
        lacks="",
    )


@resource.route(
    "POST",
    "/accounts/{account_id}/rebalance",
    {202: Accepted},
    body=Rebalance,
    problems=("not-found", "in-the-way"),
)
def rebalance(account_id: str, body: Rebalance) -> Answer:
    """Signal a rebalance of an account."""
    return signal(
        account_id, "rebalance", source="api", priority=body.priority, data=body.data.data()
    )


@resource.route(
    "POST",
    "/accounts/{account_id}/preview",
    {202: Accepted},
    body=Preview,
    problems=("not-found", "in-the-way"),
)
def preview(account_id: str, body: Preview) -> Answer:
    """Ask for the plan at this moment's prices, ahead of everything else; no order is sent.

    The plan is at `location` once the event is `completed`, in `outcome.plan`.
    """
    data = body.data.data()
    return signal(account_id, "print-rebalance", source="api", priority="high", data=data)


@resource.route("GET", "/approvals", {200: Proposals})
def proposals() -> Proposals:
    """List the plans that wait for a person."""
    return Proposals(items=[_proposal(found) for found in read(approvals.pending()).values()])


def _proposal(found: Pending) -> ProposalShown:
    proposal = found.proposal
    return ProposalShown(
        account_id=proposal.account_id,
        event_id=proposal.event_id,
        plan_hash=proposal.plan_hash,
        proposed_at=proposal.proposed_at,
        expires_at=proposal.expires_at,
        approved_by=found.approved_by,
        approved_at=found.approved_at,
        plan=dict(found.plan),
    )


@resource.route(
    "POST",
    "/accounts/{account_id}/approve",
    {200: Decided},
    body=Approval,
    problems=("not-found", "in-the-way"),
)
def approve(account_id: str, body: Approval) -> Decided:
    """Let exactly this plan trade; the event that waits for it runs next."""
    by = body.by or f"{g.caller.role} by {g.caller.by}"
    found = write(
        approvals.approve(account(account_id).account_id, body.plan_hash, by=by, now=now())
    )
    if found.status == "expired":
        raise ProblemError(
            "in-the-way",
            f"Plan {body.plan_hash} has expired.",
            remedy="A fresh one is shown shortly: GET /approvals.",
        )
    return _decided(account_id, body.plan_hash, found)


@resource.route(
    "POST",
    "/accounts/{account_id}/reject",
    {200: Decided},
    body=Rejection,
    problems=("not-found", "in-the-way"),
)
def reject(account_id: str, body: Rejection) -> Decided:
    """Drop this plan, and the event that waits for it."""
    found = write(approvals.reject(account(account_id).account_id, body.plan_hash, now=now()))
    return _decided(account_id, body.plan_hash, found)


def _decided(account_id: str, plan_hash: str, found: approvals.Answered) -> Decided:
    if found.status == "other":
        raise ProblemError(
            "in-the-way",
            f"Plan {plan_hash} of {account_id} is not the one that waits; that is "
            f"{found.plan_hash}.",
            remedy="Look at that one: GET /approvals.",
        )
    if found.status == "unknown":
        raise ProblemError("not-found", f"No plan of {account_id} waits for approval.")
    return Decided.model_validate(
        {"account_id": account_id, "plan_hash": plan_hash, "status": found.status}
    )


@resource.route(
    "POST",
    "/accounts/{account_id}/accept",
    {200: Released},
    body=Accepting,
    problems=("not-found",),
)
def accept_hold(account_id: str, body: Accepting) -> Released:
    """Accept the differences that hold an account: it trades again, they hold it no more."""
    known = account(account_id).account_id
    lifted = write(moves.accept(known, reason=body.reason, now=now()))
    hold = None if lifted is None else HoldShown.model_validate(plain(lifted))
    return Released(account_id=account_id, accepted=lifted is not None, hold=hold)
