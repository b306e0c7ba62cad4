"""Where the files are.

Each is where a flag says, else where a variable says, else in its usual place. The current
directory is none: a file that happens to lie there must not decide what is traded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path("/etc/rebalancer")

CONFIG_VARIABLE = "REBALANCER_CONFIG"
ACCOUNTS_VARIABLE = "REBALANCER_ACCOUNTS_FILE"
REPLACEMENTS_VARIABLE = "REBALANCER_REPLACEMENT_SETS_FILE"


@dataclass(frozen=True, slots=True)
class Files:
    """Where each file is, whether or not it exists."""

    config: Path
    accounts: Path
    replacement_sets: Path
    #: Named by a flag or variable: then it has to exist.
    config_named: bool = False
    replacement_sets_named: bool = False


def locate(
    environ: Mapping[str, str],
    *,
    config: str | Path | None = None,
    accounts: str | Path | None = None,
    replacement_sets: str | Path | None = None,
) -> Files:
    """Say which files are meant: by flag, by variable, beside rebalancer.yaml, in /etc."""
    named_config = config or environ.get(CONFIG_VARIABLE)
    config_path = Path(named_config or DIRECTORY / "rebalancer.yaml").expanduser()
    named_sets = replacement_sets or environ.get(REPLACEMENTS_VARIABLE)
    beside = config_path.parent
    return Files(
        config=config_path,
        accounts=Path(
            accounts or environ.get(ACCOUNTS_VARIABLE) or beside / "accounts.yaml"
        ).expanduser(),
        replacement_sets=Path(named_sets or beside / "replacement-sets.yaml").expanduser(),
        config_named=bool(named_config),
        replacement_sets_named=bool(named_sets),
    )
