"""``rebalancer journal``: what happened, and what happens now."""

from __future__ import annotations

from collections.abc import Iterable

import click

from rebalancer.cli.options import Options, json_option
from rebalancer.cli.output import emit, moment
from rebalancer.cli.story import tell
from rebalancer.queue import journal
from rebalancer.queue.values import Entry

#: Seconds that one wait for news may last; then the next wait begins.
WAIT = 30.0
#: Entries read at once when looking for those of one event.
PAGE = 1000


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens.")
@click.option("--event", "event_id", default="", help="Only this event, from its beginning.")
@click.option("--account", "account_id", default="", help="Only this account.")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 10_000))
@json_option
@click.pass_obj
def command(
    options: Options,
    *,
    follow: bool,
    event_id: str,
    account_id: str,
    limit: int,
    as_json: bool,
) -> None:
    """Show the latest entries of the journal; of one event all that are kept."""

    def wanted(entries: Iterable[Entry]) -> list[Entry]:
        return [
            entry
            for entry in entries
            if event_id in ("", entry.event_id) and account_id in ("", entry.account_id)
        ]

    with options.queue() as queue:
        position = queue.run(journal.last_id())
        if event_id or account_id:
            found: list[Entry] = []
            after = journal.START
            while page := queue.run(journal.read(after, limit=PAGE)):
                found += wanted(page)
                after = page[-1].id
            position = after
        else:
            latest = queue.run(journal.tail(limit))
            found = list(latest)
            position = latest[-1].id if latest else position
        _print(found if event_id else found[-limit:], as_json=as_json)
        while follow:
            news = queue.watch(position, wait=WAIT)
            position = news[-1].id if news else position
            _print(wanted(news), as_json=as_json)


def _print(entries: Iterable[Entry], *, as_json: bool) -> None:
    for entry in entries:
        if as_json:
            emit(entry)
        else:
            words = tell(entry.kind, entry.data)
            subject = f"{entry.account_id or '-':<10} {entry.event_id or '-':<18}"
            click.echo(f"{moment(entry.at)}  {entry.kind:<10} {subject} {words}".rstrip())
