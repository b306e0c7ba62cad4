"""``rebalancer``: the commands, and what becomes of an error."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import click

from rebalancer import __version__
from rebalancer.cli.options import Options
from rebalancer.errors import (
    ConfigError,
    GatewayError,
    QueueError,
    RebalancerError,
    WrongGatewayError,
)

#: Command -> what it does. The module ``rebalancer.cli.NAME`` has it as ``command``.
COMMANDS = {
    "config": "Check and show the settings.",
    "doctor": "Look for what is wrong, and say how to mend it.",
    "enqueue": "Signal a command for an account.",
    "preview": "Show the plan for an account; send nothing.",
    "accounts": "See how accounts stand; let a held one trade again.",
    "targets": "Show what accounts should hold, and how far they are from it.",
    "queue": "Look into the queue and change it by hand.",
    "journal": "Show what happened, and follow what happens.",
    "history": "Show what every run saw, planned, sent and cost.",
    "approve": "Agree to a plan that waits for a person.",
    "halt": "Stop new orders at once.",
    "resume": "Allow orders again.",
    "sweep": "Move what is due: retries, delayed events, expired leases.",
    "schedule": "Show what signals by the clock, and when next.",
    "broker": "Run the daemon that takes signals in.",
    "processor": "Run the daemon that carries events out.",
    "api": "Run the management API; make its tokens.",
    "notify": "Run the daemon that tells people what happens.",
    "sim": "Run a simulated IB Gateway.",
    "rehearse": "Try your own accounts on a simulated gateway.",
    "demo": "See it all work, without an account.",
}

#: Error -> exit code, the first that fits; docs/reference/exit-codes.md.
EXITS: tuple[tuple[type[BaseException], int], ...] = (
    (ConfigError, 2),
    (QueueError, 3),
    (GatewayError, 4),
    (WrongGatewayError, 4),
    (RebalancerError, 1),
)
INTERRUPTED = 130


class LazyCommands(click.Group):
    """A group that imports a command only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"rebalancer.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(path_type=Path), help="rebalancer.yaml to use.")
@click.option("--accounts", type=click.Path(path_type=Path), help="accounts.yaml to use.")
@click.version_option(__version__, prog_name="rebalancer")
@click.pass_context
def cli(ctx: click.Context, config: Path | None, accounts: Path | None) -> None:
    """Rebalance IBKR accounts to model portfolios."""
    ctx.obj = Options(config, accounts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become one clear line on stderr."""
    try:
        code = cli.main(arguments, prog_name="rebalancer", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except RebalancerError as error:
        click.echo(f"rebalancer: {error}", err=True)
        return next(code for kind, code in EXITS if isinstance(error, kind))
    return code if isinstance(code, int) else 0
