"""What every source hands its signals to, and tells its troubles.

Redis down is back-pressure: ``accept`` returns when the signal is in, and until then its source
stands still. Nothing is buffered here, so nothing can be lost here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from rebalancer.core.event import Event
from rebalancer.errors import QueueError
from rebalancer.logs import event_context
from rebalancer.queue import journal, moves, signals
from rebalancer.queue.move import Move
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Enqueued

log = logging.getLogger("rebalancer.broker")

T = TypeVar("T")

#: Pause after Redis refused, in seconds.
PAUSE = 1.0
#: Most of a bad signal, and of the reason against it, that the journal is told. Characters.
EXCERPT = 500


class Intake:
    """The way into the queue; shared by all sources of a broker."""

    def __init__(self, queue: AsyncQueue, clock: Callable[[], float]) -> None:
        self._queue = queue
        self.clock = clock
        #: What sources show to others in the broker's sign of life, by name.
        self.shown: dict[str, Any] = {}
        #: Set when that changes.
        self.news = asyncio.Event()
        #: Since when Redis has not been answering, in Unix seconds; ``None``: it does.
        self.waiting_since: float | None = None
        self._troubles: dict[str, str] = {}
        self._waits_for = ""

    async def accept(
        self, *events: Event, seen: tuple[str, float] | None = None
    ) -> tuple[Enqueued, ...]:
        """Return what became of signals, once all of them are in the queue.

        ``seen`` is a schedule and the due time up to which it has been seen with them.

        Raises:
            PermanentError: one cannot be written down; then none was accepted.
        """
        now = self.clock()
        every = [moves.enqueue(event, now=now, counted=True, seen=seen) for event in events]
        answers: list[Enqueued] = []
        for event, move in zip(events, every, strict=True):
            with event_context(event.event_id, event.account_id):
                answers.append(await self.insist(move))
                log.info("%s from %s: %s", event.event_id, event.source, answers[-1].status)
        return tuple(answers)

    async def reject(self, source: str, what: str, reason: str, *, request: str) -> None:
        """Put down and count what can never run; ``request`` names it, should it come again."""
        reason, what = _printable(reason), _printable(what)
        log.warning("%s: rejected: %s", source, reason)
        data = {"source": source, "reason": reason, "signal": what}
        await self.insist(
            signals.turn_away("rejected", source, data, now=self.clock(), request=request)
        )

    async def insist(self, move: Move[T]) -> T:
        """Carry out a move, however long Redis takes to come back."""
        while True:
            try:
                answer = await self._queue.run(move)
            except QueueError as error:
                if str(error) != self._waits_for:
                    log.warning("waiting for Redis: %s", error)
                self._waits_for = str(error)
                self.waiting_since = self.waiting_since or self.clock()
                await asyncio.sleep(PAUSE)
            else:
                self._waits_for, self.waiting_since = "", None
                return answer

    def show(self, name: str, value: object) -> None:
        """Let others see something under a name, instead of what was there."""
        if self.shown.get(name) != value:
            self.shown[name] = value
            self.news.set()

    async def trouble(self, name: str, title: str, text: str, remedy: str) -> None:
        """Tell a person, once for each ``text`` until ``well`` is said of the same ``name``."""
        if self._troubles.get(name) == text:
            return
        log.error("%s: %s", title, text)
        await self.insist(journal.alert(title, text, now=self.clock(), remedy=remedy))
        self._troubles[name] = text

    def well(self, name: str) -> None:
        """The trouble of this name is over."""
        if self._troubles.pop(name, None) is not None:
            log.info("%s: as it should be again", name)

    async def note(self, kind: str, data: Mapping[str, Any]) -> None:
        """Write to the journal what is no signal."""
        await self.insist(moves.note(kind, data, now=self.clock()))


def _printable(text: str) -> str:
    """A bounded text that can be written down, whatever came."""
    return text[:EXCERPT].encode(errors="replace").decode()
