"""The daemons live for months beside a gateway: what they do not need stays out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("program", ["broker", "processor"])
def test_a_daemon_imports_no_pandas(program: str) -> None:
    script = (
        f"import sys; import rebalancer.{program}.start, rebalancer.settings.loading;"
        "print([m for m in ('pandas', 'exchange_calendars', 'flask') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"
