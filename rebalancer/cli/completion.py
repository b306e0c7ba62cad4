"""``rebalancer completion``: what makes a shell complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

#: Shell -> the way it completes. Each TAB starts ``rebalancer`` with this variable set.
SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
VARIABLE = "_REBALANCER_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print the script that completes our commands in SHELL.

    It completes commands, options, accounts of accounts.yaml, and events and plans that Redis
    holds.
    """
    click.echo(script(ctx.find_root().command, shell), nl=False)


def script(cli: click.Command, shell: str) -> str:
    """Return a shell's script. It is the same on every machine."""
    made = SHELLS[shell](cli, {}, "rebalancer", VARIABLE)
    # bash's own ``source`` looks first for the bash of this machine, which need have none.
    return ShellComplete.source(made)
