"""``rebalancer accounts``: how each account stands, and what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from rebalancer.api.standing import Standing, next_runs, standing
from rebalancer.cli import completing
from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit, moment, table
from rebalancer.core.plain import plain
from rebalancer.errors import PermanentError
from rebalancer.queue import approvals, holds, moves
from rebalancer.queue.records import Summary, newest_first, summary

if TYPE_CHECKING:
    from rebalancer.queue.approvals import Pending
    from rebalancer.queue.store import Queue
    from rebalancer.queue.values import Hold
    from rebalancer.settings import AccountSettings, Settings

#: Records in which an account's last run is looked for.
LOOKED_THROUGH = 2000


@click.group()
def command() -> None:
    """See how accounts stand; let a held one trade again."""


@command.command("list")
@json_option
@click.pass_obj
def list_accounts(options: Options, *, as_json: bool) -> None:
    """List the accounts: whether they are traded, held or halted, and what they are worth."""
    settings = options.settings()
    with options.queue(settings) as queue:
        halts = queue.run(moves.halts())
        found = [
            standing(a, settings, halts, queue.run(moves.load_snapshot(a.account_id)))
            for a in settings.accounts.values()
        ]
        due = next_runs(queue.run(moves.daemons()))
    if as_json:
        emit([{**plain(each), "next_run_at": due.get(each.account_id)} for each in found])
        return
    columns = ("account", "type", "enabled", "traded", "strategy", "stopped", ">seen")
    rows = [(*_row(each, now()), _moment(due.get(each.account_id))) for each in found]
    table("", (*columns, ">NetLiquidation", ">drift", "next run"), rows)
    for each in found:
        for line in _stopped(each):
            click.echo(line)


@command.command()
@click.argument("account", shell_complete=completing.accounts)
@json_option
@click.pass_obj
def show(options: Options, *, account: str, as_json: bool) -> None:
    """Show ACCOUNT: its worth, positions, last and next run, and what holds it up.

    If it is held, both sides of each difference are shown.
    """
    settings = options.settings()
    known = _known(settings, account)
    with options.queue(settings) as queue:
        picture = queue.run(moves.load_snapshot(account))
        found = standing(known, settings, queue.run(moves.halts()), picture)
        held = queue.run(moves.held(account))
        waiting = queue.run(approvals.pending()).get(account)
        due = next_runs(queue.run(moves.daemons())).get(account)
        last = _last_run(queue, account)
    if as_json:
        emit(
            {
                "account": {**plain(found), "next_run_at": due},
                "snapshot": picture,
                "hold": held,
                "proposal": waiting,
                "last_run": last,
                "schedule": known.schedules,
            }
        )
        return
    for line in _described(found):
        click.echo(line)
    for line in _around(last, due, waiting):
        click.echo(line)
    planned = (picture or {}).get("plan") or {}
    if planned.get("lines"):
        from rebalancer.cli.preview import plan_table

        plan_table(planned, "as planned when it was seen")
    if held is not None:
        _show_hold(held)


def _last_run(queue: Queue, account_id: str) -> Summary | None:
    """The latest of its runs, of the last records of all accounts."""
    links = islice(newest_first(queue), LOOKED_THROUGH)
    return next((summary(link) for link in links if link.account_id == account_id), None)


def _around(last: Summary | None, due: float | None, waiting: Pending | None) -> Iterator[str]:
    if last is not None:
        drift = "" if last.drift_after is None else f", drift {float(last.drift_after):.3%}"
        orders = f"{last.filled} of {last.orders} orders filled"
        yield f"last run  {moment(last.at)}: {last.status}, {orders}{drift}"
    if due is not None:
        yield f"next run  {moment(due)}"
    if waiting is not None:
        account, name = waiting.proposal.account_id, waiting.proposal.plan_hash
        yield f"plan      {name} waits for a person: rebalancer approve {account}"


@command.command()
@click.argument("account", shell_complete=completing.accounts)
@click.option("--reason", default="", help="Why it may go on; goes to the journal.")
@json_option
@click.pass_obj
def resume(options: Options, *, account: str, reason: str, as_json: bool) -> None:
    """Accept what holds ACCOUNT: its orders are allowed again, and this stops it no more."""
    with options.queue() as queue:
        lifted = queue.run(moves.accept(account, reason=reason, now=now()))
        halts = queue.run(moves.halts())
    if as_json:
        emit({"resumed": lifted is not None, "hold": lifted})
    elif lifted is None:
        click.echo(f"{account} was not held")
    else:
        _show_hold(lifted)
        click.echo(f"accepted; {account} may trade again, waiting events within a minute")
    still = [halts[scope] for scope in ("all", f"account:{account}") if scope in halts]
    for halt in still:
        click.echo(f"still halted: {halt.scope} ({halt.reason})", err=True)


def _known(settings: Settings, account_id: str) -> AccountSettings:
    if account_id not in settings.accounts:
        raise PermanentError(settings.why_not_traded(account_id))
    return settings.accounts[account_id]


def _row(found: Standing, at: float) -> tuple[str, ...]:
    worth, drift = found.net_liquidation, found.drift
    return (
        found.account_id,
        found.type,
        "yes" if found.enabled else "no",
        "yes" if found.traded else "no",
        found.strategy or "-",
        found.stopped.upper() or "-",
        "never" if found.seen_at is None else _age(at - found.seen_at),
        "-" if worth is None else f"{float(worth):,.2f} {found.currency}",
        "-" if drift is None else f"{float(drift):.2%}",
    )


def _moment(at: float | None) -> str:
    return "-" if at is None else moment(at)


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _stopped(found: Standing) -> Iterator[str]:
    if found.stopped == "held":
        yield (
            f"{found.account_id} is held: {found.reason}; "
            f"look: rebalancer accounts show {found.account_id}"
        )
    elif found.stopped:
        yield f"{found.account_id} is halted: {found.reason}"


def _described(found: Standing) -> Iterator[str]:
    strategy = f", strategy {found.strategy}" if found.strategy else ""
    yield f"{found.account_id}  {found.type}{strategy}"
    yield f"traded    {f'no: {found.why_not}' if found.why_not else 'yes'}"
    if found.stopped:
        yield f"{found.stopped.upper():<9} {found.reason}"
    if found.seen_at is not None:
        worth = f"{float(found.net_liquidation or 0):,.2f} {found.currency}"
        drift = "" if found.drift is None else f", drift {float(found.drift):.3%}"
        yield f"seen      {moment(found.seen_at)}: {worth}{drift}"


def _show_hold(held: Hold) -> None:
    rows = [
        (row["kind"], row["order_ref"], holds.ours(row), holds.theirs(row))
        for row in held.differences
    ]
    since = f"held since {moment(held.at)}: {held.reason}"
    columns = ("difference", "orderRef", "we remember", "the gateway shows")
    table(since, columns, rows)
