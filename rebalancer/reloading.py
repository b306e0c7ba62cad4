"""SIGHUP: the files are read again, all or nothing, while everything goes on.

1. read every file; with a mistake in any of them nothing changes, and log and journal say each
2. hand the new settings to the program; what it runs already it ends as it began
3. say which changed keys wait for a restart

``systemctl reload`` and ``kill -HUP`` are the same here. Between 1 and 3 systemd is told that
the service reloads, so that a unit of ``Type=notify-reload`` waits for the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rebalancer import sdnotify
from rebalancer.errors import QueueError
from rebalancer.queue import moves
from rebalancer.queue.move import Move
from rebalancer.queue.store import AsyncQueue
from rebalancer.settings import Files, InvalidSettingsError, Problem, Settings, load
from rebalancer.settings.reloading import taken_over

log = logging.getLogger("rebalancer.settings")

#: Most problems that the journal is told; the log has them all.
MOST = 20


class Reloader:
    """Reads the settings of one program again whenever it is asked to."""

    def __init__(
        self,
        program: str,
        settings: Settings,
        files: Files,
        queue: AsyncQueue,
        adopt: Callable[[Settings], Awaitable[None]],
    ) -> None:
        self._program = program
        self._settings = settings
        self._files = files
        self._queue = queue
        self._adopt = adopt
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read the files again soon; a signal handler may call this."""
        self._asked.set()

    @contextlib.asynccontextmanager
    async def minding(self) -> AsyncIterator[None]:
        """Answer ``ask`` for the length of a ``with`` block."""
        task = asyncio.create_task(self._mind())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _mind(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            sdnotify.reloading(time.monotonic())
            try:
                told = await self._reload()
            except Exception:  # a reload that fails, however, must not end what runs
                log.exception("not reloaded")
                told = []
            sdnotify.ready()
            await self._tell(told)

    async def _reload(self) -> Sequence[Move[None]]:
        """Take over what is right; what the journal shall be told of it."""
        try:
            fresh = await asyncio.to_thread(load, self._files)
        except InvalidSettingsError as error:
            return self._refused(error.problems)
        settings, waiting = taken_over(self._program, self._settings, fresh)
        await self._adopt(settings)
        self._settings = settings
        restart = f"; these wait for a restart: {', '.join(waiting)}" if waiting else ""
        log.log(logging.WARNING if waiting else logging.INFO, "settings reloaded%s", restart)
        accounts = [account.account_id for account in settings.traded()]
        return [self._note("reloaded", {"accounts": accounts, "needs_restart": waiting})]

    def _refused(self, problems: Sequence[Problem]) -> Sequence[Move[None]]:
        for problem in problems:
            log.error("settings not reloaded: %s", problem)
        said = [asdict(problem) for problem in problems[:MOST]]
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        return [
            self._note("not_reloaded", {"problems": said, "count": len(problems)}),
            moves.alert(
                f"The {self._program} goes on with its old settings",
                f"{problems[0]}{more}",
                now=time.time(),
                remedy="see `rebalancer config check`, mend it and reload again",
            ),
        ]

    def _note(self, kind: str, data: Mapping[str, Any]) -> Move[None]:
        return moves.note(kind, {"program": self._program, **data}, now=time.time())

    async def _tell(self, told: Sequence[Move[None]]) -> None:
        try:
            for move in told:
                await self._queue.run(move)
        except QueueError as error:
            # The log has it. Waiting for Redis here would hold up the next reload.
            log.warning("not in the journal, because of Redis: %s", error)
