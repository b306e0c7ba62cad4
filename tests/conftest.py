"""What every test shares: nothing of this machine leaks in, nothing is left out in silence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# On a busy machine, or in a clone that has no tables of characters yet, drawing is slow; how
# long something takes is no test.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

#: Marker -> what is not on PATH without which such a test cannot run.
_NEEDED = {"redis_server": "redis-server", "chromium": "chromium"}
_MISSING = {
    marker: f"no {program} on PATH; install it with: apt-get install {program}"
    for marker, program in _NEEDED.items()
    if not shutil.which(program)
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs a program that is not here; the summary says so."""
    for item in items:
        for marker, why in _MISSING.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Say in one line, after everything else, how much was not run and what would run it."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    for why in _MISSING.values():
        left_out = [report for report in skipped if why in str(report.longrepr)]
        if left_out:
            line = f"NOT RUN: {len(left_out)} tests: {why}"
            terminalreporter.write_line(line, yellow=True, bold=True)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("REBALANCER_") or name in {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"}:
            monkeypatch.delenv(name)
