"""What a processor works by: how much at once, how long, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rebalancer.processor.ending import RetryPolicy
from rebalancer.processor.run import Deadlines, Portfolio


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once and how long. Seconds."""

    max_concurrent: int = 24
    lease: float = 20.0
    shutdown: float = 20.0
    #: An idle wait for events is cut into pieces this long, so that expired leases are seen.
    idle_wait: float = 5.0
    #: Pause after Redis or the gateway refused, before asking again.
    pause: float = 1.0
    #: How often orders are looked for that no event minds, and how old they have to be.
    unminded: float = 30.0
    #: How often the daemon says that it lives.
    beat: float = 5.0
    #: How long the gateway may be gone before a person is told.
    grace: float = 120.0


@dataclass(frozen=True, slots=True)
class Instructions:
    """What new settings may change while it runs. An event keeps those it began with."""

    portfolio_of: Callable[[str], Portfolio]
    #: The accounts that are traded.
    accounts: tuple[str, ...]
    retry: RetryPolicy
    #: Seconds that records of runs are kept; ``None``: for ever.
    keep_records: float | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How many events at once, and how long each step may take."""

    limits: Limits
    deadlines: Deadlines
