"""The API beside a running processor: cold start, size, latency, and fifty who watch.

    python -m tests.bench.bench_api [--json] [--seconds N]

Starts a redis-server with its append-only file, a processor on the simulated gateway and the
API, each as a process of its own. Every figure is of this machine, taken in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from rebalancer.queue import journal, moves
from rebalancer.queue.store import Queue
from tests.support.redis_server import free_port, redis_server
from tests.support.sim_gateway import SimThread

RATE = 100
WATCHERS = 50
STARTS = 7
TOKEN = "t" * 43
ACCOUNTS = "accounts: [{account_id: DU1000001, type: paper, targets: {SPY: 60%, BND: 40%}}]\n"


class Bench:
    """One API over a folder, and what is beside it."""

    def __init__(self, folder: Path, redis_url: str, gateway_port: int) -> None:
        self.folder = folder
        (folder / "accounts.yaml").write_text(ACCOUNTS)
        (folder / "rebalancer.yaml").write_text("")
        (folder / "api_token").write_text(TOKEN + "\n")
        self.port = free_port()
        self._environment = {
            **os.environ,
            "REBALANCER_CONFIG": str(folder / "rebalancer.yaml"),
            "REBALANCER_REDIS_URL": redis_url,
            "REBALANCER_GATEWAY_PORT": str(gateway_port),
            "REBALANCER_GATEWAY_WINDOWS": "none",
            "REBALANCER_API_PORT": str(self.port),
        }

    @contextmanager
    def program(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "rebalancer", name],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    def cold_start(self) -> tuple[float, float]:
        """Seconds from the start of the process to its first answer, by clock and of CPU."""
        began = time.perf_counter()
        with self.program("api") as process:
            _until_answered(self.port)
            spent = sum(cpu(pid) for pid in (process.pid, *workers(process.pid)))
            return time.perf_counter() - began, spent


def _until_answered(port: int) -> None:
    ends = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=5).raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < ends, "the API does not answer"
        else:
            return


def cpu(pid: int) -> float:
    """Seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1000
    raise AssertionError("no such process")


def workers(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def latencies(port: int, seconds: float) -> list[float]:
    """Milliseconds of GET /queue/status, sent at a steady rate whatever the answers take."""
    found: list[float] = []
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30
    ) as client:
        await client.get("/queue/status")

        async def one(due: float) -> None:
            (await client.get("/queue/status")).raise_for_status()
            found.append((time.perf_counter() - due) * 1000)

        began = time.perf_counter()
        tasks = []
        for number in range(int(RATE * seconds)):
            due = began + number / RATE
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            tasks.append(asyncio.create_task(one(time.perf_counter())))
        await asyncio.gather(*tasks)
    return found


def _percentiles(found: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(found, n=1000)
    return {"p50": cuts[499], "p95": cuts[949], "p99": cuts[989], "max": max(found)}


def measure(seconds: float) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(redis_server(folder / "redis"))
        sim = stack.enter_context(SimThread())
        bench = Bench(folder, redis.url, sim.port)
        stack.enter_context(bench.program("processor"))
        starts, spent = zip(*(bench.cold_start() for _ in range(STARTS)), strict=True)
        api = stack.enter_context(bench.program("api"))
        _until_answered(bench.port)
        alone = asyncio.run(latencies(bench.port, seconds))
        [worker] = workers(api.pid)
        size = resident(worker)
        client = stack.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{bench.port}",
                headers={"Authorization": f"Bearer {TOKEN}"},
                limits=httpx.Limits(max_connections=None),
                timeout=30,
            )
        )
        streams = [
            stack.enter_context(client.stream("GET", "/events")) for _ in range(WATCHERS)
        ]
        lines = [stream.iter_lines() for stream in streams]
        watched = asyncio.run(latencies(bench.port, seconds))
        with Queue(redis.url) as queue:
            now = time.time()
            queue.run(moves.note("bench", {}, now=now))
            began = time.perf_counter()
            for each in lines:
                while '"kind":"bench"' not in next(each):
                    pass
            fan_out = (time.perf_counter() - began) * 1000
            assert queue.run(journal.tail(1))
        full = resident(worker)
        return {
            "cold start, s": {
                "median": statistics.median(starts),
                "min": min(starts),
                "max": max(starts),
                "CPU": statistics.median(spent),
            },
            "status at 100/s, ms": _percentiles(alone),
            "the same beside 50 watchers, ms": _percentiles(watched),
            "one entry to 50 watchers, ms": {"all": fan_out},
            "worker, MB": {"after the load": size, "with 50 watchers": full},
            "arbiter, MB": {"all": resident(api.pid)},
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    found = measure(arguments.seconds)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        said = ", ".join(f"{key} {value:.2f}" for key, value in figures.items())
        print(f"{name:<34} {said}")


if __name__ == "__main__":
    main()
