"""``rebalancer halt``: no new orders from this moment on."""

from __future__ import annotations

import click

from rebalancer.cli.options import Options, json_option, now, scope_options, scopes_of
from rebalancer.cli.output import emit
from rebalancer.queue import moves


@click.command()
@scope_options
@click.option("--reason", required=True, help="Why; shown wherever something is held up.")
@json_option
@click.pass_obj
def command(
    options: Options,
    *,
    accounts: tuple[str, ...],
    symbols: tuple[str, ...],
    reason: str,
    as_json: bool,
) -> None:
    """Stop new orders at once: all of them, or those of an account or a symbol.

    Orders at the exchange stay; `rebalancer enqueue ACCOUNT cancel-orders` cancels them.
    """
    with options.queue() as queue:
        at = now()
        halts = [
            queue.run(moves.halt(scope, now=at, reason=reason))
            for scope in scopes_of(accounts, symbols)
        ]
    if as_json:
        emit(halts)
        return
    for halt in halts:
        click.echo(f"halted {halt.scope}: {halt.reason}")
