"""A signal on its way: which account shall do what, and how often it was tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Priority = Literal["normal", "high"]

#: Every ``exec_command`` the processor knows.
COMMANDS = (
    "rebalance",
    "print-rebalance",
    "print-positions",
    "print-equity",
    "print-orders",
    "cancel-orders",
    "settle-orders",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One accepted signal. Times are Unix seconds by the enqueuer's clock."""

    event_id: str
    account_id: str
    exec_command: str
    received_at: float
    data: Mapping[str, Any] = field(default_factory=dict)
    priority: Priority = "normal"
    source: str = "cli"
    #: Failed attempts so far; a delay uses none.
    attempt: int = 0
    last_error: str = ""
    #: Later signals of the same key that were folded into this one.
    merged: int = 0
    #: Executions that ended without a word: their worker was killed, or cut off.
    reclaims: int = 0

    @property
    def key(self) -> str:
        """The deduplication key, as the members of ``active_events_set`` spell it."""
        return f"{self.account_id}:{self.exec_command}"
