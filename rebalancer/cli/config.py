"""``rebalancer config``: whether the files are right, and what they come to."""

from __future__ import annotations

import click

from rebalancer.cli.options import Options, json_option
from rebalancer.cli.output import emit
from rebalancer.settings import InvalidSettingsError


@click.group()
def command() -> None:
    """Check and show the settings."""


@command.command()
@json_option
@click.pass_obj
def check(options: Options, *, as_json: bool) -> int:
    """Read every file and print everything that is wrong at once."""
    files = options.files()
    try:
        settings = options.settings()
    except InvalidSettingsError as error:
        if as_json:
            emit({"ok": False, "problems": error.problems, "warnings": [], "files": files})
        else:
            for problem in error.problems:
                click.echo(str(problem), err=True)
            click.echo(f"{len(error.problems)} to mend.", err=True)
        return 2
    if as_json:
        emit({"ok": True, "problems": [], "warnings": settings.warnings, "files": files})
        return 0
    for warning in settings.warnings:
        click.echo(f"warning: {warning}", err=True)
    traded = [account.account_id for account in settings.traded()]
    click.echo(
        f"ok: trading mode {settings.trading_mode}; "
        f"{len(traded)} of {len(settings.accounts)} accounts traded"
        + (f": {', '.join(traded)}" if traded else "")
    )
    return 0


@command.command()
@json_option
@click.pass_obj
def show(options: Options, *, as_json: bool) -> None:
    """Print the settings in force: defaults, files and environment together, no secrets."""
    from rebalancer.settings.shown import shown

    in_force = shown(options.settings())
    if as_json:
        emit(in_force)
        return
    import yaml

    click.echo(yaml.safe_dump(in_force, sort_keys=False, allow_unicode=True), nl=False)
