"""A connection that sends one command at a time and reads its reply, and does no more.

redis-py connects, logs in and does TLS. But each command costs it some twenty calls, more
than everything else on this side of a move, so commands and replies pass it by: this module
sends what is packed already and cuts up what comes back.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

_SIZE = 65_536
#: A timeout as the kernel takes it: whole seconds and microseconds.
_TIMEVAL = struct.Struct("@ll")
#: The first byte of a reply says what it is.
_STRING, _NUMBER, _STATUS, _LIST, _ERROR = b"$:+*-"


class Line:
    """An open connection. Whoever sees ``exchange`` fail must close it, save after an answer.

    ``connection`` is one of redis-py's, not connected yet; ``timeout`` is in seconds.

    Raises:
        redis.RedisError: no connection, or the login was refused.
    """

    __slots__ = ("_at", "_connection", "_data", "_socket", "_timeout")

    def __init__(self, connection: Any, timeout: float) -> None:
        connection.connect()
        self._connection = connection
        self._socket = connection._sock  # noqa: SLF001 - where redis-py's own parsers find it
        self._timeout = timeout
        if type(self._socket) is socket.socket:
            # Python asks the kernel before each send and each receive whether it may, if it
            # keeps a timeout itself. The kernel can keep it, too; TLS must not be cut short so.
            self._socket.settimeout(None)
            self._allow(socket.SO_SNDTIMEO, timeout)
        self._allow(socket.SO_RCVTIMEO, timeout)
        self._data = b""
        self._at = 0

    def close(self) -> None:
        """Hang up."""
        self._connection.disconnect()

    def exchange(self, packed: bytes, blocking: float = 0.0) -> Any:
        """Send a command and return its reply, strings as bytes.

        ``blocking``: seconds that the command itself may wait before it is answered.

        Raises:
            redis.ResponseError: the answer is an error; the line is fit for more.
            OSError, redis.ConnectionError: no answer; close the line.
        """
        try:
            self._socket.sendall(packed)
            if blocking:
                self._allow(socket.SO_RCVTIMEO, self._timeout + blocking)
                self._receive()
                self._allow(socket.SO_RCVTIMEO, self._timeout)
            else:
                self._receive()
            # Nearly always the reply is one string, and here in one piece.
            data = self._data
            head = data.find(b"\r\n")
            if data[0] == _STRING and head > 0 and len(data) == head + int(data[1:head]) + 4:
                self._at = len(data)
                return data[head + 2 : -2]
            return self._reply()
        except BlockingIOError as error:
            raise TimeoutError(f"silent for {self._timeout + blocking:g} s") from error

    def _allow(self, option: int, seconds: float) -> None:
        """Let a send (SO_SNDTIMEO) or a receive (SO_RCVTIMEO) take so long, and no longer."""
        if self._socket.gettimeout() is not None:
            self._socket.settimeout(seconds)
            return
        whole, part = divmod(seconds, 1)
        # Zero would mean for ever.
        lapse = _TIMEVAL.pack(int(whole), max(int(part * 1e6), 0 if whole else 1))
        self._socket.setsockopt(socket.SOL_SOCKET, option, lapse)

    def _reply(self) -> Any:
        while (end := self._data.find(b"\r\n", self._at)) < 0:
            self._receive()
        kind, rest = self._data[self._at], self._data[self._at + 1 : end]
        self._at = end + 2
        if kind == _STRING:
            return self._string(int(rest))
        if kind == _NUMBER:
            return int(rest)
        if kind == _STATUS:
            return rest
        if kind == _LIST:
            return None if rest == b"-1" else [self._reply() for _ in range(int(rest))]
        if kind == _ERROR:
            raise ResponseError(rest.decode(errors="replace"))
        raise RedisConnectionError(f"not a reply of Redis: {rest!r}")

    def _string(self, length: int) -> bytes | None:
        if length < 0:
            return None
        while len(self._data) < self._at + length + 2:
            self._receive()
        found = self._data[self._at : self._at + length]
        self._at += length + 2
        return found

    def _receive(self) -> None:
        data = self._socket.recv(_SIZE)
        if not data:
            raise RedisConnectionError("closed by the server")
        # Nearly always all that came before has been read.
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0
