"""Simulated time: a pure function of a real clock."""

from __future__ import annotations

from collections.abc import Callable

#: Tells the real time, Unix seconds.
Clock = Callable[[], float]


class SimClock:
    """The simulated time: it starts where the world says and runs at its rate."""

    def __init__(self, start: float, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._zero = clock()
        self._start = self._last = start

    def now(self) -> float:
        """The simulated time; a real clock that is set back does not turn it back."""
        now = self._start + (self._clock() - self._zero) * self._rate
        self._last = max(self._last, now)
        return self._last

    def to_dict(self) -> dict[str, float]:
        """Which simulated time it was at which real time."""
        return {"simulated": self.now(), "real": self._clock()}
