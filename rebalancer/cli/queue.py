"""``rebalancer queue``: look into the queue, and change it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from rebalancer.cli import completing
from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit, moment, table
from rebalancer.core.plain import plain
from rebalancer.errors import PermanentError
from rebalancer.queue import moves, signals
from rebalancer.queue.desk import ACTIVE, CLEARABLE, LISTABLE
from rebalancer.queue.values import Halt, Listed, Stats


@click.group()
def command() -> None:
    """Look into the queue and change it by hand."""


@command.command()
@json_option
@click.pass_obj
def status(options: Options, *, as_json: bool) -> None:
    """Count events by state and signals by source; show halts and daemons' signs of life."""
    at = now()
    with options.queue() as queue:
        stats = queue.run(moves.stats(now=at))
        halts = queue.run(moves.halts())
        daemons = queue.run(moves.daemons())
        counts = queue.run(signals.counts())
    if as_json:
        emit({"events": stats, "halts": halts, "daemons": daemons, "signals": counts})
        return
    for line in _status(stats, halts, at):
        click.echo(line)
    for source, outcomes in sorted(counts.items()):
        said = ", ".join(f"{count} {what}" for what, count in sorted(outcomes.items()))
        click.echo(f"signals    from {source}: {said}")
    for daemon in daemons.values():
        said = str(daemon.info.get("status", ""))
        click.echo(f"{daemon.name:<10} seen {_ago(at - daemon.at)} {said}".rstrip())


def _status(stats: Stats, halts: Mapping[str, Halt], at: float) -> Iterator[str]:
    oldest = stats.next_received_at
    yield f"queued     {stats.queued:>6}" + (
        f"   next waits since {_ago(at - oldest)}" if oldest else ""
    )
    yield f"leased     {stats.leased:>6}"
    yield f"retrying   {stats.retrying:>6}" + _next(stats.next_retry_at)
    yield f"delayed    {stats.delayed:>6}" + _next(stats.next_delayed_at)
    yield f"dead       {stats.dead:>6}" + (
        "   rebalancer queue list dead" if stats.dead else ""
    )
    yield f"journal    {stats.journal:>6}"
    for halt in halts.values():
        yield f"HALTED     {halt.scope} since {moment(halt.at)}: {halt.reason}"


def _next(at: float | None) -> str:
    return f"   next at {moment(at)}" if at is not None else ""


def _ago(seconds: float) -> str:
    return f"{max(seconds, 0.0):.0f} s ago"


@command.command(name="list")
@click.argument("state", type=click.Choice([*LISTABLE, ACTIVE, "all"]), default="all")
@click.option("--limit", "-n", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--cursor", default=0, type=click.IntRange(0), help="Where to go on.")
@json_option
@click.pass_obj
def list_events(
    options: Options, *, state: str, limit: int, cursor: int, as_json: bool
) -> None:
    """List events of one STATE, or of all; `active` ones are queued or executing."""
    states = LISTABLE if state == "all" else (state,)
    if cursor and state == "all":
        raise click.UsageError("--cursor needs one state")
    with options.queue() as queue:
        pages = {
            name: queue.run(moves.list_events(name, cursor=cursor, limit=limit))
            for name in states
        }
    if as_json:
        emit(pages)
        return
    rows = [_row(item) for page in pages.values() for item in page.items]
    columns = ("state", "event", "account", "command", "priority", ">tries", "when", "why")
    if rows:
        table("", columns, rows)
    else:
        click.echo("no events")
    for name, page in pages.items():
        if page.next is not None:
            more = f"rebalancer queue list {name} --cursor {page.next}"
            click.echo(f"more {name} events: {more}", err=True)


def _row(item: Listed) -> tuple[str, ...]:
    event = item.event
    when = item.due_at or item.expires_at or item.at or (event.received_at if event else None)
    # Of what is dead the reason may be no more than that its attempts are used up.
    said = ": ".join(filter(None, (item.reason, item.error)))
    return (
        "parked" if item.parked else item.state,
        item.event_id,
        event.account_id if event else "?",
        event.exec_command if event else "?",
        event.priority if event else "?",
        str(event.attempt) if event else "?",
        moment(when) if when is not None else "",
        said or (event.last_error if event else "") or item.worker,
    )


@command.command()
@click.argument("event_id", shell_complete=completing.events)
@json_option
@click.pass_obj
def show(options: Options, *, event_id: str, as_json: bool) -> None:
    """Show where one event is, and everything about it."""
    with options.queue() as queue:
        item = queue.run(moves.show(event_id))
    if item is None:
        raise PermanentError(f"no event {event_id} in the queue or the journal")
    if as_json:
        emit(item)
        return
    import yaml

    known = {name: value for name, value in plain(item).items() if value not in (None, "", 0)}
    if item.event is not None:
        known.pop("raw", None)  # the same once more
    click.echo(yaml.safe_dump(known, sort_keys=False, allow_unicode=True), nl=False)


@command.command()
@click.argument("event_id", shell_complete=completing.events)
@json_option
@click.pass_obj
def remove(options: Options, *, event_id: str, as_json: bool) -> None:
    """Take one event out, wherever it is; a worker that executes it stops."""
    with options.queue() as queue:
        state = queue.run(moves.remove(event_id, now=now()))
    if state is None:
        raise PermanentError(f"no event {event_id} in the queue")
    if as_json:
        emit({"event_id": event_id, "was": state})
    else:
        click.echo(f"{event_id}: removed, it was {state}")


@command.command()
@click.argument("event_id", shell_complete=completing.dead)
@json_option
@click.pass_obj
def requeue(options: Options, *, event_id: str, as_json: bool) -> None:
    """Put an event of the dead letter back into the queue, with its attempts at 0."""
    with options.queue() as queue:
        answer = queue.run(moves.requeue(event_id, now=now()))
    if answer.status == "absent":
        raise PermanentError(f"no event {event_id} in the dead letter")
    if answer.status == "unreadable":
        raise PermanentError(
            f"{event_id} is unreadable; look at it with `rebalancer queue show {event_id}`, "
            f"and enqueue what it should have been"
        )
    if as_json:
        emit(answer)
    else:
        click.echo(f"{answer.event_id}: {answer.status}")


@command.command()
@click.argument("states", nargs=-1, type=click.Choice(CLEARABLE))
@click.option("--confirm", is_flag=True, help="Really do it.")
@json_option
@click.pass_obj
def clear(options: Options, *, states: tuple[str, ...], confirm: bool, as_json: bool) -> None:
    """Take out every event in STATES (default: all that are not executing)."""
    chosen = states or CLEARABLE
    with options.queue() as queue:
        if not confirm:
            stats = queue.run(moves.stats(now=now()))
            counts = ", ".join(f"{getattr(stats, name)} {name}" for name in chosen)
            raise click.UsageError(f"this would remove {counts} events; add --confirm to do it")
        removed = queue.run(moves.clear(chosen, now=now()))
    if as_json:
        emit({"removed": removed, "states": chosen})
    else:
        click.echo(f"{removed} events removed")
