"""``rebalancer schedule``: what signals by the clock, and when next."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any

import click

from rebalancer.cli import completing
from rebalancer.cli.asking import told
from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit, moment, table

if TYPE_CHECKING:
    from rebalancer.broker.rules import Calendars
    from rebalancer.broker.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Run:
    """One signal to come. ``at`` is Unix seconds."""

    at: float
    account_id: str
    exec_command: str
    schedule: str
    data: Mapping[str, Any] = field(default_factory=dict)


@click.group()
def command() -> None:
    """Show what signals by the clock, and when next."""


@command.command(name="list")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--until", help="Not later than this day, such as 2026-12-31.")
@click.option(
    "--account",
    "account_id",
    default="",
    shell_complete=completing.accounts,
    help="Only this account.",
)
@json_option
@click.pass_obj
def list_runs(
    options: Options, *, limit: int, until: str | None, account_id: str, as_json: bool
) -> None:
    """List the next signals of all accounts that are traded, soonest first.

    Days and hours are those of the exchanges' calendars; holidays and half days are in them.
    """
    from rebalancer.broker.configured import schedules

    settings = options.settings()
    traded = [one for one in settings.traded() if account_id in ("", one.account_id)]
    if account_id and not traded:
        raise click.UsageError(settings.why_not_traded(account_id))
    at = now()
    every = schedules(traded)
    coming = _coming(every, at, _calendars(every, at))
    if until is not None:
        ends = _end_of(until)
        coming = takewhile(lambda run: run.at <= ends, coming)
    runs = list(islice(coming, limit))
    if as_json:
        emit(runs)
    elif runs:
        rows = [(moment(r.at), r.account_id, _command(r), r.schedule) for r in runs]
        table("", ("when", "account", "command", "schedule"), rows)
    else:
        click.echo("nothing is scheduled")


def _command(run: Run) -> str:
    return f"{run.exec_command} {told(run.data)}".rstrip()


def _calendars(schedules: Sequence[Schedule], at: float) -> Calendars:
    from rebalancer.broker.calendars import Almanac, nearly_over

    names = {one.rule.calendar for one in schedules if one.rule.calendar}
    almanac = Almanac()
    if names:
        asyncio.run(almanac.renew(names, at))
        if ending := nearly_over(almanac.known.values(), at):
            click.echo(f"warning: {ending}; install a newer release in time", err=True)
    return almanac.known


def _coming(schedules: Sequence[Schedule], after: float, calendars: Calendars) -> Iterator[Run]:
    """Everything later than ``after``, in order, without end if a schedule has none."""

    def of(one: Schedule) -> Iterator[Run]:
        for due in one.rule.times(after, calendars):
            yield Run(due, one.account_id, one.exec_command, str(one.rule), one.data)

    yield from heapq.merge(*map(of, schedules), key=lambda run: run.at)


def _end_of(day: str) -> float:
    try:
        begins = datetime.fromisoformat(day).replace(tzinfo=UTC)
    except ValueError:
        raise click.BadParameter(f"{day!r} is no day such as 2026-12-31") from None
    return (begins + timedelta(days=1)).timestamp() - 1
