"""An HTTP server that takes notifications: it keeps them, refuses them, or is slow."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DEADLINE = 15.0


class HttpService:
    """Listens on a free port of 127.0.0.1; ``got`` has the bodies it answered with success."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.tries = 0
        self.status = 200
        #: Cleared, requests are not answered.
        self.answering = threading.Event()
        self.answering.set()
        self._news = threading.Condition()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service._take(json.loads(body))
                service.answering.wait(DEADLINE)
                self.send_response(service.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()

    def _take(self, body: dict[str, Any]) -> None:
        with self._news:
            self.tries += 1
            if self.status < 300:
                self.got.append(body)
            self._news.notify_all()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    @property
    def json_url(self) -> str:
        """For apprise's plain JSON."""
        return f"json://127.0.0.1:{self.port}/"

    def ntfy_url(self, topic: str) -> str:
        """For apprise's ntfy."""
        return f"ntfy://127.0.0.1:{self.port}/{topic}"

    @property
    def titles(self) -> list[str]:
        """Titles of what it took."""
        return [str(body["title"]) for body in self.got]

    def until(self, condition: Callable[[], object], *, deadline: float = DEADLINE) -> None:
        """Wait until the condition holds, looking at each request."""
        with self._news:
            assert self._news.wait_for(condition, deadline), (self.tries, self.got)

    def close(self) -> None:
        """Stop listening."""
        self.answering.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def http_service() -> Iterator[HttpService]:
    """A service that is closed at the end."""
    service = HttpService()
    try:
        yield service
    finally:
        service.close()


def eventually(condition: Callable[[], object], *, deadline: float = DEADLINE) -> None:
    """Look again and again until the condition holds."""
    ends = time.monotonic() + deadline
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        pause.wait(0.01)
