"""``rebalancer halts``: what is stopped, since when, and why."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from rebalancer.cli.options import Options, json_option
from rebalancer.cli.output import emit, moment, table
from rebalancer.queue import moves

if TYPE_CHECKING:
    from rebalancer.queue.values import Halt


@click.command()
@json_option
@click.pass_obj
def command(options: Options, *, as_json: bool) -> None:
    """List everything whose new orders are stopped: halts, and accounts that are held."""
    with options.queue() as queue:
        halts = queue.run(moves.halts())
    found = [halts[scope] for scope in sorted(halts)]
    if as_json:
        emit(found)
    elif found:
        rows = [
            (
                one.scope,
                moment(one.at),
                "yes" if one.cancel_open else "no",
                one.reason,
                _way(one),
            )
            for one in found
        ]
        table("", ("scope", "since", "cancels orders", "reason", "to allow again"), rows)
    else:
        click.echo("nothing is stopped")


def _way(halt: Halt) -> str:
    """The command that lifts it."""
    kind, _, name = halt.scope.partition(":")
    if kind == "hold":
        return f"rebalancer accounts resume {name}"
    return "rebalancer resume" + (f" --{kind} {shlex.quote(name)}" if name else "")
