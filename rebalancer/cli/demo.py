"""``rebalancer demo``: the whole system on one screen, without an account."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from rebalancer.cli.options import json_option


@click.command()
@json_option
@click.option(
    "--svg", type=click.Path(path_type=Path), help="Also save the screen as a picture."
)
@click.option("--serve", is_flag=True, help="Keep everything running afterwards, until Ctrl-C.")
def command(*, as_json: bool, svg: Path | None, serve: bool) -> int:
    """See it all work, without an account.

    Starts Redis, a simulated gateway and the real daemons as processes, sends signals to two
    accounts, and shows what becomes of them. Exit code 0: both ended on target.
    """
    from rich.console import Console

    from rebalancer.demo.tables import picture

    console = Console(stderr=as_json, quiet=as_json, record=svg is not None, highlight=False)
    # Ended from outside, the demo still ends its processes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="rebalancer-demo-") as folder:
        outcome = _play(Path(folder), console, serve=serve)
    if svg is not None:
        svg.write_text(picture(console), encoding="utf-8")
    if as_json:
        click.echo(json.dumps(outcome))
    return 0 if outcome["on_target"] else 1


def _play(folder: Path, console: Any, *, serve: bool) -> Mapping[str, Any]:
    from rebalancer.cli.story import tell
    from rebalancer.demo import play, tables
    from rebalancer.demo.stage import stage
    from rebalancer.queue.store import Queue

    began = time.monotonic()
    steps: list[dict[str, Any]] = []

    def say(kind: str, data: Mapping[str, Any]) -> None:
        steps.append({"at": round(time.monotonic() - began, 3), "kind": kind, **data})
        if kind == "signal":
            tables.show_signal(console, data)
        else:
            tables.show_step(console, kind, data["account_id"], tell(kind, data))

    with stage(folder, play.FILES) as it, Queue(it.redis_url) as queue:
        console.print(f"[bold]stage[/]    {it.redis_kind} on port {it.redis_port}")
        console.print(f"[bold]stage[/]    simulated IB Gateway on port {it.gateway_port}")
        play.send_signals(queue, say)
        it.start_rebalancer("processor", "processor")
        it.start_rebalancer("broker", "broker")
        with play.sweeping(it):
            results = play.follow(queue, it, say)
            for result in results.values():
                tables.show_result(console, result)
            reached = all(play.on_target(result) for result in results.values())
            took = time.monotonic() - began
            verdict = "on target" if reached else "NOT on target"
            console.print(f"\n[bold]both accounts: {verdict}[/], {took:.1f} s")
            if serve:
                _serve(it, console)
    return {
        "on_target": reached,
        "seconds": round(took, 1),
        "redis": it.redis_kind,
        "steps": steps,
        "results": results,
    }


def _serve(it: Any, console: Any) -> None:
    console.print("\nStill running; Ctrl-C ends it. In another terminal:")
    for name in ("REBALANCER_CONFIG", "REBALANCER_ACCOUNTS_FILE", "REBALANCER_REDIS_URL"):
        console.print(f"  export {name}={it.environment[name]}", soft_wrap=True)
    console.print(f"  export REBALANCER_GATEWAY_PORT={it.gateway_port}")
    console.print("  rebalancer queue status; rebalancer preview DU1000001; rebalancer doctor")
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("ending")
