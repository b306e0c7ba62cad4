"""``rebalancer notify``: the daemon that tells people, and a test of where it tells them."""

from __future__ import annotations

import click

from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit
from rebalancer.errors import ConfigError


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Run the daemon that tells people what happens, until SIGTERM."""
    if ctx.invoked_subcommand is not None:
        return
    from rebalancer import logs
    from rebalancer.notify import start

    options: Options = ctx.obj
    service = options.service()
    logs.setup(service.logging.level, service.logging.format, secrets=service.secrets)
    start.main(service, beside=options.files().config.parent)


@command.command()
@click.option("--service", "name", default="", help="Only this one.")
@json_option
@click.pass_obj
def test(options: Options, *, name: str, as_json: bool) -> int:
    """Send a test message to every service, and say which took it."""
    import asyncio
    import os

    from rebalancer.notify import start
    from rebalancer.notify.services import Service

    configured = options.service().notify.services
    chosen = [one for one in configured if name in ("", one.name)]
    if not chosen:
        known = ", ".join(one.name for one in configured) or "none"
        wanted = f"service {name}" if name else "service"
        raise ConfigError(f"no {wanted} in notify.services of rebalancer.yaml; there: {known}")
    results: dict[str, str] = {}
    for one in chosen:
        try:
            url = start.url_of(one, beside=options.files().config.parent, environ=os.environ)
            service = Service(one.name, url)
        except ConfigError as error:
            results[one.name] = str(error)
        else:
            results[one.name] = asyncio.run(start.test(service, now=now()))
    if as_json:
        emit({service: {"ok": not why, "error": why} for service, why in results.items()})
    else:
        for service_name, why in results.items():
            click.echo(f"{service_name}: {f'failed: {why}' if why else 'took it'}")
    return 1 if any(results.values()) else 0
