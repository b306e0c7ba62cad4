"""``rebalancer api``: the management API, and its tokens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from rebalancer.cli.options import Options, json_option
from rebalancer.cli.output import emit

if TYPE_CHECKING:
    from rebalancer.api.tokens import Tokens
    from rebalancer.settings import Settings


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Run the management API until SIGTERM; SIGHUP reads the files again."""
    if ctx.invoked_subcommand is not None:
        return
    from rebalancer import logs
    from rebalancer.api.serve import Server

    options: Options = ctx.obj

    def load() -> tuple[Settings, Tokens]:
        from rebalancer.api import tokens

        settings = options.settings()
        beside = options.files().config.parent
        held = tokens.load(settings.api, beside, os.environ)
        logs.hide(held.operator, held.reader, held.webhook)
        return settings, held

    found = load()
    settings, _ = found
    logs.setup(settings.logging.level, settings.logging.format, secrets=settings.secrets)
    Server(load, found).run()  # type: ignore[no-untyped-call]


@command.command()
@click.option("--read-only", "which", flag_value="reader", help="The token that can only read.")
@click.option(
    "--webhook", "which", flag_value="webhook", help="The key that webhooks sign with."
)
@click.option("--create", is_flag=True, help="Make it; a file that is there is left alone.")
@click.option("--show", is_flag=True, help="Print it.")
@json_option
@click.pass_obj
def token(
    options: Options, *, which: str | None, create: bool, show: bool, as_json: bool
) -> None:
    """Say where the operator's token is, make one, or print it."""
    from rebalancer.api import tokens

    api = options.service().api
    path = tokens.find(which or "operator", api, options.files().config.parent, os.environ)
    if create:
        tokens.create(path)
    found = tokens.read(path, needed=show)
    if as_json:
        emit({"path": path, "exists": bool(found), **({"token": found} if show else {})})
    elif show:
        click.echo(found)
    elif create:
        click.echo(f"{path}: made; only you can read it. Print it: add --show")
    else:
        state = "there" if found else "not there; make it: add --create"
        click.echo(f"{path}: {state}")
