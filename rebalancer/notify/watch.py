"""Looks whether the other programs live: says once that one is silent, once that it is back.

Pure. What it says is put into the journal like every other alert, so that each service gets it
by the same way and a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from rebalancer.core.vigil import Alert

#: Seconds after which a program is taken to be gone for good: retired, renamed.
FORGOTTEN = 7 * 86_400.0


def look(
    silent: frozenset[str], seen: Mapping[str, float], now: float, patience: float
) -> tuple[frozenset[str], tuple[Alert, ...]]:
    """Return which programs are silent now, and what is to be told.

    Args:
        silent: those that were silent at the last look.
        seen: when each was last heard of, Unix seconds.
        now: Unix seconds.
        patience: seconds without a sign of life after which a program is silent.
    """
    quiet = frozenset(name for name, at in seen.items() if patience < now - at <= FORGOTTEN)
    gone = [_gone(name, now - seen[name]) for name in sorted(quiet - silent)]
    back = [
        _back(name)
        for name in sorted((silent - quiet) & seen.keys())
        if now - seen[name] <= patience
    ]
    return quiet, (*gone, *back)


def _gone(name: str, age: float) -> Alert:
    what = _MEANS.get(name, "It does nothing until it is back.")
    return Alert(
        f"The {name} is silent",
        f"No sign of life for {age:.0f} s. {what}",
        f"systemctl status rebalancer-{name}; rebalancer doctor",
    )


def _back(name: str) -> Alert:
    return Alert(f"The {name} is back", "It gives signs of life again.")


_MEANS = {
    "processor": "Events are kept; nothing is traded until it is back.",
    "broker": "Schedules do not fire until it is back; missed ones count within its grace.",
    "api": "Nobody can look or signal by HTTP until it is back.",
}
