"""A TCP proxy that can lose replies: the server acts, the client never hears of it.

It can also cut a connection at any byte, in either direction.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

#: ``drop`` closes the connection in place of the reply, ``stall`` just stays silent.
Loss = Literal["drop", "stall"]


Direction = Literal["request", "reply"]
#: Told of every piece that comes through; answers how many bytes of it may pass before the
#: connection is cut, ``None``: all of them, and no cut. It is called in the proxy's threads.
Guard = Callable[[Direction, bytes], int | None]


class TcpProxy:
    """Forwards to ``target`` (host, port) from a free port of 127.0.0.1.

    ``guard`` makes the guard of each connection.
    """

    def __init__(
        self, target: tuple[str, int], guard: Callable[[], Guard] = lambda: _let_all_pass
    ) -> None:
        self._target = target
        self._guard = guard
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lose: Loss | None = None
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        """Where clients connect."""
        found: int = self._listener.getsockname()[1]
        return found

    def lose_next_reply(self, how: Loss) -> None:
        """Let the next request through, and lose what the server answers."""
        self._lose = how

    def close(self) -> None:
        """End every connection and wait for the threads."""
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            guard = self._guard()
            self._sockets += [client, server]
            self._start(self._requests, client, server, guard)
            self._start(self._replies, client, server, guard)

    def _requests(self, client: socket.socket, server: socket.socket, guard: Guard) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                passing = guard("request", data)
                server.sendall(data[:passing])
                if passing is not None:
                    client.shutdown(socket.SHUT_RDWR)
                    break
        # Also when a client that was killed resets the connection.
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _replies(self, client: socket.socket, server: socket.socket, guard: Guard) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                how, self._lose = self._lose, None
                if how == "drop":
                    break
                if how is None:
                    passing = guard("reply", data)
                    client.sendall(data[:passing])
                    if passing is not None:
                        server.shutdown(socket.SHUT_RDWR)
                        break
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _let_all_pass(_direction: Direction, _data: bytes) -> None:
    return None


@contextmanager
def tcp_proxy(
    port: int, guard: Callable[[], Guard] = lambda: _let_all_pass
) -> Iterator[TcpProxy]:
    """A proxy before a local ``port`` for the length of a ``with`` block."""
    proxy = TcpProxy(("127.0.0.1", port), guard)
    try:
        yield proxy
    finally:
        proxy.close()
