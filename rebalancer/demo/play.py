"""What happens in the demo: five signals, two accounts, one opening bell.

The simulated market opens a few seconds after the start. ``DU1000001`` may trade before the
bell, ``DU1000002`` may not: its event is delayed, and promoted when the exchange opens.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rebalancer.demo.stage import DemoError, Stage
from rebalancer.ingest import accept
from rebalancer.queue import journal, moves
from rebalancer.queue.store import Queue

#: Seconds from the first signal to the last fill before the demo gives up.
DEADLINE = 60.0
#: How far above the planned drift an account may end: prices breathe between plan and fill.
TOLERANCE = 0.001

ACCOUNTS = ("DU1000001", "DU1000002")

#: account, command, priority, what it shows.
SIGNALS = (
    ("DU1000001", "rebalance", "normal", "a signal"),
    ("DU1000001", "rebalance", "normal", "the same again: merged, not run twice"),
    ("DU1000002", "rebalance", "normal", "outside its hours: delayed, then promoted"),
    ("DU1000002", "print-equity", "high", "high priority: runs first"),
)

REBALANCER_YAML = """\
trading_mode: paper
retry:
  retry_delay_seconds: 2
"""

ACCOUNTS_YAML = """\
accounts:
  - account_id: DU1000001
    type: paper
    enabled: true
    strategy_name: global-60-40
    cash_reserve_percent: 1
    unlisted: liquidate
    extended_hours: true
  - account_id: DU1000002
    type: paper
    enabled: true
    strategy_name: all-weather
    cash_reserve_percent: 2
    unlisted: liquidate
strategies:
  global-60-40:
    targets: {VTI: 36%, VXUS: 24%, BND: 28%, BNDX: 12%}
  all-weather:
    targets: {VTI: 30%, TLT: 40%, IEF: 15%, GLD: 7.5%, DBC: 7.5%}
"""

SCENARIO_YAML = """\
extends: default
description: A Monday morning, twelve seconds before the bell.
clock: {start: 2026-11-23 09:29:48 US/Eastern}
instruments:
  BNDX: {price: 49.12, primary_exchange: NASDAQ, long_name: VANGUARD TOTAL INTL BOND ETF}
  DBC: {price: 22.87, long_name: INVESCO DB COMMODITY INDEX}
"""

FILES = {
    "rebalancer.yaml": REBALANCER_YAML,
    "accounts.yaml": ACCOUNTS_YAML,
    "scenario.yaml": SCENARIO_YAML,
}

Say = Callable[[str, Mapping[str, Any]], None]


def send_signals(queue: Queue, say: Say) -> None:
    """Enqueue the signals in their order and tell what the queue answered to each."""
    for account_id, command, priority, shows in SIGNALS:
        now = time.time()
        event = accept(account_id, command, now=now, source="demo", priority=priority)
        answer = queue.run(moves.enqueue(event, now=now))
        say(
            "signal",
            {"key": event.key, "priority": priority, "status": answer.status, "shows": shows},
        )


@contextmanager
def sweeping(stage: Stage) -> Iterator[None]:
    """Run the sweepers once a second, as the systemd timers do."""
    ended = threading.Event()

    def sweep() -> None:
        while not ended.wait(1.0):
            stage.run_rebalancer("sweep", "all")

    thread = threading.Thread(target=sweep, name="sweeps")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def follow(queue: Queue, stage: Stage, say: Say) -> dict[str, Mapping[str, Any]]:
    """Follow the journal until both accounts are rebalanced; return their results.

    Raises:
        DemoError: an event went to the dead letter, a process ended, or time ran out.
    """
    results: dict[str, Mapping[str, Any]] = {}
    position = journal.START
    deadline = time.monotonic() + DEADLINE
    while len(results) < len(ACCOUNTS):
        if time.monotonic() > deadline:
            missing = ", ".join(a for a in ACCOUNTS if a not in results)
            msg = (
                f"{missing} not rebalanced within {DEADLINE:.0f} s; logs are in {stage.folder}"
            )
            raise DemoError(msg)
        stage.require_alive()
        for entry in queue.run(journal.read(position, limit=200)):
            position = entry.id
            say(
                entry.kind,
                {"account_id": entry.account_id, "event_id": entry.event_id, **entry.data},
            )
            if entry.kind == "dead":
                msg = f"an event of {entry.account_id} went to the dead letter: {entry.data}"
                raise DemoError(msg)
            if entry.kind == "completed" and entry.data.get("command") == "rebalance":
                results[entry.account_id] = entry.data
        time.sleep(0.05)
    return results


def on_target(result: Mapping[str, Any]) -> bool:
    """Whether every order filled and the drift reached is the drift that was planned."""
    filled = all(order["status"] == "filled" for order in result["orders"])
    excess = float(result["drift_reached"]) - float(result["drift_planned"])
    return filled and excess <= TOLERANCE
