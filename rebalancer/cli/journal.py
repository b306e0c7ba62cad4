"""``rebalancer journal``: what happened, and what happens now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from rebalancer.cli import completing
from rebalancer.cli.options import Options, json_option
from rebalancer.cli.output import emit, moment
from rebalancer.cli.story import tell
from rebalancer.queue import journal
from rebalancer.queue.values import Entry

if TYPE_CHECKING:
    from rebalancer.queue.store import Queue

#: Seconds that one wait for news may last; then the next wait begins.
WAIT = 30.0
#: Entries read at once when looking for those of one event.
PAGE = 1000


def _entry_id(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    """The id of an entry, or ''."""
    if value and not all(part.isdecimal() for part in _parts(value)):
        raise click.BadParameter(f"{value!r} is no id of an entry, such as 1795652326971-0")
    return value


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens.")
@click.option(
    "--event",
    "event_id",
    default="",
    shell_complete=completing.events,
    help="Only this event, from its beginning.",
)
@click.option(
    "--account",
    "account_id",
    default="",
    shell_complete=completing.accounts,
    help="Only this account.",
)
@click.option(
    "--after",
    default="",
    callback=_entry_id,
    help="All that follows this entry, by the id that --json shows.",
)
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 10_000))
@json_option
@click.pass_obj
def command(
    options: Options,
    *,
    follow: bool,
    event_id: str,
    account_id: str,
    after: str,
    limit: int,
    as_json: bool,
) -> None:
    """Show the latest entries of the journal; of one event, or after one, all that are kept."""

    def wanted(entries: Iterable[Entry]) -> list[Entry]:
        return [
            entry
            for entry in entries
            if event_id in ("", entry.event_id) and account_id in ("", entry.account_id)
        ]

    with options.queue() as queue:
        position = queue.run(journal.last_id())
        if after or event_id or account_id:
            if after:
                _tell_gap(queue, after)
            found: list[Entry] = []
            position = after or journal.START
            while page := queue.run(journal.read(position, limit=PAGE)):
                found += wanted(page)
                position = page[-1].id
        else:
            found = list(queue.run(journal.tail(limit)))
            position = found[-1].id if found else position
        _print(found if event_id or after else found[-limit:], as_json=as_json)
        while follow:
            news = queue.watch(position, wait=WAIT)
            position = news[-1].id if news else position
            _print(wanted(news), as_json=as_json)


def _tell_gap(queue: Queue, after: str) -> None:
    """Say so if the journal has forgotten what followed ``after``."""
    oldest = queue.run(journal.read(limit=1))
    if oldest and after != journal.START and _place(after) < _place(oldest[0].id):
        click.echo(f"the journal has forgotten what came before {oldest[0].id}", err=True)


def _parts(entry_id: str) -> tuple[str, str]:
    first, _, second = entry_id.partition("-")
    return first, second


def _place(entry_id: str) -> tuple[int, ...]:
    return tuple(map(int, _parts(entry_id)))


def _print(entries: Iterable[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            emit(entry)
        else:
            words = tell(entry.kind, entry.data)
            subject = f"{entry.account_id or '-':<10} {entry.event_id or '-':<18}"
            click.echo(f"{moment(entry.at)}  {entry.kind:<10} {subject} {words}".rstrip())
