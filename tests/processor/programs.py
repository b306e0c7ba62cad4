"""The processor as a process of its own, to be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

from tests.processor.system import System


class ProcessorProcess:
    """``rebalancer processor`` as systemd would run it."""

    def __init__(
        self, system: System, module: Sequence[str] = ("rebalancer",), **changes: str
    ) -> None:
        files = system.files()
        self._module = module
        self._environment = {
            **os.environ,
            **system.environment(),
            "REBALANCER_CONFIG": str(files.config),
            "REBALANCER_ACCOUNTS_FILE": str(files.accounts),
            **changes,
        }
        self._log = (system.folder / "processor.log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *self._module, "processor"],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def died(self, *, deadline: float = 45.0) -> None:
        """Return when it has ended by itself."""
        assert self._process is not None
        await asyncio.to_thread(self._process.wait, deadline)
        self._process = None

    async def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            await asyncio.to_thread(self._process.wait)
            self._process = None

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            await self.end(signal.SIGKILL)
        self._log.close()


@contextlib.asynccontextmanager
async def process(
    system: System, module: Sequence[str] = ("rebalancer",), **changes: str
) -> AsyncIterator[ProcessorProcess]:
    running = ProcessorProcess(system, module, **changes)
    running.start()
    try:
        yield running
    finally:
        await running.close()
