"""How fast a client may talk: fifty messages a second."""

from __future__ import annotations

from collections import deque

MAX_RATE = 50
#: How often a client may be too fast before it is cut off.
MAX_VIOLATIONS = 3


class Pace:
    """Counts messages in a sliding ``second``. A ``patient`` one delays instead of scolding."""

    def __init__(self, second: float) -> None:
        self.patient = False
        self._second = second
        self._recent: deque[float] = deque(maxlen=MAX_RATE)
        self._violations = 0
        self._last_violation = float("-inf")

    @property
    def exhausted(self) -> bool:
        """Too fast too often."""
        return self._violations >= MAX_VIOLATIONS

    def wait(self, now: float) -> float:
        """How long until one more message is within the pace; 0 if it is now."""
        if len(self._recent) < MAX_RATE:
            return 0.0
        return max(0.0, self._recent[0] + self._second - now)

    def count(self, now: float) -> None:
        """A message was within the pace."""
        self._recent.append(now)

    def violation(self, now: float) -> int | None:
        """A message was not: how often so far; ``None`` if that was said this second."""
        if now - self._last_violation < self._second:
            return None
        self._last_violation = now
        self._violations += 1
        return self._violations
