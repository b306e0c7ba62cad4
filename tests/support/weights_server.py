"""A real HTTP server on a free loopback port that answers as each test has it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came in; header names in small letters."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say. ``stop_after`` bytes of the body the connection is cut."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    stop_after: int | None = None
    #: Not before this is set, or the server ends.
    wait: threading.Event | None = None


def allocations(weights: Mapping[str, Any], **headers: str) -> Answer:
    """The agreed body."""
    listed = [{"symbol": symbol, "allocation": w} for symbol, w in weights.items()]
    body = {"status": "success", "data": {"name": "model", "allocations": listed}}
    return Answer(body=json.dumps(body).encode(), headers=headers)


@dataclass(slots=True)
class WeightsServer:
    """Set ``answer``; look at ``asked``."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Answer] = lambda _asked: Answer(404)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, *answers: Answer) -> None:
        """Give these answers in turn; the last one for ever."""
        left = list(answers)
        self.answer = lambda _asked: left.pop(0) if len(left) > 1 else left[0]


@contextlib.contextmanager
def weights_server() -> Iterator[WeightsServer]:
    """Serve until the block ends."""
    state = WeightsServer(0)
    waits: list[threading.Event] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = Asked(self.path, {k.lower(): v for k, v in self.headers.items()})
            state.asked.append(found)
            answer = state.answer(found)
            if answer.wait is not None:
                waits.append(answer.wait)
                answer.wait.wait()
            with contextlib.suppress(OSError):
                self.send_response(answer.status)
                headers = {"Content-Length": str(len(answer.body)), **answer.headers}
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(answer.body[: answer.stop_after])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        for wait in waits:
            wait.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port that nobody answers on, and nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]
