"""``rebalancer sweep``: one pass over what is due, or the pass as a script for redis-cli.

It may be started every few seconds, so it imports as little as it can: no tables, no numpy, no
gateway.
"""

from __future__ import annotations

import click

from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit
from rebalancer.sweeper import native, sweeps


@click.command()
@click.argument("what", type=click.Choice(["retry", "delayed", "leases", "all"]))
@json_option
@click.option("--lua", "as_lua", is_flag=True, help="Print the sweep for redis-cli --eval.")
@click.pass_obj
def command(options: Options, *, what: str, as_json: bool, as_lua: bool) -> None:
    """Move what is due and print it; nothing is printed when nothing is due.

    retry: failed events whose backoff is over. delayed: events whose time has come.
    leases: events whose worker is gone. Running several at once is safe.

    With --lua nothing is moved: the sweep is printed as a Lua script. Redis carries it out by
    itself with `redis-cli --eval`, at a hundredth of the cost of starting this command.
    """
    service = options.service()
    if as_lua:
        if what == "all":
            raise click.UsageError("--lua prints one sweep: retry, delayed or leases")
        click.echo(native.lua(what, retry_delay=service.retry.retry_delay_seconds))
        return
    with options.queue(service) as queue:
        delay = service.retry.retry_delay_seconds
        swept = sweeps.run(queue, (what,), now(), retry_delay=delay)
    if as_json:
        emit(swept)
        return
    for sweep in swept:
        for moved in sweep.moved:
            why = f" ({moved.why})" if moved.why else ""
            account = f" of {moved.account_id}" if moved.account_id else ""
            click.echo(f"{sweep.kind}: {moved.event_id}{account}: {moved.fate}{why}")
