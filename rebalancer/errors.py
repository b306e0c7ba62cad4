"""Errors, named by what happens next.

A handler raises the class whose *consequence* it wants; ``core/outcome.py`` turns it into
a move of the event and ``processor/daemon.py`` is the only place that catches broadly.
"""

from __future__ import annotations


class RebalancerError(Exception):
    """Root of everything this package raises on purpose."""


class RetryableError(RebalancerError):
    """Try again later: backoff with jitter, one attempt used, dead letter after the cap."""


class DelayedError(RebalancerError):
    """Run again at ``until`` (Unix seconds); no attempt is used."""

    def __init__(self, reason: str, *, until: float) -> None:
        super().__init__(reason)
        self.until = until


class PermanentError(RebalancerError):
    """No retry can help: dead letter, and a person is told."""


class ConfigError(PermanentError):
    """The operator's files are wrong; the text names file, line, key and remedy."""


class QueueError(RetryableError):
    """Redis did not carry out a move; whether it did is settled by sending it again."""


class QueueUnavailableError(QueueError):
    """Redis is down, loading, or did not answer within the timeout."""


class QueueReadOnlyError(QueueError):
    """Redis refuses writes (replica, failed disk, ``stop-writes-on-bgsave-error``)."""


class QueueFullError(QueueError):
    """Redis is out of memory (``maxmemory`` reached with ``noeviction``)."""


class LeaseLostError(RebalancerError):
    """Another worker owns the event now: stop at once and touch nothing."""


class GatewayError(RetryableError):
    """IB Gateway did not do what was asked in time; the text has its code if it gave one."""


class GatewayUnavailableError(GatewayError):
    """No usable connection to IB Gateway."""


class WrongGatewayError(PermanentError):
    """Account, port and trading mode disagree; nothing may be traded."""


class UnknownInstrumentError(PermanentError):
    """A symbol could not be resolved to exactly one tradable contract."""


class StaleDataError(RetryableError):
    """Prices or balances are missing, NaN, stale or of a kind the policy does not allow."""
