"""The queue over a real connection: ``Queue`` for programs that wait, ``AsyncQueue`` for loops.

Both do the same three things: run a move, take the next event, watch the journal. A move
whose reply is lost is sent once more on a fresh connection; the scripts recognise that.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from redis.asyncio import connection as aio
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from rebalancer.errors import RebalancerError
from rebalancer.queue import keys, moves, scripts
from rebalancer.queue.followers import waiting_for
from rebalancer.queue.journal import entries
from rebalancer.queue.line import Line
from rebalancer.queue.move import Move
from rebalancer.queue.taking import Pop, taking
from rebalancer.queue.values import Entry, Lease
from rebalancer.queue.wire import (
    LOST_REPLY,
    RedisError,
    ResponseError,
    UnknownScriptError,
    connection_options,
    lost,
    meaning,
    without_password,
)

T = TypeVar("T")

_PING = b"*1\r\n$4\r\nPING\r\n"


def _pop(seconds: float) -> bytes:
    parts = ("BLMOVE", keys.QUEUE, keys.PROCESSING, "RIGHT", "LEFT", f"{seconds:.3f}")
    return b"*%d\r\n%b" % (len(parts), scripts.pack(parts))


def _watch(
    after_id: str, seconds: float, limit: int = 100, stream: str = keys.JOURNAL
) -> bytes:
    block = str(max(1, round(seconds * 1000)))
    parts = ("XREAD", "COUNT", str(limit), "BLOCK", block, "STREAMS", stream, after_id)
    return b"*%d\r\n%b" % (len(parts), scripts.pack(parts))


def _entries(reply: Any) -> tuple[Entry, ...]:
    return entries(reply[0][1]) if reply else ()


class Queue:
    """The queue for synchronous callers; threads may share it, processes may not.

    ``url`` is ``redis://``, ``rediss://`` or ``unix://``; ``timeout`` is in seconds and
    applies to each connect, send and reply. Connects at the first use.

    Raises:
        ConfigError: the URL is malformed.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        self._options = connection_options(url, timeout)
        self._kind: type[Connection | UnixDomainSocketConnection] = Connection
        if url.startswith("rediss:"):
            self._kind = SSLConnection
        elif url.startswith("unix:"):
            self._kind = UnixDomainSocketConnection
        self._where = without_password(url)
        self._timeout = timeout
        # Taking from and adding to a deque are atomic, so threads need no lock.
        self._idle: deque[Line] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every idle connection."""
        # Another thread may take the last one between a look and a pop.
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def ping(self) -> None:
        """Return if Redis answers.

        Raises:
            QueueUnavailableError: it does not; the text says what to do.
        """
        self._resending(_PING)

    def run(self, move: Move[T]) -> T:
        """Carry out ``move`` and return its answer.

        Raises:
            QueueUnavailableError: Redis is down or did not answer; nothing is known of the
                move, and running the same value again is safe.
            QueueReadOnlyError: Redis refuses writes; nothing was changed.
            QueueFullError: Redis is out of memory; nothing was changed.
            QueueError: Redis answered with an error of another kind.
            LeaseLostError: another worker owns the lease now; nothing was changed.
        """
        try:
            reply = self._resending(move.packed())
        except UnknownScriptError:
            reply = self._resending(move.packed_in_full())
        return move.parse(reply)

    def take(
        self, worker: str, *, now: Callable[[], float], ttl: float, wait: float
    ) -> Lease | None:
        """Lease the next event for ``ttl`` seconds; ``None`` if none came in ``wait`` seconds.

        Raises: as ``run``.
        """
        steps = taking(worker, now=now, ttl=ttl, wait=wait)
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pop):
                answer = self._once(_pop(step.seconds), step.seconds)
            else:
                answer = self.run(step)

    def watch(self, after_id: str, *, wait: float, limit: int = 100) -> tuple[Entry, ...]:
        """Journal entries after ``after_id``, waiting up to ``wait`` seconds for the first.

        Raises: as ``run``.
        """
        return _entries(self._once(_watch(after_id, wait, limit), wait))

    def _resending(self, packed: bytes) -> Any:
        try:
            return self._exchange(packed)
        except LOST_REPLY:
            # Redis restarted, or stalled: the other idle connections are as stale.
            self.close()
        return self._once(packed)

    def _once(self, packed: bytes, blocking: float = 0.0) -> Any:
        try:
            return self._exchange(packed, blocking)
        except LOST_REPLY as error:
            self.close()
            raise lost(error, self._where, self._timeout + blocking) from error

    def _exchange(self, packed: bytes, blocking: float = 0.0) -> Any:
        try:
            line = self._idle.pop()
        except IndexError:
            line = Line(self._kind(**self._options), self._timeout)
        try:
            reply = line.exchange(packed, blocking)
        except ResponseError as error:
            self._idle.append(line)
            raise meaning(error, self._where) from error
        except BaseException:
            # Cut short, for whatever reason: nobody else may get what still comes.
            line.close()
            raise
        self._idle.append(line)
        return reply


class AsyncQueue:
    """The queue for asyncio; any number of tasks may share it. See ``Queue``.

    Raises:
        ConfigError: the URL is malformed.
    """

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        # _exchange times the whole. redis-py would put each send into asyncio.wait_for, which
        # in Python 3.11 may swallow a cancellation.
        self._options = {**connection_options(url, timeout), "socket_timeout": None}
        self._kind: type[aio.Connection | aio.UnixDomainSocketConnection] = aio.Connection
        if url.startswith("rediss:"):
            self._kind = aio.SSLConnection
        elif url.startswith("unix:"):
            self._kind = aio.UnixDomainSocketConnection
        self._where = without_password(url)
        self._timeout = timeout
        self._idle: deque[Any] = deque()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            await self._idle.pop().disconnect(nowait=True)

    async def ping(self) -> None:
        """Return if Redis answers; otherwise raise as ``Queue.ping``."""
        await self._resending(_PING)

    async def run(self, move: Move[T]) -> T:
        """Carry out ``move`` and return its answer; raises as ``Queue.run``.

        Cancelled, it may or may not have been carried out.
        """
        try:
            reply = await self._resending(move.packed())
        except UnknownScriptError:
            reply = await self._resending(move.packed_in_full())
        return move.parse(reply)

    async def take(
        self, worker: str, *, now: Callable[[], float], ttl: float, wait: float
    ) -> Lease | None:
        """Lease the next event for ``ttl`` seconds; ``None`` if none came in ``wait`` seconds.

        Cancelled, it leaves nothing leased. Raises as ``Queue.run``.
        """
        steps = taking(worker, now=now, ttl=ttl, wait=wait)
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pop):
                answer = await self._once(_pop(step.seconds), step.seconds)
            else:
                answer = await self._run_to_the_end(step, now)

    async def _run_to_the_end(self, move: Move[T], now: Callable[[], float]) -> T:
        """Run ``move``; if cancelled meanwhile, give back what it leased before leaving."""
        running = asyncio.ensure_future(self.run(move))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # Redis gone as well: then the lease simply expires.
            with suppress(RebalancerError):
                found = await running
                if isinstance(found, Lease):
                    await self.run(moves.release(found, now=now()))
            raise

    async def watch(self, after_id: str, *, wait: float, limit: int = 100) -> tuple[Entry, ...]:
        """Journal entries after ``after_id``, waiting up to ``wait`` seconds for the first.

        Raises as ``Queue.run``.
        """
        return _entries(await self._once(_watch(after_id, wait, limit), wait))

    async def news(self, reader: str, *, wait: float, limit: int = 100) -> tuple[Entry, ...]:
        """Journal entries for ``reader``, see ``followers``; waits up to ``wait`` seconds.

        Raises as ``Queue.run``; after that some may be pending without having been seen.
        """
        parts = waiting_for(reader, wait, limit)
        packed = b"*%d\r\n%b" % (len(parts), scripts.pack(parts))
        return _entries(await self._once(packed, wait))

    async def ring(self, after_id: str, *, wait: float) -> str:
        """Return at the first change of the halts after ``after_id``, with its id.

        ``after_id`` itself if none came in ``wait`` seconds. Raises as ``Queue.run``.
        """
        reply = await self._once(_watch(after_id, wait, stream=keys.BELL), wait)
        return str(reply[0][1][-1][0].decode()) if reply else after_id

    async def _resending(self, packed: bytes) -> Any:
        try:
            return await self._exchange(packed)
        except LOST_REPLY:
            await self.close()
        return await self._once(packed)

    async def _once(self, packed: bytes, blocking: float = 0.0) -> Any:
        try:
            return await self._exchange(packed, blocking)
        except LOST_REPLY as error:
            await self.close()
            raise lost(error, self._where, self._timeout + blocking) from error

    async def _exchange(self, packed: bytes, blocking: float = 0.0) -> Any:
        connection = self._idle.pop() if self._idle else self._kind(**self._options)
        whole = False
        try:
            async with asyncio.timeout(self._timeout + blocking):
                await connection.send_packed_command([packed], check_health=False)
                # Its own timeout would answer None, as an empty queue does.
                reply = await connection.read_response(disable_decoding=True, timeout=math.inf)
            whole = True
        except LOST_REPLY:
            raise
        except RedisError as error:
            whole = True
            raise meaning(error, self._where) from error
        finally:
            # Cut short or cancelled: nobody else may get what still comes.
            if whole:
                self._idle.append(connection)
            else:
                await connection.disconnect(nowait=True)
        return reply
