"""``rebalancer broker``: the daemon that takes signals in."""

from __future__ import annotations

import click

from rebalancer.cli.options import Options


@click.command()
@click.pass_obj
def command(options: Options) -> None:
    """Run the daemon that takes signals in, until SIGTERM.

    On SIGHUP it reads the settings again; with a mistake in them nothing changes.
    """
    from rebalancer import logs
    from rebalancer.broker import start

    settings = options.settings()
    logs.setup(settings.logging.level, settings.logging.format, secrets=settings.secrets)
    start.main(settings, options.files())
