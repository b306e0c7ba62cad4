"""``rebalancer accounts``: how each account stands, and what holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit, moment, table
from rebalancer.errors import PermanentError
from rebalancer.queue import holds, moves

if TYPE_CHECKING:
    from rebalancer.queue.store import Queue
    from rebalancer.queue.values import Halt, Hold
    from rebalancer.settings import AccountSettings, Settings


@click.group()
def command() -> None:
    """See how accounts stand; let a held one trade again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as configured, and as last seen."""

    account_id: str
    type: str
    enabled: bool
    traded: bool
    #: Why it is not traded; '' if it is.
    why_not: str
    strategy: str
    #: ``held``, ``halted`` or ''.
    stopped: str
    #: Why its orders are stopped.
    reason: str
    #: Of the latest picture: Unix seconds, and what it showed as text; ``None`` without one.
    seen_at: float | None
    currency: str | None
    net_liquidation: str | None
    drift: str | None


@command.command("list")
@json_option
@click.pass_obj
def list_accounts(options: Options, *, as_json: bool) -> None:
    """List the accounts: whether they are traded, held or halted, and what they are worth."""
    settings = options.settings()
    with options.queue(settings) as queue:
        halts = queue.run(moves.halts())
        found = [_standing(a, settings, halts, queue) for a in settings.accounts.values()]
    if as_json:
        emit(found)
        return
    columns = ("account", "type", "enabled", "traded", "strategy", "stopped", ">seen")
    rows = (_row(standing, now()) for standing in found)
    table("", (*columns, ">NetLiquidation", ">drift"), rows)
    for standing in found:
        for line in _stopped(standing):
            click.echo(line)


@command.command()
@click.argument("account")
@json_option
@click.pass_obj
def show(options: Options, *, account: str, as_json: bool) -> None:
    """Show ACCOUNT and, if it is held, both sides of each difference."""
    settings = options.settings()
    with options.queue(settings) as queue:
        standing = _standing(
            _known(settings, account), settings, queue.run(moves.halts()), queue
        )
        held = queue.run(moves.held(account))
    if as_json:
        emit({"account": standing, "hold": held})
        return
    for line in _described(standing):
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


def _standing(
    account: AccountSettings, settings: Settings, halts: Mapping[str, Halt], queue: Queue
) -> Standing:
    account_id = account.account_id
    why_not = settings.why_not_traded(account_id)
    stops = {
        scope: halts[scope]
        for scope in (f"hold:{account_id}", f"account:{account_id}", "all")
        if scope in halts
    }
    first = next(iter(stops.values()), None)
    held = f"hold:{account_id}" in stops
    picture = queue.run(moves.load_snapshot(account_id))
    seen: Mapping[str, Any] = picture or {}
    return Standing(
        account_id=account_id,
        type=account.type,
        enabled=account.enabled,
        traded=not why_not,
        why_not=why_not,
        strategy=account.strategy_name,
        stopped="held" if held else "halted" if stops else "",
        reason=first.reason if first else "",
        seen_at=seen.get("saved_at"),
        currency=seen.get("currency"),
        net_liquidation=seen.get("net_liquidation"),
        drift=(seen.get("plan") or {}).get("drift_before"),
    )


def _row(standing: Standing, at: float) -> tuple[str, ...]:
    worth, drift = standing.net_liquidation, standing.drift
    return (
        standing.account_id,
        standing.type,
        "yes" if standing.enabled else "no",
        "yes" if standing.traded else "no",
        standing.strategy or "-",
        standing.stopped.upper() or "-",
        "never" if standing.seen_at is None else _age(at - standing.seen_at),
        "-" if worth is None else f"{float(worth):,.2f} {standing.currency}",
        "-" if drift is None else f"{float(drift):.2%}",
    )


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _stopped(standing: Standing) -> Iterator[str]:
    if standing.stopped == "held":
        yield (
            f"{standing.account_id} is held: {standing.reason}; "
            f"look: rebalancer accounts show {standing.account_id}"
        )
    elif standing.stopped:
        yield f"{standing.account_id} is halted: {standing.reason}"


def _described(standing: Standing) -> Iterator[str]:
    strategy = f", strategy {standing.strategy}" if standing.strategy else ""
    yield f"{standing.account_id}  {standing.type}{strategy}"
    yield f"traded    {f'no: {standing.why_not}' if standing.why_not else 'yes'}"
    if standing.stopped:
        yield f"{standing.stopped.upper():<9} {standing.reason}"
    if standing.seen_at is not None:
        worth = f"{float(standing.net_liquidation or 0):,.2f} {standing.currency}"
        drift = "" if standing.drift is None else f", drift {float(standing.drift):.3%}"
        yield f"seen      {moment(standing.seen_at)}: {worth}{drift}"


def _show_hold(held: Hold) -> None:
    rows = [
        (row["kind"], row["order_ref"], holds.ours(row), holds.theirs(row))
        for row in held.differences
    ]
    since = f"held since {moment(held.at)}: {held.reason}"
    columns = ("difference", "orderRef", "we remember", "the gateway shows")
    table(since, columns, rows)
