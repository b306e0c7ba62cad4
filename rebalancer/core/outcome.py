"""What happens to an event after a run: decided here, from the error's class alone.

=====================  ==========  =======================================================
the run ended with     outcome     the event then
=====================  ==========  =======================================================
a result               Complete    is finished; the result is in the journal
``DelayedError``       Delay       waits for its time; no attempt is used
``RetryableError``     Retry       waits for its backoff; attempt + 1, capped, then dead
``PermanentError``     Bury        is in the dead letter, with the reason
``LeaseLostError``     Abandon     belongs to another worker; nothing may be touched
anything else          Retry       a defect of ours: retried, so that nothing is lost, and
                                   dead after the cap, so that nothing loops for ever
=====================  ==========  =======================================================
"""

from __future__ import annotations

from dataclasses import dataclass

from rebalancer.errors import DelayedError, LeaseLostError, PermanentError, RebalancerError


@dataclass(frozen=True, slots=True)
class Delay:
    """Run again at ``until`` (Unix seconds)."""

    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Back off and try again. ``unexpected`` marks a defect, whose traceback is logged."""

    error: str
    unexpected: bool = False


@dataclass(frozen=True, slots=True)
class Bury:
    """No retry can help."""

    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """The lease is gone; whoever holds it now decides."""

    reason: str


Failure = Delay | Retry | Bury | Abandon


def outcome_of(error: Exception) -> Failure:
    """Return what an event's failed run leads to."""
    text = str(error) or type(error).__name__
    match error:
        case DelayedError():
            return Delay(error.until, text)
        case PermanentError():
            return Bury(text, type(error).__name__)
        case LeaseLostError():
            return Abandon(text)
        case RebalancerError():
            return Retry(text)
        case _:
            return Retry(f"{type(error).__name__}: {text}", unexpected=True)
