"""Every known failure mode of a gateway: its scenario, against the processor, on real wires.

They mostly wait, so several are played at once, each in a database and a gateway of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rebalancer.gateway import connection
from rebalancer.gateway.failure_modes import FAILURE_MODES
from tests.processor.failure_modes import (  # noqa: F401 - each enters its plays
    accounts,
    connecting,
    nights,
    orders,
    prices,
)
from tests.processor.failure_modes.stage import PLAYS, play
from tests.support.redis_server import RedisServer, redis_server

pytestmark = pytest.mark.redis_server

NAMES = [mode.name for mode in FAILURE_MODES]
#: More, and they would wait for the processor's time instead of their own.
AT_ONCE = 4


class Database(RedisServer):
    """One numbered database of a running server."""

    def __init__(self, server: RedisServer, number: int) -> None:
        super().__init__(server.folder)
        self._url = f"redis://127.0.0.1:{server.port}/{number}"

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return self._url


@pytest.fixture(scope="module")
def ends(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, BaseException | None]]:
    """How each play ended, of those that were selected."""
    asked = {item.name for item in request.session.items}
    names = [name for name in NAMES if f"test_failure_mode[{name}]" in asked]
    folder = tmp_path_factory.mktemp("plays")
    with (
        redis_server(folder / "redis", "--databases", str(len(NAMES))) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        # Dead sockets and other sessions are looked for every few seconds; not here.
        patch.setattr(connection, "HEARTBEAT", 1.0)
        patch.setattr(connection, "PROBE", 0.1)
        patch.setattr(connection, "LAST_DELAY", 0.4)
        yield asyncio.run(_played(names, folder, server))


async def _played(
    names: list[str], folder: Path, server: RedisServer
) -> Mapping[str, BaseException | None]:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, name: str) -> None:
        async with room:
            (folder / name).mkdir()
            await play(name, folder / name, Database(server, number))

    tasks = (one(number, name) for number, name in enumerate(names))
    return dict(zip(names, await asyncio.gather(*tasks, return_exceptions=True), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_failure_mode(name: str, ends: Mapping[str, BaseException | None]) -> None:
    end = ends[name]
    if end is not None:
        raise end


def test_every_failure_mode_is_played() -> None:
    assert sorted(PLAYS) == sorted(NAMES)
