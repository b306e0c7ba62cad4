"""Answers being collected: rows that come one by one, until an end, a refusal or too long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rebalancer.errors import GatewayError
from rebalancer.gateway.faults import describe

Row = TypeVar("Row")


@contextlib.asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Run requests at once; the first that fails ends the others and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


class RefusedError(GatewayError):
    """The gateway answered a request with a code."""

    def __init__(self, what: str, code: int, text: str) -> None:
        super().__init__(f"{what}: {describe(code, text)}")
        self.code = code
        self.text = text


@dataclass(slots=True, eq=False)
class Reply(Generic[Row]):
    """The rows of one request; of a subscription also those after its end message."""

    what: str
    ended: asyncio.Future[None]
    req_id: int = -1
    rows: list[Row] = field(default_factory=list)

    def end(self) -> None:
        """All rows are there."""
        if not self.ended.done():
            self.ended.set_result(None)

    def fail(self, error: GatewayError) -> None:
        """No more rows will come."""
        if not self.ended.done():
            self.ended.set_exception(error)
            self.ended.exception()  # seen: a reply nobody awaits any more is no news


#: Sends a request and returns the rows of its reply; raises GatewayError.
Ask = Callable[[Reply[Row], float], Awaitable[list[Row]]]


class Listing(Generic[Row]):
    """Answers that carry no request id: one at a time, and late-comers share the next one.

    A caller never gets an answer that was begun before it called: such a one may miss what
    the caller has just done.
    """

    def __init__(self, what: str, ask: Ask[Row]) -> None:
        self.reply: Reply[Row] | None = None
        self._what = what
        self._ask = ask
        self._lock = asyncio.Lock()
        self._started = 0
        self._finished = 0
        self._rows: list[Row] = []

    async def fetch(self, within: float) -> list[Row]:
        """The rows of an answer begun after this call.

        Raises:
            GatewayError: no full answer within ``within`` seconds.
            GatewayUnavailableError: the session is over.
        """
        wanted = self._started + 1
        try:
            async with asyncio.timeout(within), self._lock:
                if self._finished < wanted:
                    self._started += 1
                    self._rows = await self._fetch(within)
                    self._finished = self._started
        except TimeoutError:
            raise GatewayError(f"{self._what}: no answer within {within:g} s") from None
        return self._rows

    async def _fetch(self, within: float) -> list[Row]:
        self.reply = Reply(self._what, asyncio.get_running_loop().create_future())
        try:
            return await self._ask(self.reply, within)
        finally:
            self.reply = None
