"""Whether everything that trades is well, from what its parts have left for others to see.

A part is ``ok``; ``degraded``: it needs a look, but signals are carried out; or ``down``: they
are not. What cannot be known because Redis is away is ``unknown``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "degraded", "down", "unknown"]

#: The parts, in the order they are shown.
PARTS = ("redis", "broker", "processor", "gateway", "sweeps", "queue", "dead_letter")
#: Sweeps whose time matters; the repair comes with each of them.
SWEEPS = ("leases", "retry", "delayed")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each may be silent, in seconds."""

    heartbeat: float
    sweep: float
    oldest_event: float


@dataclass(frozen=True, slots=True)
class Beat:
    """A program's last sign of life. ``at`` is Unix seconds."""

    at: float
    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at Redis. Times are Unix seconds."""

    beats: Mapping[str, Beat]
    sweeps: Mapping[str, float]
    queued: int
    leased: int
    dead: int
    #: Since when the next event waits; ``None``: none does.
    waiting_since: float | None


@dataclass(frozen=True, slots=True)
class Part:
    """How one part is. ``age`` is what its limit applies to, in seconds."""

    name: str
    status: Status
    detail: str
    remedy: str = ""
    age: float | None = None


def judge(seen: Seen | None, limits: Limits, now: float, why_not: str = "") -> tuple[Part, ...]:
    """Return how each of ``PARTS`` is; ``why_not`` says why nothing was seen."""
    if seen is None:
        redis = Part("redis", "down", why_not, "look: systemctl status redis-server")
        return (redis, *(Part(name, "unknown", "Redis is away") for name in PARTS[1:]))
    processor = _daemon("processor", seen, limits, now)
    gateway = _gateway(processor, seen, now)
    return (
        Part("redis", "ok", "answers"),
        _daemon("broker", seen, limits, now),
        processor,
        gateway,
        _sweeps(seen, limits, now),
        _queue(gateway, seen, limits, now),
        _dead_letter(seen),
    )


def overall(parts: tuple[Part, ...]) -> Status:
    """Return the worst of them."""
    found = {part.status for part in parts}
    return "down" if "down" in found else "degraded" if "degraded" in found else "ok"


def _daemon(name: str, seen: Seen, limits: Limits, now: float) -> Part:
    beat = seen.beats.get(name)
    start = f"look: systemctl status rebalancer-{name}"
    if beat is None:
        return Part(name, "down", "never seen", start)
    silent = max(now - beat.at, 0.0)
    if silent > limits.heartbeat:
        return Part(name, "down", f"silent for {silent:.0f} s", start, silent)
    return Part(name, "ok", "alive", age=silent)


def _gateway(processor: Part, seen: Seen, now: float) -> Part:
    if processor.status != "ok":
        return Part("gateway", "unknown", "no processor that would know")
    info = seen.beats["processor"].info
    state, until = str(info.get("gateway_state", "unknown")), _expected_until(info)
    if info.get("gateway_ready") is True:
        return Part("gateway", "ok", "connected")
    if until is not None and now < until:
        return Part("gateway", "ok", f"away, as expected for another {until - now:.0f} s")
    return Part("gateway", "down", state, "look at IB Gateway's window: is it logged in?")


def _expected_until(info: Mapping[str, Any]) -> float | None:
    until = info.get("gateway_expected_down_until")
    return float(until) if isinstance(until, int | float) else None


def _sweeps(seen: Seen, limits: Limits, now: float) -> Part:
    late = [
        kind
        for kind in SWEEPS
        if kind not in seen.sweeps or now - seen.sweeps[kind] > limits.sweep
    ]
    age = max((max(now - at, 0.0) for at in seen.sweeps.values()), default=None)
    if not late:
        return Part("sweeps", "ok", "on time", age=age)
    timers = "look: systemctl list-timers 'rebalancer-*'"
    return Part("sweeps", "degraded", f"late: {', '.join(late)}", timers, age)


def _queue(gateway: Part, seen: Seen, limits: Limits, now: float) -> Part:
    since = seen.waiting_since
    counts = f"{seen.queued} queued, {seen.leased} running"
    if since is None:
        return Part("queue", "ok", counts)
    age = max(now - since, 0.0)
    if age <= limits.oldest_event:
        return Part("queue", "ok", counts, age=age)
    # While the gateway is expected to be away nothing runs, and nothing is wrong.
    status: Status = "degraded" if gateway.detail.startswith("away") else "down"
    said = f"{counts}; the next has waited for {age:.0f} s"
    return Part("queue", status, said, "look: rebalancer queue status", age)


def _dead_letter(seen: Seen) -> Part:
    if not seen.dead:
        return Part("dead_letter", "ok", "empty")
    said = f"{seen.dead} events that nobody will retry"
    return Part("dead_letter", "degraded", said, "look: rebalancer queue list dead")


def facts(parts: tuple[Part, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each part by its name, as it may be shown to everybody."""
    for part in parts:
        yield (
            part.name,
            {
                "status": part.status,
                "detail": part.detail,
                "remedy": part.remedy,
                "age_seconds": None if part.age is None else round(part.age, 3),
            },
        )
