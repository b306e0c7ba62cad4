"""What the doctor says about the gateway's windows: whether it may be away, and when next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rebalancer.cli.findings import Finding
from rebalancer.cli.output import moment
from rebalancer.core.windows import Absence, Window, expected_down, next_window


def windows(configured: Sequence[Window], now: float) -> Iterator[Finding]:
    """Whether a lost connection would be expected now, and the next window."""
    current, coming = expected_down(configured, now), next_window(configured, now)
    if current is not None:
        yield Finding("ok", "gateway window", f"expected to be away now: {_span(current)}")
    if coming is None:
        yield Finding("ok", "gateway window", "none configured: it is expected to stay")
    else:
        yield Finding("ok", "gateway window", f"next: {_span(coming)}")


def softened(found: Iterable[Finding], absence: Absence | None) -> list[Finding]:
    """The findings about the gateway; in a window its absence is no failure."""
    if absence is None:
        return list(found)
    expected = f"expected until {moment(absence.end)} ({absence.name})"
    return [
        Finding(
            "warn", one.subject, f"{one.text}; {expected}", "wait until then, or: " + one.remedy
        )
        if one.subject == "gateway" and one.level == "fail"
        else one
        for one in found
    ]


def _span(absence: Absence) -> str:
    return f"{absence.name}, {moment(absence.start)} to {moment(absence.end)}"
