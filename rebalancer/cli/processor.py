"""``rebalancer processor``: the daemon that carries events out."""

from __future__ import annotations

import click

from rebalancer.cli.options import Options


@click.command()
@click.pass_obj
def command(options: Options) -> None:
    """Run the daemon that carries events out, until SIGTERM.

    On SIGHUP it reads the settings again; with a mistake in them nothing changes.
    """
    from rebalancer import logs
    from rebalancer.processor import start

    settings = options.settings()
    logs.setup(settings.logging.level, settings.logging.format, secrets=settings.secrets)
    start.main(settings, options.files())
