"""A control group for each host; in one and the same they would stop one another's services."""

from __future__ import annotations

import contextlib
from pathlib import Path

_TOP = Path("/sys/fs/cgroup")


def inside(name: str) -> list[str]:
    """The words before a command that is to run in the control group ``name``."""
    groups = [top / name for top in _hierarchies()]
    for group in groups:
        group.mkdir(exist_ok=True)
    enter = "".join(f"echo $$ >{group}/cgroup.procs && " for group in groups)
    return ["sh", "-c", f'{enter}exec "$@"', name]


def remove(name: str) -> None:
    """Remove the control group, with what the host has made in it."""
    for top in _hierarchies():
        found = [path for path in (top / name).rglob("*") if path.is_dir()]
        for path in [*sorted(found, reverse=True), top / name]:
            # What is still on its way out is empty, and costs nothing.
            with contextlib.suppress(OSError):
                path.rmdir()


def _hierarchies() -> list[Path]:
    """Where systemd keeps its groups here: one tree, or two where the old ones are in use."""
    both = [_TOP / "unified", _TOP / "systemd"]
    return [top for top in both if top.is_dir()] or [_TOP]
