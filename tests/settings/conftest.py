from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from rebalancer.settings import InvalidSettingsError, Problem, Settings, load, locate

ACCOUNTS = """\
accounts:
  - account_id: DU1000001
    type: paper
    enabled: true
    targets: {SPY: 0.6, BND: 0.4}
"""


@dataclass
class Etc:
    """A configuration directory to fill and read."""

    path: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(
        self, *, config: str = "", accounts: str = ACCOUNTS, replacements: str | None = None
    ) -> Etc:
        (self.path / "rebalancer.yaml").write_text(dedent(config))
        (self.path / "accounts.yaml").write_text(dedent(accounts))
        if replacements is not None:
            (self.path / "replacement-sets.yaml").write_text(dedent(replacements))
        return self

    def load(self, environ: Mapping[str, str] | None = None) -> Settings:
        variables = {**self.environ, **(environ or {})}
        return load(locate(variables, config=self.path / "rebalancer.yaml"), variables)

    def problems(self, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
        with pytest.raises(InvalidSettingsError) as refused:
            self.load(environ)
        return refused.value.problems

    def said(self, environ: Mapping[str, str] | None = None) -> list[str]:
        """The problems as printed, with file names instead of paths."""
        return [str(p).replace(f"{self.path}/", "") for p in self.problems(environ)]


@pytest.fixture
def etc(tmp_path: Path) -> Etc:
    return Etc(tmp_path)
