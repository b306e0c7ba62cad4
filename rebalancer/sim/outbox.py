"""What a session has to say, until its time has come.

Latency delays answers without making them wait for each other: each message is due a while
after it was made. What must not overtake (everything about orders, all ticks) shares a lane.
"""

from __future__ import annotations

import heapq

#: More than this unread and the client is too slow to keep. The fullest honest answer, a
#: year of minute bars, is about half of it.
MAX_BYTES = 16 << 20


class Outbox:
    """Frames with the moment each is due, handed out in order of those moments."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, bytes]] = []
        self._last_due: dict[str, float] = {}
        self._count = 0
        self._size = 0
        #: Nothing leaves before this moment.
        self.held_until = 0.0

    def put(self, data: bytes, due: float, lane: str) -> None:
        """Send ``data`` at ``due``, and not before what this lane already holds."""
        due = max(due, self._last_due.get(lane, 0.0))
        self._last_due[lane] = due
        self._count += 1
        self._size += len(data)
        heapq.heappush(self._waiting, (due, self._count, data))

    @property
    def overfull(self) -> bool:
        """Whether the client has been too slow for too long."""
        return self._size > MAX_BYTES

    def next_due(self) -> float | None:
        """When there is something to take; ``None`` if there is nothing."""
        return max(self._waiting[0][0], self.held_until) if self._waiting else None

    def take(self, now: float) -> bytes:
        """Everything that is due, as one piece of bytes."""
        if now < self.held_until:
            return b""
        due: list[bytes] = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2])
        taken = b"".join(due)
        self._size -= len(taken)
        return taken

    def discard(self) -> None:
        """Forget everything that was not sent."""
        self._waiting.clear()
        self._size = 0
