"""The daemons live for months beside a gateway: what they do not need stays out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("program", ["broker", "processor"])
def test_a_daemon_imports_nothing_large(program: str) -> None:
    script = (
        f"import sys; import rebalancer.{program}.start, rebalancer.settings.loading;"
        "print({'pandas', 'exchange_calendars', 'flask', 'httpx'} & set(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "set()\n"
