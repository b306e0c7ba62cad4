"""A real Redis for the session, a queue on it, services over HTTP, and a notifier at work."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rebalancer.notify.daemon import Notifier
from rebalancer.notify.start import assemble
from rebalancer.queue import followers, journal, moves
from rebalancer.queue.followers import Follower
from rebalancer.queue.move import command
from rebalancer.queue.store import AsyncQueue, Queue
from rebalancer.settings import load_service, locate
from tests.support.http_service import DEADLINE, HttpService, http_service
from tests.support.redis_server import RedisServer, redis_server

#: Fast enough for a test: nothing is gathered or held back for long.
QUICK = "gather_seconds: 0.05, repeat_seconds: 0.05, silence_seconds: 30"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def queue(server: RedisServer) -> Iterator[Queue]:
    with Queue(server.url) as connected:
        connected.run(command("FLUSHALL", parse=bool))
        yield connected


@pytest.fixture
def phone() -> Iterator[HttpService]:
    with http_service() as service:
        yield service


@dataclass(frozen=True, slots=True)
class Office:
    """Settings in a folder, and the notifiers made from them."""

    folder: Path
    redis_url: str
    queue: Queue

    def configure(self, services: Mapping[str, str], more: str = QUICK, **keys: str) -> None:
        """Services by name and URL; ``keys`` are further YAML of each."""
        listed = ", ".join(f"{{name: {name}{keys.get(name, '')}}}" for name in services)
        (self.folder / "rebalancer.yaml").write_text(
            f"notify: {{{more}, services: [{listed}]}}\n"
        )
        for name, url in services.items():
            (self.folder / f"notify_{name}").write_text(url + "\n")

    @contextlib.asynccontextmanager
    async def notifier(self, url: str = "") -> AsyncIterator[Notifier]:
        """A notifier at work in this loop; ended in order."""
        environ = {"REBALANCER_REDIS_URL": url or self.redis_url}
        files = locate(environ, config=self.folder / "rebalancer.yaml")
        async with AsyncQueue(url or self.redis_url, timeout=0.5) as queue:
            made = assemble(
                load_service(files, environ), queue, beside=self.folder, environ=environ
            )
            running = asyncio.create_task(made.run())
            try:
                yield made
            finally:
                made.stop()
                await running

    def alert(self, title: str, account: str = "", **more: Any) -> None:
        """Put an alert into the journal."""
        now = time.time()
        self.queue.run(moves.alert(title, "text", now=now, account_id=account, **more))

    def reader(self, name: str = "phone") -> Follower | None:
        """How far a service has come."""
        found = self.queue.run(followers.followers(f"notify:{name}"))
        return found[0] if found else None

    def all_acknowledged(self, name: str = "phone") -> bool:
        """Whether nothing is left for it."""
        reader = self.reader(name)
        last = self.queue.run(journal.last_id())
        return reader is not None and reader.pending == 0 and reader.position == last


@pytest.fixture
def office(tmp_path: Path, server: RedisServer, queue: Queue) -> Office:
    return Office(tmp_path, server.url, queue)


async def eventually(condition: Callable[[], object], *, deadline: float = DEADLINE) -> None:
    """Let the loop run until the condition holds."""
    ends = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        await asyncio.sleep(0.01)
