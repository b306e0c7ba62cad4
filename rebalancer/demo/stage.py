"""The demo's processes: Redis, the simulated gateway and the daemons, as they run for real."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rebalancer.errors import RebalancerError

#: Seconds a process may take to accept connections, and to end.
PATIENCE = 20.0


class DemoError(RebalancerError):
    """The demo could not be staged or did not end well; the text says where to look."""


@dataclass(slots=True)
class Stage:
    """A folder with configuration and logs, and the processes that live in it."""

    folder: Path
    redis_port: int
    gateway_port: int
    redis_kind: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def redis_url(self) -> str:
        """Where the demo's queue listens."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def environment(self) -> Mapping[str, str]:
        """What every program of the demo is told."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith("REBALANCER_")}
        return {
            **ours,
            "REBALANCER_CONFIG": str(self.folder / "rebalancer.yaml"),
            "REBALANCER_ACCOUNTS_FILE": str(self.folder / "accounts.yaml"),
            "REBALANCER_REDIS_URL": self.redis_url,
            "REBALANCER_GATEWAY_PORT": str(self.gateway_port),
        }

    def start(self, name: str, *command: str) -> None:
        """Start a program with its output in ``NAME.log``."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.folder,
            )

    def start_rebalancer(self, name: str, *arguments: str) -> None:
        """Start one of our own programs."""
        self.start(name, sys.executable, "-m", "rebalancer", *arguments)

    def run_rebalancer(self, *arguments: str) -> None:
        """Run one of our one-shots to its end."""
        subprocess.run(
            (sys.executable, "-m", "rebalancer", *arguments),
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=PATIENCE,
        )

    def require_alive(self) -> None:
        """Raise ``DemoError`` with the end of its log if a process has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                log = (self.folder / f"{name}.log").read_text(errors="replace")
                tail = "\n".join(log.splitlines()[-15:])
                msg = f"the {name} ended with exit code {process.returncode}:\n{tail}"
                raise DemoError(msg)

    def wait_for_port(self, name: str, port: int) -> None:
        """Return once something accepts connections on the port."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.require_alive()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            time.sleep(0.02)
        msg = f"the {name} did not listen on port {port} within {PATIENCE:.0f} s"
        raise DemoError(msg)

    def close(self) -> None:
        """End every process, the last started first."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextlib.contextmanager
def redis_stage(folder: Path) -> Iterator[Stage]:
    """Start a Redis of our own in ``folder``, which may take a moment to accept connections.

    It is the ``redis-server`` on PATH with its append-only file on, else an embedded stand-in
    (fakeredis) that needs nothing installed.
    """
    server = shutil.which("redis-server")
    it = Stage(
        folder,
        redis_port=_free_port(),
        gateway_port=_free_port(),
        redis_kind="redis-server with its append-only file" if server else "embedded fakeredis",
    )
    port = str(it.redis_port)
    try:
        if server:
            persistence = ("--appendonly", "yes", "--save", "", "--dir", str(folder))
            it.start("redis", server, "--port", port, "--bind", "127.0.0.1", *persistence)
        else:
            it.start("redis", sys.executable, "-m", "rebalancer.demo.embedded_redis", port)
        yield it
    finally:
        it.close()


@contextlib.contextmanager
def stage(folder: Path, files: Mapping[str, str]) -> Iterator[Stage]:
    """Set the stage in ``folder``: write the files, start Redis and the simulated gateway."""
    for name, text in files.items():
        (folder / name).write_text(text)
    with redis_stage(folder) as it:
        it.start_rebalancer(
            "gateway",
            "sim",
            *("--host", "127.0.0.1", "--port", str(it.gateway_port)),
            *("--scenario", str(folder / "scenario.yaml")),
        )
        it.wait_for_port("redis", it.redis_port)
        it.wait_for_port("gateway", it.gateway_port)
        yield it


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
