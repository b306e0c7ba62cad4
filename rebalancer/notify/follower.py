"""One service: read the journal, tell what is worth telling, and only then acknowledge.

1. at the start, and after every doubt, ask again for what was given and not acknowledged
2. take what is new; what is not worth telling is acknowledged at once
3. when a message is due, send it; acknowledged is what the service took
4. a service that does not take it gets it again after a backoff; meanwhile what is new is
   counted into what waits, and when too much waits it stays in the journal
5. what is too old is given up: in the log, in a counter, and in the next message
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from rebalancer.core.metrics import count
from rebalancer.errors import QueueError
from rebalancer.notify.notices import Notice, notice_of
from rebalancer.notify.outbox import Message, Outbox, Rules
from rebalancer.notify.services import Addressee, Service
from rebalancer.queue import followers, measures
from rebalancer.queue.journal import START
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Entry

log = logging.getLogger("rebalancer.notify")

#: What readers of the journal are called that belong to services.
PREFIX = "notify:"
#: Entries that may wait here; beyond that they wait in the journal.
MOST = 1000
#: Longest wait for news, and pause after Redis refused; seconds.
WAIT, RETRY = 5.0, 1.0
#: Entries acknowledged by one command.
_BATCH = 500


class Follower:
    """One service's way through the journal. ``clock`` is in Unix seconds."""

    def __init__(
        self,
        addressee: Addressee,
        service: Service,
        queue: AsyncQueue,
        *,
        rules: Rules,
        clock: Callable[[], float],
    ) -> None:
        self.addressee = addressee
        self._service = service
        self._queue = queue
        self._rules = rules
        self._clock = clock
        self._reader = PREFIX + addressee.name
        self._outbox = Outbox(rules)
        #: Told, or not worth telling, and still to be acknowledged.
        self._done: set[str] = set()
        #: What is being told.
        self._flying: frozenset[str] = frozenset()
        #: The last entry given to us; '' before the first look.
        self._position = ""
        #: Nothing may be pending that we have not seen.
        self._certain = False
        self._trouble = ""
        #: Why the service did not take the last message; '' if it did.
        self.failing = ""
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Entries that wait to be told."""
        return len(self._outbox)

    def tell(self, notice: Notice) -> None:
        """Have something told that is in no journal."""
        if self.addressee.wants(notice.level, notice.account_id):
            self._outbox.add(notice, self._now())
            self._news.set()

    async def run(self) -> None:
        """Read and tell until cancelled."""
        telling = asyncio.create_task(self._tell())
        try:
            await asyncio.gather(self._read(), telling)
        finally:
            telling.cancel()
            await asyncio.wait({telling})

    # Reading -------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            try:
                if not self._certain:
                    await self._recover()
                await self._acknowledge()
                if len(self._outbox) >= MOST:
                    await asyncio.sleep(RETRY)
                    continue
                await self._take_in(await self._queue.news(self._reader, wait=WAIT))
            except QueueError as error:
                # Entries may be ours by now without having reached us.
                self._certain = False
                if str(error) != self._trouble:
                    log.warning("%s waits: %s", self.addressee.name, error)
                self._trouble = str(error)
                await asyncio.sleep(RETRY)
            else:
                self._trouble = ""

    async def _recover(self) -> None:
        # Followed before and gone now: the journal is a new one, and all in it is news.
        after = START if self._position else followers.LATEST
        now = self._clock()
        await self._queue.run(followers.follow(self._reader, now=now, after=after))
        mine = await self._queue.run(followers.followers(self._reader))
        held = {*self._outbox.ids, *self._done, *self._flying}
        after = START
        while True:
            found, gone = await self._queue.run(followers.pending(self._reader, after))
            if not found and not gone:
                break
            self._sort(entry for entry in found if entry.id not in held)
            if lost := [entry_id for entry_id in gone if entry_id not in held]:
                self._missed(min(lost, key=followers.order), max(lost, key=followers.order))
                self._done.update(lost)
            after = max((*gone, *(entry.id for entry in found)), key=followers.order)
        self._position = next(one.position for one in mine if one.name == self._reader)
        self._certain = True
        log.info("%s follows the journal from %s", self.addressee.name, self._position)

    async def _take_in(self, found: tuple[Entry, ...]) -> None:
        if not found:
            return
        before, self._position = self._position, found[-1].id
        self._sort(found)
        # The journal only forgets its beginning: if it still has what we knew, none is missing.
        kept = await self._queue.run(followers.bounds())
        if kept.forgot_after(before):
            self._missed(before, found[0].id)

    def _sort(self, entries: Iterable[Entry]) -> None:
        now = self._now()
        for entry in entries:
            notice = notice_of(entry)
            if notice and self.addressee.wants(notice.level, notice.account_id):
                self._outbox.add(notice, now)
                self._news.set()
            else:
                self._done.add(entry.id)

    def _missed(self, after: str, before: str) -> None:
        began, ended = _moment(after), _moment(before)
        log.error(
            "%s: the journal forgot entries before they were told: between %s and %s",
            self.addressee.name,
            began,
            ended,
        )
        self.tell(
            Notice(
                "critical",
                "Notices are missing",
                f"The journal forgot entries before they were read. What happened between "
                f"{began} and {ended} may not have been told.",
                "look: rebalancer history, rebalancer queue list",
                at=self._clock(),
            )
        )

    # Telling -------------------------------------------------------------------------------

    async def _tell(self) -> None:
        while True:
            self._news.clear()
            await self._give_up()
            due = self._outbox.next_due()
            left = WAIT if due is None else min(due - self._now(), WAIT)
            if left > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._news.wait()
                continue
            message = self._outbox.take(self._now())
            if message is not None:
                await self._send(message)

    async def _send(self, message: Message) -> None:
        name, number = self.addressee.name, sum(one.times for one in message.notices)
        self._flying = frozenset(message.ids)
        why = await self._service.send(message)
        self._flying = frozenset()
        if why:
            pause = self._outbox.failed(message, self._now())
            if why != self.failing:
                log.warning("%s did not take a message: %s; again in %g s", name, why, pause)
            self.failing = why
            await self._measure("failed", 1)
            return
        if self.failing:
            log.info("%s takes messages again", name)
        self.failing = ""
        self._outbox.sent(message, self._now())
        self._done.update(message.ids)
        log.info("%s was told: %s", name, message.title)
        try:
            await self._acknowledge()
        except QueueError as error:
            log.debug("acknowledged later: %s", error)
        await self._measure("sent", number)

    async def _give_up(self) -> None:
        over = self._outbox.give_up(self._clock())
        if not over:
            return
        times, hours = sum(one.times for one in over), self._rules.give_up / 3600
        for one in over:
            log.error("%s was not told within %g h: %s", self.addressee.name, hours, one.title)
        self._done.update(entry_id for one in over for entry_id in one.ids)
        self.tell(
            Notice(
                "critical",
                "Notices were given up",
                f"They could not be told within {hours:g} hours.",
                "look: rebalancer journal, rebalancer history",
                at=self._clock(),
                times=times,
            )
        )
        await self._measure("dropped", times)

    async def _acknowledge(self) -> None:
        while self._done:
            batch = sorted(self._done)[:_BATCH]
            await self._queue.run(followers.acknowledge(self._reader, batch))
            self._done.difference_update(batch)

    async def _measure(self, result: str, times: int) -> None:
        sample = count("rebalancer_notifications_total", self.addressee.name, result, by=times)
        try:
            await self._queue.run(measures.measure([sample], now=self._clock()))
        except QueueError as error:
            log.debug("not counted: %s", error)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _moment(entry_id: str) -> str:
    if followers.order(entry_id) == followers.order(START):
        return "the beginning"
    at = datetime.fromtimestamp(followers.seconds(entry_id), UTC)
    return at.strftime("%Y-%m-%d %H:%M:%SZ")
