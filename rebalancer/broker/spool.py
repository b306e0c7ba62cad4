"""The source that watches a directory: a file dropped in becomes signals.

1. each second look for files that stand still: seen before, and not changed since
2. read one; what can never run goes to ``rejected/`` with the reason beside it
3. hand its signals in; only when the last is accepted, move the file to ``done/``

A kill between 3's halves leaves the file: it is read again, under the same event ids, and
changes nothing. The ids are made of name, content and the file's identity on its disk, so that
the same words dropped again tomorrow are another signal. Redis down: files wait where they are.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from rebalancer.broker import documents
from rebalancer.broker.drawer import Drawer, Found
from rebalancer.broker.intake import EXCERPT, Intake
from rebalancer.errors import PermanentError
from rebalancer.ingest import Audience, read

log = logging.getLogger("rebalancer.broker")

#: Seconds between two looks, and between two clearings of what was put away.
LOOK = 1.0
TIDY = 3600.0


@dataclass(frozen=True, slots=True)
class Spool:
    """A directory as a source."""

    directory: Path
    #: Whom signals may be for.
    audience: Audience
    #: Seconds that files are kept after they were put away; 0: for ever.
    keep: float
    #: Seconds between two looks.
    look: float = field(default=LOOK, compare=False)

    name: ClassVar[str] = "spool"

    def about(self) -> str:
        """A few words for the status line."""
        return f"spool {self.directory}"

    async def run(self, intake: Intake) -> None:
        """Take files in, until cancelled."""
        drawer = Drawer(self.directory)
        before: dict[str, Found] = {}
        tidied = 0.0
        while True:
            try:
                drawer.prepare()
                now = drawer.waiting()
                for found in now:
                    if before.get(found.name) == found:
                        await self._take(found, drawer, intake)
                before = {found.name: found for found in now}
                if self.keep and intake.clock() - tidied >= TIDY:
                    tidied = intake.clock()
                    drawer.tidy(older_than=tidied - self.keep)
            except OSError as error:
                await self._say(intake, f"{error.filename or self.directory}: {error.strerror}")
            else:
                intake.well(self.name)
            await asyncio.sleep(self.look)

    async def _say(self, intake: Intake, text: str) -> None:
        title, remedy = (
            "No files are taken in",
            "see docs/how-to/spool.md for who must own what",
        )
        await intake.trouble(self.name, title, text, remedy)

    async def _take(self, found: Found, drawer: Drawer, intake: Intake) -> None:
        raw = b""
        name = found.mark
        try:
            raw = drawer.read(found)
            name = _event_id(found, raw)
            events = read(
                documents.parse(found.name, raw),
                self.audience,
                now=intake.clock(),
                source=self.name,
                event_id=name,
            )
            await intake.accept(*events)
        except PermanentError as error:
            shown = f"{found.name}: {raw[:EXCERPT].decode(errors='replace')}"
            await intake.reject(self.name, shown, str(error), request=name)
            drawer.put_away(found, "rejected", reason=str(error))
        except FileNotFoundError:
            log.info("%r was taken back by whoever put it there", found.name)
        else:
            drawer.put_away(found, "done")


def _event_id(found: Found, raw: bytes) -> str:
    digest = hashlib.sha256(b"\0".join([found.name.encode("utf-8", "surrogateescape"), raw]))
    digest.update(found.mark.encode())
    return f"spool.{digest.hexdigest()[:24]}"
