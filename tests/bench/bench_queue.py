"""What protection costs: the queue's moves beside bare Redis commands, in one run.

    python -m tests.bench.bench_queue [--json] [--cpu N] [--rounds N]

Every rate is calls per second, one call at a time, against a redis-server with its
append-only file on. A ratio compares with redis-py's bare ``LPUSH`` of the same element in
the same round; the median over the rounds is reported. On machines with several cores the
scheduler makes rates bimodal; ``--cpu`` pins this process and the server to one core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis

from rebalancer.core.event import Event
from rebalancer.queue import codec, moves
from rebalancer.queue.store import AsyncQueue, Queue
from tests.support.redis_server import RedisServer, redis_server

CALLS = 3000
PICK_UPS = 200
#: Seconds for which everything rests before a pick-up, as it does between real signals.
IDLE = 0.01
SWEEPS = 9


def _events(count: int, mark: str) -> list[Event]:
    return [
        Event(f"{mark}-{n}", f"U{n}", "rebalance", time.time(), data={"model": "60/40"})
        for n in range(count)
    ]


# -- rates ---------------------------------------------------------------------------------


def _rate(work: Callable[[Sequence[Any]], None], load: Sequence[Any]) -> float:
    begin = time.perf_counter()
    work(load)
    return len(load) / (time.perf_counter() - begin)


def _bare(client: redis.Redis) -> Callable[[Sequence[bytes]], None]:
    def work(raws: Sequence[bytes]) -> None:
        for raw in raws:
            client.lpush("bare", raw)

    return work


def _enqueue(queue: Queue) -> Callable[[Sequence[Event]], None]:
    def work(events: Sequence[Event]) -> None:
        for event in events:
            queue.run(moves.enqueue(event, now=time.time()))

    return work


def _life(queue: Queue) -> Callable[[Sequence[Event]], None]:
    def work(events: Sequence[Event]) -> None:
        for event in events:
            queue.run(moves.enqueue(event, now=time.time()))
            lease = queue.take("bench", now=time.time, ttl=20, wait=0)
            assert lease is not None
            queue.run(moves.complete(lease, now=time.time(), result={}))

    return work


async def _async_rates(url: str, events: list[Event]) -> tuple[float, float]:
    async with AsyncQueue(url) as queue:
        begin = time.perf_counter()
        for event in events:
            await queue.run(moves.enqueue(event, now=time.time()))
        middle = time.perf_counter()
        for _ in events:
            lease = await queue.take("bench", now=time.time, ttl=20, wait=0)
            assert lease is not None
            await queue.run(moves.complete(lease, now=time.time(), result={}))
        end = time.perf_counter()
    return CALLS / (middle - begin), CALLS / (end - begin)


def _round(server: RedisServer, number: int) -> dict[str, float]:
    with redis.Redis.from_url(server.url) as client, Queue(server.url) as queue:
        queue.run(moves.stats(now=0.0))
        client.flushall()
        bare = _rate(_bare(client), [codec.encode(event) for event in _events(CALLS, "b")])
        client.flushall()
        protected = _rate(_enqueue(queue), _events(CALLS, f"e{number}"))
        client.flushall()
        life = _rate(_life(queue), _events(CALLS, f"l{number}"))
        client.flushall()
        events = _events(CALLS, f"a{number}")
        async_enqueue, async_rest = asyncio.run(_async_rates(server.url, events))
    return {
        "lpush": bare,
        "enqueue": protected,
        "life": life,
        "async_enqueue": async_enqueue,
        "async_life": 1 / (1 / async_enqueue + 1 / async_rest),
    }


# -- pick-up -------------------------------------------------------------------------------


def _pick_ups(server: RedisServer, kind: str, cpu: int | None) -> list[float]:
    """Seconds from just before a signal is sent until an idle worker process has it."""
    command = [sys.executable, "-m", "tests.bench.bench_queue", "--pick-up", kind, server.url]
    arrived: list[float] = []
    taken: list[float] = []
    with redis.Redis.from_url(server.url) as client, Queue(server.url) as queue:
        client.flushall()
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if cpu is not None:
            os.sched_setaffinity(worker.pid, {cpu})
        for event in _events(PICK_UPS, "p"):
            while client.info("clients")["blocked_clients"] == 0:
                time.sleep(0.001)
            time.sleep(IDLE)
            raw = codec.encode(event)
            arrived.append(time.perf_counter())
            if kind == "take":
                queue.run(moves.enqueue(event, now=time.time()))
            else:
                client.lpush("bare", raw)
            assert worker.stdout is not None
            taken.append(float(worker.stdout.readline()))
        worker.wait()
    return [there - then for then, there in zip(arrived, taken, strict=True)]


def _pick_up(kind: str, url: str) -> None:
    """The worker's side: take, note the time, take the next."""
    with Queue(url) as queue, redis.Redis.from_url(url) as client:
        for _ in range(PICK_UPS):
            if kind == "take":
                lease = queue.take("bench", now=time.time, ttl=20, wait=30)
                print(time.perf_counter(), flush=True)
                assert lease is not None
                queue.run(moves.complete(lease, now=time.time(), result={}))
            else:
                client.brpop(["bare"], timeout=30)
                print(time.perf_counter(), flush=True)


# -- sweep ---------------------------------------------------------------------------------


def _sweep(server: RedisServer) -> tuple[float, float]:
    """Wall seconds and peak MB of ``rebalancer sweep all`` in a process of its own."""
    environment = {**os.environ, "REBALANCER_REDIS_URL": server.url}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "rebalancer", "sweep", "all"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"sweep failed with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


# -- all together --------------------------------------------------------------------------


def measure(rounds: int, cpu: int | None) -> dict[str, Any]:
    """Run everything; rates in calls/s, times in ms, sizes in MB."""
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
            os.sched_setaffinity(server.pid, {cpu})
        found = [_round(server, number) for number in range(rounds)]
        pick_up = {
            "take": _pick_ups(server, "take", cpu),
            "brpop": _pick_ups(server, "brpop", cpu),
        }
        sweeps = [_sweep(server) for _ in range(SWEEPS)]
    names = [name for name in found[0] if name != "lpush"]
    p50 = {name: statistics.median(times) * 1000 for name, times in pick_up.items()}
    p99 = {name: statistics.quantiles(t, n=100)[98] * 1000 for name, t in pick_up.items()}
    return {
        "pinned_to_cpu": cpu,
        "per_second": {k: statistics.median(each[k] for each in found) for k in found[0]},
        "ratio_to_lpush": {
            name: statistics.median(each[name] / each["lpush"] for each in found)
            for name in names
        },
        "pick_up_p50_ms": p50,
        "pick_up_p99_ms": p99,
        "pick_up_ratio": p50["take"] / p50["brpop"],
        "sweep_wall_s": statistics.median(wall for wall, _ in sweeps),
        "sweep_peak_mb": max(peak for _, peak in sweeps),
    }


def main() -> None:
    """Measure and print, for people or (``--json``) for programs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cpu", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pick-up", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pick_up:
        _pick_up(*options.pick_up)
        return
    found = measure(options.rounds, options.cpu)
    if options.json:
        print(json.dumps(found))
        return
    for name, rate in found["per_second"].items():
        ratio = found["ratio_to_lpush"].get(name, 1.0)
        print(f"{name:15} {rate:9,.0f} /s   {ratio:5.2f} of a bare LPUSH")
    for name in ("take", "brpop"):
        times = found["pick_up_p50_ms"][name], found["pick_up_p99_ms"][name]
        print(f"idle {name:10} {times[0]:9.2f} ms p50  {times[1]:7.2f} ms p99")
    print(f"idle pick-up    {found['pick_up_ratio']:9.2f} times a bare BRPOP")
    print(f"sweep all       {found['sweep_wall_s']:9.3f} s  {found['sweep_peak_mb']:7.1f} MB")


if __name__ == "__main__":
    main()
