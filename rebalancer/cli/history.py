"""``rebalancer history``: what every run saw, planned, sent and cost, beyond doubt."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from rebalancer.cli.export import ROWS, moment_of, write_csv, write_json
from rebalancer.cli.options import Options, json_option
from rebalancer.cli.output import emit, moment, table
from rebalancer.core.chain import Verifier
from rebalancer.errors import PermanentError
from rebalancer.queue import history
from rebalancer.queue.records import (
    Record,
    Summary,
    named,
    newest_first,
    oldest_first,
    summary,
)

if TYPE_CHECKING:
    from rebalancer.queue.store import Queue


class _ListedByDefault(click.Group):
    """A group that lists when no command is named: ``history U123456`` is ``history list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` in front of what begins with neither a command nor a call for help."""
        if not args or args[0] not in {*self.commands, "-h", "--help"}:
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListedByDefault)
def command() -> None:
    """Show what every run saw, planned, sent and cost.

    Without a command of its own it lists the runs: rebalancer history [ACCOUNT].
    """


@command.command(name="list")
@click.argument("account", default="")
@click.option("--limit", "-n", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--before", type=click.IntRange(1), help="Only records with lower numbers.")
@json_option
@click.pass_obj
def list_runs(
    options: Options, *, account: str, limit: int, before: int | None, as_json: bool
) -> None:
    """List the runs, of ACCOUNT or of all, newest first."""
    found: list[Summary] = []
    more = False
    with options.queue() as queue:
        for link in newest_first(queue, before):
            if account in ("", link.account_id):
                more = len(found) == limit
                if more:
                    break
                found.append(summary(link))
    onwards = found[-1].seq if more else None
    if as_json:
        emit({"runs": found, "next": onwards})
        return
    if not found:
        click.echo("no runs")
        return
    columns = (
        *(">#", "ended", "account", "event", "command", "source"),
        *(">orders", ">commission", ">drift", "outcome"),
    )
    table("", columns, [_row(run) for run in found])
    if onwards is not None:
        of = f" {account}" if account else ""
        click.echo(f"more: rebalancer history{of} --before {onwards}", err=True)


def _row(run: Summary) -> tuple[str, ...]:
    drifts = [f"{float(d):.2%}" for d in (run.drift_before, run.drift_after) if d is not None]
    why = f": {run.reason}" if run.reason else ""
    return (
        str(run.seq),
        moment(run.at),
        run.account_id,
        run.event_id,
        run.command,
        run.source,
        f"{run.filled}/{run.orders}",
        " ".join(f"{float(a):,.2f} {c}" for c, a in run.commission.items()),
        " -> ".join(drifts),
        f"{run.status}{why}"[:100],
    )


@command.command()
@click.argument("event")
@json_option
@click.pass_obj
def show(options: Options, *, event: str, as_json: bool) -> None:
    """Tell everything about EVENT, an event's id or a record's number."""
    with options.queue() as queue:
        links = named(queue, event)
    if not links:
        raise PermanentError(
            f"no record of {event}; `rebalancer history` lists them, and what only looked or "
            f"waited is in `rebalancer journal --event {event}`"
        )
    broken = [link.seq for link in links if link.record is None]
    if broken:
        raise PermanentError(
            f"record {broken[0]} is unreadable; run: rebalancer history verify"
        )
    if as_json:
        emit([link.record for link in links])
        return
    from rebalancer.cli.run_story import tell

    for number, link in enumerate(links):
        if number:
            click.echo()
        if link.record is not None:
            tell(link.record)


@command.command()
@click.option("--format", "shape", type=click.Choice(["json", "csv"]), required=True)
@click.option(
    "--rows",
    type=click.Choice(list(ROWS)),
    default="fills",
    show_default=True,
    help="What a row of CSV is.",
)
@click.option("--account", default="", help="Only this account.")
@click.option("--since", help="Only runs that ended then or later: 2026-01-31, or with a time.")
@click.option("--until", help="Only runs that ended before; a day is meant to its end.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, instead of printing.",
)
@click.pass_obj
def export(
    options: Options,
    *,
    shape: str,
    rows: str,
    account: str,
    since: str | None,
    until: str | None,
    output: Path | None,
) -> None:
    """Write records as JSON, or their fills, orders or runs as CSV, oldest first."""
    begin, end = _moment("--since", since), _moment("--until", until, end=True)

    def wanted(queue: Queue) -> Iterator[Record]:
        for link in oldest_first(queue):
            if account not in ("", link.account_id):
                continue
            if link.record is None:
                raise PermanentError(
                    f"record {link.seq} is unreadable; run: rebalancer history verify"
                )
            at = link.record["at"]
            if (begin is None or at >= begin) and (end is None or at < end):
                yield link.record

    with options.queue() as queue, _written(output) as out:
        if shape == "json":
            count = write_json(wanted(queue), out)
        else:
            count = write_csv(wanted(queue), out, rows)
    if output is not None:
        what = "records" if shape == "json" else rows
        click.echo(f"{count} {what} written to {output}", err=True)


def _moment(option: str, text: str | None, *, end: bool = False) -> float | None:
    try:
        return None if text is None else moment_of(text, end=end)
    except ValueError:
        raise click.UsageError(
            f"{option} {text!r} is no time; write 2026-01-31 or 2026-01-31T15:30"
        ) from None


@contextlib.contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    """Stdout, or a file that is there whole or not at all."""
    if output is None:
        yield sys.stdout
        return
    partial = output.with_name(f"{output.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as out:
            yield out
        partial.replace(output)
    except OSError as error:
        raise PermanentError(f"{output} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


@command.command()
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A JSON export: what is in it must still be in the history, unchanged.",
)
@json_option
@click.pass_obj
def verify(options: Options, *, against: Path | None, as_json: bool) -> int:
    """Check the whole history; exit code 1 and the first bad record if it was tampered with."""
    copy = _copy(against) if against is not None else {}
    with options.queue() as queue:
        fault, checked, first, last = _verified(queue, copy)
    if as_json:
        answer = {"ok": not fault, "records": checked, "first": first, "last": last.seq}
        emit({**answer, "hash": last.hash, "fault": fault})
    elif fault:
        click.echo(f"rebalancer: {fault}", err=True)
        click.echo(f"{checked} records before it are as they were written", err=True)
    elif checked:
        click.echo(f"ok: {checked} records, {first} to {last.seq}; the last is {last.hash}")
    else:
        click.echo("ok: no records")
    return 1 if fault else 0


def _verified(queue: Queue, copy: dict[int, str]) -> tuple[str, int, int, Any]:
    """What is wrong or '', how many records are right, the first one's number, the last one."""
    ends = queue.run(history.ends())
    verifier, checked = Verifier(ends.start), 0
    for link in oldest_first(queue):
        fault = verifier.fault(link)
        noted = copy.pop(link.seq, link.hash)
        if not fault and noted != link.hash:
            fault = f"record {link.seq} is another one than in the copy"
        if fault:
            return fault, checked, ends.start.seq + 1, verifier.at
        checked += 1
    head = ends.head
    if verifier.at.seq > head.seq:
        # Records came while we read.
        head = queue.run(history.ends()).head
    fault = "" if head.seq > verifier.at.seq > ends.head.seq else verifier.end(head)
    gone = sorted(seq for seq in copy if seq > ends.start.seq)
    if not fault and gone:
        fault = f"record {gone[0]} of the copy is missing"
    return fault, checked, ends.start.seq + 1, verifier.at


def _copy(path: Path) -> dict[int, str]:
    """The hashes of an exported file, by number."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        hashes = {int(record["seq"]): str(record["hash"]) for record in found}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_export(path) from error
    if not isinstance(found, list):
        raise _no_export(path)
    return hashes


def _no_export(path: Path) -> PermanentError:
    make = "rebalancer history export --format json"
    return PermanentError(f"{path} is no export of the history; make one with `{make}`")
