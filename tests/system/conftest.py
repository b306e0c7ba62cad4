"""What the tests on booted hosts need of this machine, and what is said where it lacks it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.host import missing

_WHY = "no hosts can be booted here"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacking = missing()
    for item in items:
        if lacking and "/tests/system/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason=f"{_WHY}: {lacking}"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    left_out = [report for report in skipped if _WHY in str(report.longrepr)]
    if left_out:
        line = f"NOT RUN: {len(left_out)} tests: {_WHY}: {missing()}"
        terminalreporter.write_line(line, yellow=True, bold=True)
