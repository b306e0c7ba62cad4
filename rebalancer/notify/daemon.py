"""The notifier: one follower per service, and a watch over the other programs.

1. services that are not configured any more are forgotten, with what waited for them
2. each follower goes its own way; none waits for another
3. every few seconds: say that we live, and look whether the others do
4. Redis gone: that is told directly, since no journal can carry it
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rebalancer import sdnotify
from rebalancer.core.vigil import Alert
from rebalancer.errors import QueueError
from rebalancer.notify.follower import PREFIX, Follower
from rebalancer.notify.notices import Notice
from rebalancer.notify.watch import look
from rebalancer.queue import followers, moves
from rebalancer.queue.move import Move
from rebalancer.queue.store import AsyncQueue

log = logging.getLogger("rebalancer.notify")

NAME = "notify"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    #: A program without a sign of life for this long is told about; so is Redis.
    silence: float = 60.0
    beat: float = 5.0


class Notifier:
    """One notifier process. ``run`` returns after ``stop``."""

    def __init__(
        self,
        queue: AsyncQueue,
        services: Sequence[Follower],
        *,
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._services = services
        self._limits = limits
        self._clock = clock
        self._stopping = asyncio.Event()
        #: Programs that were silent at the last look; ``None`` before the first.
        self._silent: frozenset[str] | None = None
        #: What is to be put into the journal and is not there yet.
        self._untold: list[Move[None]] = []
        self._redis_since: float | None = None
        self._redis_told = False
        #: Signs of life are judged from then on; loop seconds.
        self._fair_from = 0.0

    def stop(self) -> None:
        """Begin an orderly end."""
        self._stopping.set()

    async def run(self) -> None:
        """Tell until ``stop``."""
        sdnotify.ready()
        tasks = [
            asyncio.create_task(self._watch()),
            asyncio.create_task(self._stopping.wait()),
            *(asyncio.create_task(service.run()) for service in self._services),
        ]
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        sdnotify.stopping()
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()  # a follower that died takes the process with it

    async def _watch(self) -> None:
        tidy = False
        self._give_time()
        while True:
            try:
                tidy = tidy or await self._forget_strangers()
                await self._beat()
            except QueueError as error:
                self._redis_gone(error)
            else:
                self._redis_here()
            sdnotify.status(self._status())
            sdnotify.watchdog()
            await asyncio.sleep(self._limits.beat)

    async def _forget_strangers(self) -> bool:
        ours = {PREFIX + service.addressee.name for service in self._services}
        for reader in await self._queue.run(followers.followers(PREFIX)):
            if reader.name not in ours:
                log.warning(
                    "%s is no service any more; %s entries that waited for it are forgotten",
                    reader.name.removeprefix(PREFIX),
                    "unknown" if reader.behind is None else reader.behind + reader.pending,
                )
                await self._queue.run(followers.unfollow(reader.name))
        return True

    async def _beat(self) -> None:
        now = self._clock()
        seen = dict(await self._queue.run(moves.daemons()))
        before = seen.pop(NAME, None)
        if self._silent is None:
            # What the process before this one has told already.
            told = before.info.get("silent", ()) if before is not None else ()
            self._silent = frozenset(map(str, told))
        at = {name: daemon.at for name, daemon in seen.items()}
        silent = self._silent
        alerts: tuple[Alert, ...] = ()
        if asyncio.get_running_loop().time() >= self._fair_from:
            silent, alerts = look(self._silent, at, now, self._limits.silence)
        for alert in alerts:
            log.warning("%s: %s", alert.title, alert.text)
            self._untold.append(
                moves.alert(alert.title, alert.text, remedy=alert.remedy, now=now)
            )
        self._silent = silent
        while self._untold:
            # The same move until it is answered: the journal knows it by its request.
            await self._queue.run(self._untold[0])
            self._untold.pop(0)
        # Last: killed before this, a person is told twice, never not at all.
        info = {
            "status": self._status(),
            "silent": sorted(silent),
            "services": {
                service.addressee.name: {"waiting": service.waiting, "failing": service.failing}
                for service in self._services
            },
        }
        await self._queue.run(moves.heartbeat_daemon(NAME, info, now=now))

    def _give_time(self) -> None:
        """After a start of the host, or of Redis, all have to be heard of again first."""
        self._fair_from = asyncio.get_running_loop().time() + self._limits.silence

    def _status(self) -> str:
        failing = [service.addressee.name for service in self._services if service.failing]
        waiting = sum(service.waiting for service in self._services)
        trouble = f"; failing: {', '.join(failing)}" if failing else ""
        return f"{len(self._services)} services, {waiting} notices wait{trouble}"

    # Redis itself --------------------------------------------------------------------------

    def _redis_gone(self, error: QueueError) -> None:
        now = asyncio.get_running_loop().time()
        if self._redis_since is None:
            self._redis_since = now
            log.warning("%s", error)
        if not self._redis_told and now - self._redis_since >= self._limits.silence:
            self._redis_told = True
            self._tell_all(
                Alert(
                    "Redis does not answer",
                    f"For {now - self._redis_since:.0f} s: {error}. Nothing is traded, and no "
                    f"other notice comes until it is back.",
                    "systemctl status redis-server",
                )
            )

    def _redis_here(self) -> None:
        if self._redis_told:
            self._tell_all(Alert("Redis is back", "What waited is carried out."))
        if self._redis_since is not None:
            self._give_time()
        self._redis_since, self._redis_told = None, False

    def _tell_all(self, alert: Alert) -> None:
        log.warning("%s: %s", alert.title, alert.text)
        at = self._clock()
        for service in self._services:
            service.tell(Notice("critical", alert.title, alert.text, alert.remedy, at=at))
