"""``rebalancer accounts``: how each account stands, and what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rebalancer.api.standing import Standing, standing
from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit, moment, table
from rebalancer.errors import PermanentError
from rebalancer.queue import holds, moves

if TYPE_CHECKING:
    from rebalancer.queue.values import Hold
    from rebalancer.settings import AccountSettings, Settings


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
    if as_json:
        emit(found)
        return
    columns = ("account", "type", "enabled", "traded", "strategy", "stopped", ">seen")
    rows = (_row(each, now()) for each in found)
    table("", (*columns, ">NetLiquidation", ">drift"), rows)
    for each in found:
        for line in _stopped(each):
            click.echo(line)


@command.command()
@click.argument("account")
@json_option
@click.pass_obj
def show(options: Options, *, account: str, as_json: bool) -> None:
    """Show ACCOUNT and, if it is held, both sides of each difference."""
    settings = options.settings()
    with options.queue(settings) as queue:
        picture = queue.run(moves.load_snapshot(account))
        halts = queue.run(moves.halts())
        found = standing(_known(settings, account), settings, halts, picture)
        held = queue.run(moves.held(account))
    if as_json:
        emit({"account": found, "hold": held})
        return
    for line in _described(found):
        click.echo(line)
    if held is not None:
        _show_hold(held)


@command.command()
@click.argument("account")
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
