"""``rebalancer approve``: agree to a plan that waits for a person."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

import click

from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit, moment, table
from rebalancer.cli.preview import show
from rebalancer.errors import PermanentError
from rebalancer.queue import approvals


@click.command()
@click.argument("account", required=False)
@click.argument("plan_hash", metavar="HASH", required=False)
@click.option("--by", help="Who agrees, for the record; your user name if not given.")
@click.option("--reject", is_flag=True, help="Drop the plan, and the event that waits for it.")
@json_option
@click.pass_obj
def command(
    options: Options,
    *,
    account: str | None,
    plan_hash: str | None,
    by: str | None,
    reject: bool,
    as_json: bool,
) -> None:
    """Let exactly the plan HASH of ACCOUNT trade.

    Without HASH the plan that waits is shown, without ACCOUNT all that wait are listed.
    """
    with options.queue() as queue:
        waiting = queue.run(approvals.pending())
        if account is None:
            _list(waiting, as_json=as_json)
            return
        found = waiting.get(account)
        if found is None:
            raise PermanentError(
                f"no plan of {account} waits for approval; `rebalancer approve` lists those "
                f"that do"
            )
        if plan_hash is None:
            if as_json:
                emit(found)
                return
            show({"plan": found.plan, "target": {"source": "waits for approval"}})
            click.echo(_state(found))
            return
        if reject:
            said = queue.run(approvals.reject(account, plan_hash, now=now()))
        else:
            name = by or getpass.getuser()
            said = queue.run(approvals.approve(account, plan_hash, by=name, now=now()))
    if said.status == "other":
        raise _other(account, plan_hash, said.plan_hash)
    if said.status == "expired":
        raise PermanentError(f"plan {plan_hash} has expired; a fresh one is shown shortly")
    if said.status == "unknown":
        raise PermanentError(f"no plan of {account} waits for approval any more")
    if as_json:
        emit({"account_id": account, "plan_hash": plan_hash, "status": said.status})
    else:
        click.echo(f"{said.status} plan {plan_hash} of {account}")


def _list(waiting: Mapping[str, approvals.Pending], *, as_json: bool) -> None:
    if as_json:
        emit(list(waiting.values()))
        return
    if not waiting:
        click.echo("no plan waits for approval")
        return
    columns = ("account", "plan", ">orders", "shown", "expires", "")
    table("", columns, [_row(found) for found in waiting.values()])


def _row(found: approvals.Pending) -> tuple[str, ...]:
    proposal = found.proposal
    return (
        proposal.account_id,
        proposal.plan_hash,
        str(sum(1 for line in proposal.lines if line.trade)),
        moment(proposal.proposed_at),
        moment(proposal.expires_at),
        f"approved by {found.approved_by}" if found.approved_at is not None else "waits",
    )


def _state(found: approvals.Pending) -> str:
    proposal = found.proposal
    if found.approved_at is not None:
        return f"approved by {found.approved_by} at {moment(found.approved_at)}"
    if now() >= proposal.expires_at:
        return f"expired at {moment(proposal.expires_at)}; a fresh plan is shown shortly"
    return (
        f"to let it trade until {moment(proposal.expires_at)}:  "
        f"rebalancer approve {proposal.account_id} {proposal.plan_hash}"
    )


def _other(account: str, asked: str, waiting: str) -> PermanentError:
    return PermanentError(
        f"plan {asked} of {account} is not the one that waits; that is {waiting}: look at it "
        f"with `rebalancer approve {account}`"
    )
