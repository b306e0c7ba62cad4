"""From signal to order, from crash to rerun, and what it all weighs: real processes and wires.

    python -m tests.bench.bench_system [--json] [--accounts N]

Starts a redis-server with its append-only file, the simulated gateway in this process, and the
daemons as processes of their own. Prints medians; every figure is a wall time or a size of
this machine, taken in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from rebalancer.ingest import accept
from rebalancer.queue import journal, moves
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.server import SimServer, serve
from rebalancer.sim.vocabulary import ContractSpec, Fault, OrderSpec, Report
from rebalancer.sim.world import AccountSpec, Clock, Listing, World
from tests.support.redis_server import redis_server
from tests.support.sim_gateway import until

SYMBOLS = tuple(f"ETF{n:02d}" for n in range(20))
WARM_UP = 3
DEADLINE = 60.0
#: Seconds between two accounts: forty-five messages go out in 1.2 seconds, and twenty orders
#: right after twenty others would measure only that.
PACING = 1.5


class Stopwatch(Exchange):
    """An exchange that remembers when each account's first order came."""

    def __init__(self, world: World, now: float) -> None:
        super().__init__(world, now)
        self.first: dict[str, float] = {}
        self.cancelled: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def place(
        self,
        client_id: int,
        order_id: int,
        contract: ContractSpec,
        order: OrderSpec,
        now: float,
    ) -> tuple[Report, ...]:
        self.first.setdefault(order.account, time.perf_counter())
        return super().place(client_id, order_id, contract, order, now)

    def cancel(self, client_id: int, order_id: int, now: float) -> tuple[Report, ...]:
        if not self.cancelled.done():
            self.cancelled.set_result(time.perf_counter())
        return super().cancel(client_id, order_id, now)


def world(accounts: int) -> World:
    listings = tuple(
        Listing(910_000_000 + n, symbol, Decimal(20 + 7 * n))
        for n, symbol in enumerate(SYMBOLS)
    )
    cash = {"USD": Decimal(250_000)}
    owners = tuple(AccountSpec(f"DU{2_000_000 + n}", cash=cash) for n in range(accounts))
    return World(listings, owners, clock=Clock(always_open=True))


def write_settings(folder: Path, accounts: tuple[str, ...], *, lease: float) -> None:
    weights = ", ".join(f"{symbol}: 5%" for symbol in SYMBOLS)
    lines = [f"  - {{account_id: {a}, type: paper, strategy_name: equal}}" for a in accounts]
    text = "\n".join(
        ["accounts:", *lines, f"strategies: {{equal: {{targets: {{{weights}}}}}}}"]
    )
    (folder / "accounts.yaml").write_text(text + "\n")
    (folder / "rebalancer.yaml").write_text(f"processor:\n  lease_seconds: {lease:g}\n")


class Bench:
    """The wires of one measurement."""

    def __init__(self, folder: Path, redis_url: str, sim: SimServer, queue: AsyncQueue) -> None:
        self.folder, self.redis_url, self.sim, self.queue = folder, redis_url, sim, queue

    @contextmanager
    def program(self, name: str, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
        environment = {
            **os.environ,
            "REBALANCER_CONFIG": str(self.folder / "rebalancer.yaml"),
            "REBALANCER_ACCOUNTS_FILE": str(self.folder / "accounts.yaml"),
            "REBALANCER_REDIS_URL": self.redis_url,
            "REBALANCER_GATEWAY_PORT": str(self.sim.port),
            "REBALANCER_GATEWAY_WINDOWS": "none",
            **changes,
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "rebalancer", name],
                env=environment,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    async def signal(self, account_id: str) -> tuple[str, float]:
        """Enqueue a rebalance; return its id and the moment before."""
        event = accept(account_id, "rebalance", now=time.time(), source="bench")
        began = time.perf_counter()
        await self.queue.run(moves.enqueue(event, now=time.time()))
        return event.event_id, began

    async def until(self, kind: str, event_id: str, times: int = 1) -> None:
        ends = time.monotonic() + DEADLINE
        position, seen = journal.START, 0
        while (left := ends - time.monotonic()) > 0:
            for entry in await self.queue.watch(position, wait=left):
                position = entry.id
                seen += entry.kind == kind and entry.event_id == event_id
                if seen == times:
                    return
        raise TimeoutError(f"no {kind} of {event_id}")


async def signal_to_order(bench: Bench, watch: Stopwatch) -> list[float]:
    """Seconds from before enqueue to the first order, per account, caches warm."""
    with bench.program("processor"):
        taken = []
        for account_id in watch.accounts:
            event_id, began = await bench.signal(account_id)
            await bench.until("completed", event_id)
            taken.append(watch.first[account_id] - began)
            await asyncio.sleep(PACING)
    return taken[WARM_UP:]


async def halt_to_cancel(bench: Bench, watch: Stopwatch) -> float:
    """Seconds from before a halt with ``cancel_open`` to the first cancel at the gateway."""
    bench.sim.inject(Fault("late_fill", "placeOrder", 0, (("seconds", "60"),)))
    with bench.program("processor"):
        await bench.signal(watch.accounts[0])
        await until(lambda: len(watch.open_orders()) == len(SYMBOLS), deadline=DEADLINE)
        began = time.perf_counter()
        halt = moves.halt("all", now=time.time(), reason="bench", cancel_open=True)
        await bench.queue.run(halt)
        async with asyncio.timeout(DEADLINE):
            return await watch.cancelled - began


async def crash_to_rerun(bench: Bench) -> float:
    """Seconds from starting a killed processor again to its event being leased again."""
    bench.sim.inject(Fault("late_fill", "placeOrder", 0, (("seconds", "0.5"),)))
    with bench.program("processor") as first:
        event_id, _ = await bench.signal(bench.sim.exchange.accounts[0])
        await bench.until("intents", event_id)
        first.send_signal(signal.SIGKILL)
        first.wait()
    began = time.perf_counter()
    with bench.program("processor"):
        await bench.until("leased", event_id, times=2)
        again = time.perf_counter() - began
        await bench.until("completed", event_id)
    return again


async def crash_to_takeover(bench: Bench) -> float:
    """Seconds from a kill to another, running processor having leased the event."""
    bench.sim.inject(Fault("late_fill", "placeOrder", 0, (("seconds", "0.5"),)))
    with bench.program("processor") as first:
        event_id, _ = await bench.signal(bench.sim.exchange.accounts[0])
        await bench.until("intents", event_id)
        other = {"REBALANCER_GATEWAY_CLIENT_ID": "11"}
        with bench.program("processor", **other):
            first.send_signal(signal.SIGKILL)
            began = time.perf_counter()
            await bench.until("leased", event_id, times=2)
            return time.perf_counter() - began


async def weights(bench: Bench) -> dict[str, float]:
    """Resident sizes in MB: the daemons after a rebalance, the sweep at its peak."""
    with bench.program("processor") as processor, bench.program("broker") as broker:
        event_id, _ = await bench.signal(bench.sim.exchange.accounts[0])
        await bench.until("completed", event_id)
        sizes = {"processor": resident(processor.pid), "broker": resident(broker.pid)}
    sizes["sweep (peak)"] = await asyncio.to_thread(sweep_peak, bench)
    sizes["together"] = round(sum(sizes.values()), 1)
    return sizes


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 2**20, 1)


def sweep_peak(bench: Bench) -> float:
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, '-m', 'rebalancer', 'sweep', 'all'], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    environment = {**os.environ, "REBALANCER_REDIS_URL": bench.redis_url}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return round(int(done.stdout.split()[-1]) / 1024, 1)


async def measured(accounts: int) -> Mapping[str, Any]:
    results: dict[str, Any] = {}
    for name, latency in (("instant gateway", 0.0), ("100 ms round trips", 0.1)):
        taken = await _with(accounts, latency, 20.0, signal_to_order)
        results[f"enqueue to first order, {name}"] = {
            "median_ms": round(1000 * statistics.median(taken), 1),
            "max_ms": round(1000 * max(taken), 1),
            "runs": len(taken),
        }
    reruns = [await _with(1, 0.0, 20.0, crash_to_rerun) for _ in range(5)]
    results["kill -9 to rerun by the restarted processor"] = {
        "median_s": round(statistics.median(reruns), 2),
        "max_s": round(max(reruns), 2),
        "runs": len(reruns),
    }
    halts = [await _with(1, 0.0, 20.0, halt_to_cancel) for _ in range(5)]
    results["halt to the first cancel at the gateway"] = {
        "median_ms": round(1000 * statistics.median(halts), 1),
        "max_ms": round(1000 * max(halts), 1),
        "runs": len(halts),
    }
    takeover = await _with(1, 0.0, 20.0, crash_to_takeover)
    results["kill -9 to rerun by another, lease 20 s"] = {"s": round(takeover, 2)}
    results["resident MB"] = await _with(1, 0.0, 20.0, weights)
    return results


async def _with(accounts: int, latency: float, lease: float, measure: Any) -> Any:
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name) / "redis") as redis:
        folder = Path(name)
        watch = Stopwatch(world(accounts), time.time())
        write_settings(folder, watch.accounts, lease=lease)
        sim = await serve(watch, latency=latency)
        try:
            async with AsyncQueue(redis.url) as queue:
                bench = Bench(folder, redis.url, sim, queue)
                if measure in {signal_to_order, halt_to_cancel}:
                    return await measure(bench, watch)
                return await measure(bench)
        finally:
            await sim.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--accounts", type=int, default=25)
    chosen = parser.parse_args()
    results = asyncio.run(measured(chosen.accounts))
    if chosen.json:
        print(json.dumps(results))
        return
    for name, figures in results.items():
        print(f"{name:<48} " + "  ".join(f"{k} {v}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
