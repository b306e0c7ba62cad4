"""The units of systemd/, without a booted host; tests/system has them at work on one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

UNITS = Path(__file__).parent.parent.parent / "systemd"
SYSTEM = UNITS / "system"
LIBEXEC = UNITS / "libexec"


def instance(name: str) -> str:
    """A unit's name; for a template that of its paper instance."""
    return name.replace("@.", "@paper.")


def exposure(service: str, *options: str) -> float:
    """How exposed systemd-analyze finds a service, from 0 to 10."""
    said = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", *options, service],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"Overall exposure level .*: ([\d.]+)", said)
    assert found, said
    return float(found[1])
