"""``rebalancer resume``: orders are allowed again."""

from __future__ import annotations

import click

from rebalancer.cli.options import Options, json_option, now, scope_options, scopes_of
from rebalancer.cli.output import emit
from rebalancer.queue import moves


@click.command()
@scope_options
@json_option
@click.pass_obj
def command(
    options: Options, *, accounts: tuple[str, ...], symbols: tuple[str, ...], as_json: bool
) -> None:
    """Lift one halt: the global one, or that of an account or a symbol."""
    with options.queue() as queue:
        at = now()
        lifted = {
            scope: queue.run(moves.resume(scope, now=at))
            for scope in scopes_of(accounts, symbols)
        }
        left = queue.run(moves.halts())
    if as_json:
        emit({"resumed": lifted, "halts": left})
        return
    for scope, was_halted in lifted.items():
        click.echo(f"resumed {scope}" if was_halted else f"{scope} was not halted")
    for halt in left.values():
        click.echo(f"still halted: {halt.scope} ({halt.reason})")
