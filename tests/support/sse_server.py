"""A real server of Server-Sent Events on a free port, which misbehaves as it is told.

It keeps what was published and replays it to whoever resumes, in the manner of one of three
services. ``turns`` says what becomes of the next connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Item:
    """Something published."""

    id: str
    text: str
    topic: str = ""
    at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Request:
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Turn:
    """How one connection is treated."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Sent before everything else.
    before: bytes = b""
    #: Cut off, without an end, after so many bytes of items.
    cut_after: int | None = None
    #: What becomes of a replay.
    replay: Callable[[list[Item]], list[Item]] = list
    #: End in order after the replay and ``before``.
    ends: bool = False
    kind: str = "text/event-stream; charset=utf-8"


@dataclass(frozen=True)
class Dialect:
    """A service: how it writes an item, and where one who comes back was."""

    #: One who says nothing of where they were gets everything.
    whole: bool = False

    def block(self, item: Item) -> bytes:
        lines = "".join(f"data: {line}\n" for line in item.text.split("\n"))
        name = f"id: {item.id}\n" if item.id else ""
        return f"{name}{lines}\n".encode()

    def topic(self, request: Request) -> str:
        return ""

    def missed(self, request: Request, items: Sequence[Item]) -> list[Item]:
        last = request.headers.get("last-event-id", "")
        if last:
            return _after(last, items)
        return list(items) if self.whole else []


class Ably(Dialect):
    def block(self, item: Item) -> bytes:
        envelope = {
            "id": f"m.{item.id}",
            "timestamp": int(item.at * 1000),
            "encoding": "json",
            "channel": item.topic,
            "data": item.text,
            "name": "signal",
        }
        return f"id: {item.id}\nevent: message\ndata: {json.dumps(envelope)}\n\n".encode()

    def topic(self, request: Request) -> str:
        return request.query["channels"]

    def missed(self, request: Request, items: Sequence[Item]) -> list[Item]:
        if last := request.query.get("lastEvent"):
            return _after(last, items)
        return list(items)[-int(request.query.get("rewind", "0")) :] * (
            "rewind" in request.query
        )


class Ntfy(Dialect):
    def block(self, item: Item) -> bytes:
        message = {
            "id": item.id,
            "time": int(item.at),
            "event": "message",
            "topic": item.topic,
            "message": item.text,
        }
        return f"data: {json.dumps(message, separators=(',', ':'))}\n\n".encode()

    def topic(self, request: Request) -> str:
        return request.path.split("/")[-2]

    def missed(self, request: Request, items: Sequence[Item]) -> list[Item]:
        since = request.query.get("since", "")
        if len(since) == 10 and since.isdigit():
            return [item for item in items if item.at >= float(since)]
        # As the real one does: an id that it does not have gives everything.
        return (_after(since, items) or list(items)) if since else []


def _after(last: str, items: Sequence[Item]) -> list[Item]:
    ids = [item.id for item in items]
    return list(items[ids.index(last) + 1 :]) if last in ids else []


class SseServer:
    """Serves until the end of a ``serving`` block."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._items: list[Item] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.turns: deque[Turn] = deque()
        #: The treatment of every connection after ``turns``.
        self.otherwise = Turn()
        self.requests: list[Request] = []
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def open(self) -> int:
        """How many streams are being served."""
        return len(self._writers)

    async def publish(self, *items: Item) -> None:
        async with self._news:
            self._items += items
            self._news.notify_all()

    async def say(self, raw: bytes) -> None:
        """Send bytes to everybody, outside of what is kept."""
        for writer in self._writers:
            await _chunk(writer, raw)

    def drop(self) -> None:
        """Cut everybody off."""
        for writer in self._writers:
            writer.transport.abort()

    def forget(self) -> None:
        """What was published is not kept any longer."""
        self._items.clear()

    async def begin(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def end(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _has_more_than(self, count: int) -> bool:
        return len(self._items) > count

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            if task in self._tasks and self._server is not None and self._server.is_serving():
                raise
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = _request(await reader.readuntil(b"\r\n\r\n"))
        self.requests.append(request)
        turn = self.turns.popleft() if self.turns else self.otherwise
        headers = {"Content-Type": turn.kind, **turn.headers}
        if turn.status == 200:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = "0"
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {turn.status} Said\r\n{head}\r\n".encode())
        await writer.drain()
        if turn.status == 200:
            gone = asyncio.create_task(reader.read())
            stream = asyncio.create_task(self._stream(request, turn, writer))
            try:
                await asyncio.wait({gone, stream}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (gone, stream):
                    task.cancel()
                await asyncio.wait({gone, stream})
                for task in (gone, stream):
                    if not task.cancelled():
                        task.exception()

    async def _stream(self, request: Request, turn: Turn, writer: asyncio.StreamWriter) -> None:
        topic = self._dialect.topic(request)
        kept = [item for item in self._items if item.topic == topic]
        served = len(self._items)
        if turn.before:
            await _chunk(writer, turn.before)
        sending = turn.replay(self._dialect.missed(request, kept))
        self._writers.add(writer)
        room = turn.cut_after
        while True:
            for item in sending:
                raw = self._dialect.block(item)
                if room is not None and len(raw) > room:
                    await _chunk(writer, raw[:room])
                    writer.transport.abort()
                    return
                room = None if room is None else room - len(raw)
                await _chunk(writer, raw)
            if turn.ends:
                writer.write(b"0\r\n\r\n")
                await writer.drain()
                return
            async with self._news:
                await self._news.wait_for(partial(self._has_more_than, served))
                sending = [item for item in self._items[served:] if item.topic == topic]
                served = len(self._items)


async def _chunk(writer: asyncio.StreamWriter, raw: bytes) -> None:
    if raw:
        writer.write(b"%x\r\n%b\r\n" % (len(raw), raw))
        await writer.drain()


def _request(head: bytes) -> Request:
    first, *lines = head.decode().split("\r\n")
    parts = urlsplit(first.split(" ")[1])
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    headers = {
        name.lower(): value
        for name, _, value in (line.partition(": ") for line in lines if line)
    }
    return Request(parts.path, query, headers)


@contextlib.asynccontextmanager
async def serving(dialect: Dialect | None = None) -> AsyncIterator[SseServer]:
    """A server in this loop for the length of a ``with`` block."""
    server = SseServer(dialect or Dialect())
    await server.begin()
    try:
        yield server
    finally:
        await server.end()
