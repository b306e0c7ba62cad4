"""``rebalancer enqueue``: a signal by hand."""

from __future__ import annotations

import json
from typing import Any

import click

from rebalancer.cli.asking import ask_options, asked
from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit
from rebalancer.ingest import accept
from rebalancer.queue import moves

_SAID = {
    "queued": "queued",
    "merged": "merged into the event that waits for the same",
    "rerun": "will run again right after the event that executes now",
}


def json_object(_ctx: click.Context, _param: click.Parameter, value: str) -> dict[str, Any]:
    """A JSON object given on the command line."""
    try:
        data = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise click.BadParameter(f"a JSON object is needed, not {type(data).__name__}")
    return data


@click.command()
@click.argument("account")
@click.argument("exec_command", metavar="COMMAND", default="rebalance")
@click.option("--priority", type=click.Choice(["normal", "high"]), default="normal")
@ask_options
@click.option("--data", default="{}", callback=json_object, help="A JSON object to pass on.")
@click.option("--event-id", help="Your own id; sending the same id again changes nothing.")
@json_option
@click.pass_obj
def command(
    options: Options,
    /,
    *,
    account: str,
    exec_command: str,
    priority: str,
    data: dict[str, Any],
    event_id: str | None,
    as_json: bool,
    **asks: Any,
) -> None:
    """Signal COMMAND (default: rebalance) for ACCOUNT.

    Returns once the event is safely in the queue; what becomes of it is in the journal.
    """
    at = now()
    event = accept(
        account,
        exec_command,
        now=at,
        source="cli",
        event_id=event_id,
        priority=priority,
        data=asked(data, **asks),
    )
    with options.queue() as queue:
        answer = queue.run(moves.enqueue(event, now=at, counted=True))
    if as_json:
        emit(answer)
    else:
        place = f" at position {answer.position}" if answer.position else ""
        click.echo(f"{answer.event_id}: {_SAID[answer.status]}{place}")
