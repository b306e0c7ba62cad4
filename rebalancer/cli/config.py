"""``rebalancer config``: whether the files are right, and what they come to."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from rebalancer.cli.options import Options, json_option
from rebalancer.cli.output import emit, plain
from rebalancer.errors import RebalancerError
from rebalancer.settings import AccountSettings, InvalidSettingsError, Settings


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
    shown = _shown(options.settings())
    if as_json:
        emit(shown)
        return
    import yaml

    click.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), nl=False)


def _shown(settings: Settings) -> dict[str, Any]:
    sections = {
        field.name: plain(getattr(settings, field.name))
        for field in dataclasses.fields(settings)
        if field.name not in {"accounts", "warnings", "defaults"}
    }
    sections["redis"]["url"] = settings.redis.shown
    sections["processor"]["worker"] = settings.worker
    accounts = [_account(account, settings) for account in settings.accounts.values()]
    return {**sections, "accounts": accounts}


def _account(account: AccountSettings, settings: Settings) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "type": account.type,
        "traded": settings.why_not_traded(account.account_id) or True,
        "policy": plain(account.policy()),
        "target": _target(account),
        "schedule": [plain(schedule) for schedule in account.schedules],
    }


def _target(account: AccountSettings) -> dict[str, Any] | str:
    """The target as far as the files tell, or why they do not."""
    try:
        target = account.target()
    except RebalancerError as error:
        return account.lacks_target or str(error)
    return {"source": target.source, "hash": target.hash, "weights": plain(target.weights)}
