"""A real redis-server for tests: on a free port, AOF on, to be killed, stopped, restarted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

#: Seconds to wait for a server to come up or go down before the test fails.
DEADLINE = 10.0

#: Options of a server that answers only after what it did is on disk.
DURABLE = ("--appendfsync", "always")


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """One redis-server process over its own directory; the data survive ``stop``.

    ``options`` are further command-line options, as ``("--maxmemory", "2mb")``. What was
    answered survives ``kill`` only with ``DURABLE``: by default Redis may keep writes back
    for up to two seconds while the disk is busy with an earlier fsync.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = 0
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients reach it, database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start, or start again on the same port, and wait until it answers."""
        # Another test may grab a free port between the look and the bind.
        for _ in range(5):
            self.port = self.port or free_port()
            self._process = subprocess.Popen(self._command())
            if self._answers():
                return self
            self.port = 0
        message = f"redis-server did not start; see {self.folder}/redis.log"
        raise AssertionError(message)

    def kill(self) -> None:
        """``kill -9``: what is not in its files by now is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: what arrived meanwhile is carried out now."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """``kill`` and start over the same data."""
        self.kill()
        self.start()

    def _command(self) -> list[str]:
        return [
            "redis-server",
            *("--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", str(self.folder), "--logfile", str(self.folder / "redis.log")),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *self._options,
        ]

    def _answers(self) -> bool:
        assert self._process is not None
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if self._process.poll() is not None:
                return False
            if self._loaded():
                return True
        self.kill()
        return False

    def _loaded(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.05) as probe:
                probe.settimeout(1.0)
                probe.sendall(b"PING\r\n")
                # -NOAUTH: it is loaded, and asks who wants to know.
                return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        # A stopped process takes SIGTERM only once it runs again.
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(how)
        self._process.wait(DEADLINE)
        self._process = None


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A running server for the length of a ``with`` block."""
    server = RedisServer(folder, *options).start()
    try:
        yield server
    finally:
        server.kill()
