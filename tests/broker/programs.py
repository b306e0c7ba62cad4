"""``rebalancer broker`` as a process, to be killed and told to read its settings again.

``python -m tests.broker.programs broker`` is the same program, armed: the environment says at
which step of its talk with Redis it is killed (``tests/chaos/steps.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from rebalancer.cli.main import main
from tests.chaos.steps import arm


class BrokerProcess:
    """One broker over the files in ``folder``."""

    def __init__(self, folder: Path, redis_url: str, **environment: str) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "REBALANCER_REDIS_URL": redis_url,
            "REBALANCER_CONFIG": str(folder / "rebalancer.yaml"),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it has said so far, in all its lives."""
        return (self.folder / "broker.log").read_text()

    def write(self, accounts: str, service: str = "") -> None:
        """Write the settings down as an operator would."""
        (self.folder / "accounts.yaml").write_text(accounts)
        (self.folder / "rebalancer.yaml").write_text(service)

    def start(self, **changes: str) -> None:
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.broker.programs", "broker"],
                env=self._environment | changes,
                stdout=log,
                stderr=log,
            )

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def died(self, *, deadline: float = 20.0) -> int:
        """Its exit code, once it has ended by itself or by what it was armed with."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, deadline)

    async def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(how)
            await self.died()
            self._process = None


@contextlib.asynccontextmanager
async def started(broker: BrokerProcess) -> AsyncIterator[BrokerProcess]:
    """The broker, running; whatever happens, none is left in the end."""
    broker.start()
    try:
        yield broker
    finally:
        await broker.end()


class Notified:
    """What a program tells systemd, in order."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.setblocking(False)
        self.said: list[str] = []

    def read(self) -> list[str]:
        """Everything so far but the signs of life."""
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self._socket.recv(4096).decode()
                if not text.startswith(("STATUS=", "WATCHDOG=")):
                    self.said.append(text)
        return self.said

    def close(self) -> None:
        self._socket.close()


if __name__ == "__main__":
    arm(os.environ)
    sys.exit(main(sys.argv[1:]))
