"""``rebalancer doctor``: what is wrong, and how to mend it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from rebalancer.cli import absence, findings, streams
from rebalancer.cli.findings import Finding
from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit
from rebalancer.core.windows import expected_down
from rebalancer.errors import QueueError
from rebalancer.queue import moves
from rebalancer.queue.values import Daemon
from rebalancer.settings import InvalidSettingsError

_COLOUR = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@json_option
@click.pass_obj
def command(options: Options, *, as_json: bool) -> int:
    """Check settings, Redis, queue, gateway, clocks and disk; exit 1 if something fails."""
    found: list[Finding] = []
    for finding in _examine(options):
        found.append(finding)
        if not as_json:
            _print(finding)
    failed = sum(finding.level == "fail" for finding in found)
    if as_json:
        emit({"ok": not failed, "findings": found})
    elif failed:
        click.echo(f"{failed} to mend.", err=True)
    return 1 if failed else 0


def _examine(options: Options) -> Iterator[Finding]:
    settings = None
    try:
        settings = options.settings()
        yield from findings.settings_in_force(settings)
    except InvalidSettingsError as error:
        for problem in error.problems:
            yield Finding("fail", "config", str(problem), "correct the file")
    try:
        service = settings or options.service()
    except InvalidSettingsError:
        yield Finding("fail", "config", "without it nothing else can be checked", "see above")
        return
    daemons: Mapping[str, Daemon] = {}
    with options.queue(service) as queue:
        yield from findings.redis_server(queue, service.redis.shown, now())
        yield from findings.queue_state(queue, now())
        with contextlib.suppress(QueueError):
            daemons = queue.run(moves.daemons())
        folders = {"here": Path.cwd()}
        if folder := findings.where_redis_writes(queue, service):
            folders = {"redis": Path(folder)}
    yield from findings.disk(folders)
    yield from absence.windows(service.gateway.windows, now())
    if settings is not None:
        yield from streams.channels(settings, options.files(), daemons, now())
        expected = expected_down(service.gateway.windows, now())
        yield from absence.softened(findings.gateway(settings, now()), expected)


def _print(finding: Finding) -> None:
    level = click.style(f"{finding.level:<4}", fg=_COLOUR[finding.level], bold=True)
    remedy = f"\n      -> {finding.remedy}" if finding.remedy else ""
    click.echo(f"{level}  {finding.subject}: {finding.text}{remedy}")
