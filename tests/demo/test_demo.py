"""The demo, whole: real daemons as processes, on each kind of Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def demo(**changes: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "rebalancer", "demo", "--json"],
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(outcome: dict[str, Any]) -> None:
    assert outcome["on_target"]
    assert outcome["seconds"] < 30
    steps = outcome["steps"]
    answers = [step["status"] for step in steps if step["kind"] == "signal"]
    assert answers == ["queued", "merged", "queued", "queued"]
    first = next(step for step in steps if step["kind"] == "leased")
    equity = next(
        s for s in steps if s["kind"] == "completed" and s["command"] == "print-equity"
    )
    assert first["event_id"] == equity["event_id"]  # high priority went first
    kinds = [step["kind"] for step in steps if step.get("account_id") == "DU1000002"]
    assert kinds.index("delayed") < kinds.index("promoted") < len(kinds) - 1
    for result in outcome["results"].values():
        plan = result["plan"]
        assert float(result["account"]["total_cash"]) >= float(plan["reserve"])
        assert float(result["drift_reached"]) < float(result["drift_before"])


@pytest.mark.redis_server
def test_on_a_real_redis() -> None:
    outcome = demo()
    assert "redis-server" in outcome["redis"]
    check(outcome)


def test_where_no_redis_is_installed(tmp_path: Path) -> None:
    outcome = demo(PATH=str(tmp_path))
    assert "embedded" in outcome["redis"]
    check(outcome)
