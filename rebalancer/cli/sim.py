"""``rebalancer sim``: a simulated IB Gateway on the real wire."""

from __future__ import annotations

from pathlib import Path

import click

from rebalancer.errors import PermanentError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=4002,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0: any free.",
)
@click.option(
    "--scenario",
    type=click.Path(path_type=Path, dir_okay=False),
    help="World to simulate (YAML).",
)
@click.option("--always-open", is_flag=True, help="Markets never close.")
@click.option(
    "--latency-ms", default=0.0, type=click.FloatRange(0, 60_000), help="Added to every answer."
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that keeps fills and orders over restarts.",
)
def command(
    *,
    host: str,
    port: int,
    scenario: Path | None,
    always_open: bool,
    latency_ms: float,
    state: Path | None,
) -> None:
    """Run a simulated IB Gateway."""
    from rebalancer import logs
    from rebalancer.sim import server

    logs.setup()
    try:
        server.main(
            host,
            port,
            scenario,
            always_open=always_open,
            latency_ms=latency_ms,
            state_file=state,
        )
    except (OSError, ValueError) as error:  # port taken, file unreadable, another world's state
        raise PermanentError(str(error)) from error
