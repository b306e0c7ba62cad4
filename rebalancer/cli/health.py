"""``rebalancer health``: whether signals are carried out, as the API says it."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import click

from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit, table
from rebalancer.errors import PermanentError

if TYPE_CHECKING:
    from rebalancer.settings.api_keys import Api

#: Seconds that the API's server has for its answer.
PATIENCE = 5.0


@click.command()
@click.option("--strict", is_flag=True, help="Exit code 1 also for what only needs a look.")
@click.option("--ready", is_flag=True, help="Only whether signals are taken in.")
@click.option("--live", is_flag=True, help="Only whether the API's server answers.")
@json_option
@click.pass_obj
def command(
    options: Options, *, strict: bool, ready: bool, live: bool, as_json: bool
) -> int | None:
    """Tell how each part is; exit code 1 if signals are not carried out.

    It looks into Redis by itself and judges by the limits of `api:` in rebalancer.yaml, so the
    API need not run.
    """
    if ready and live:
        raise click.UsageError("--ready and --live are two questions: ask one")
    service = options.service()
    if live:
        _ask(service.api)
    elif ready:
        with options.queue(service) as queue:
            queue.ping()
    else:
        return _all(options, strict=strict, as_json=as_json)
    if as_json:
        emit({"status": "ok"})
    else:
        click.echo("the API answers" if live else "signals are taken in")
    return 0


def _all(options: Options, *, strict: bool, as_json: bool) -> int:
    from rebalancer.api.condition import condition

    service = options.service()
    with options.queue(service) as queue:
        told = condition(queue, service.api, now())
    if as_json:
        emit(told)
    else:
        parts = told["components"].items()
        rows = [
            (name.replace("_", " "), part["status"], part["detail"], part["remedy"])
            for name, part in parts
        ]
        table("", ("part", "status", "", "what to do"), rows)
        click.echo(told["status"])
    fails = {"down", "degraded"} if strict else {"down"}
    return 1 if told["status"] in fails else 0


def _ask(api: Api) -> None:
    """Return if the API's server answers. Raises ``PermanentError`` if it does not."""
    line = http.client.HTTPConnection(api.host, api.port, timeout=PATIENCE)
    try:
        line.request("GET", "/health/live")
        status = line.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        raise _silent(api, why) from error
    finally:
        line.close()
    if status != 200:
        raise _silent(api, f"status {status}")


def _silent(api: Api, why: str) -> PermanentError:
    return PermanentError(
        f"no API answers at {api.host}:{api.port} ({why}); "
        f"look: systemctl status rebalancer-api"
    )
