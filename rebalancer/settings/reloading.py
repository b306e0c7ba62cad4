"""What a running program may take over from changed files, and what needs a restart.

All or nothing: files with a mistake change nothing. Of right ones everything is taken over but
the keys a program is built on: its connections, its limits, its trading mode. Those it keeps
until it is started again, and says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from rebalancer.settings.loading import Settings

#: Sections of rebalancer.yaml by the program that needs a restart to follow them.
FIXED: Mapping[str, tuple[str, ...]] = {
    "broker": ("trading_mode", "redis", "logging"),
    "processor": ("trading_mode", "redis", "gateway", "processor", "logging"),
}


def taken_over(
    program: str, running: Settings, fresh: Settings
) -> tuple[Settings, tuple[str, ...]]:
    """The settings to go on with, and the changed keys that wait for a restart."""
    kept = {name: getattr(running, name) for name in FIXED[program]}
    waiting = [key for name in kept for key in _changed(name, kept[name], getattr(fresh, name))]
    return dataclasses.replace(fresh, **kept), tuple(waiting)


def _changed(name: str, old: Any, new: Any) -> list[str]:
    if not dataclasses.is_dataclass(old):
        return [name] if old != new else []
    return [
        f"{name}.{field.name}"
        for field in dataclasses.fields(old)
        if getattr(old, field.name) != getattr(new, field.name)
    ]
