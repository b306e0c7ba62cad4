"""The simulated gateway for tests: in this event loop, in a thread, or as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

from rebalancer.sim.clock import Clock
from rebalancer.sim.server import SimServer, serve
from rebalancer.sim.world import AccountSpec, Holding, Listing, World
from rebalancer.sim.world import Clock as WorldClock

#: Seconds to wait for anything before a test fails.
DEADLINE = 10.0

SPY, AAPL, BND = 756733, 265598, 43645828

T = TypeVar("T")


def small_world(**changes: Any) -> World:
    """Three instruments and two paper accounts, open around the clock.

    ``changes`` replace fields of the ``World``.
    """
    listings = (
        Listing(SPY, "SPY", Decimal(500), long_name="SPDR S&P 500 ETF TRUST"),
        Listing(
            AAPL,
            "AAPL",
            Decimal(200),
            primary_exchange="NASDAQ",
            trading_class="NMS",
            market_name="NMS",
            long_name="APPLE INC",
            stock_type="COMMON",
        ),
        Listing(BND, "BND", Decimal(75), primary_exchange="NASDAQ", trading_class="NMS"),
    )
    accounts = (
        AccountSpec(
            "DU1000001",
            cash={"USD": Decimal(100_000)},
            holdings=(Holding(AAPL, Decimal(10), Decimal(150)),),
        ),
        AccountSpec("DU1000002", cash={"USD": Decimal(50_000)}),
    )
    world = World(listings, accounts, clock=WorldClock(always_open=True))
    return replace(world, **changes)


@asynccontextmanager
async def sim_gateway(
    world: World | None = None,
    *,
    latency: float = 0.0,
    clock: Clock = time.time,
    state_file: Path | None = None,
) -> AsyncIterator[SimServer]:
    """A gateway in this event loop, on a free port."""
    server = await serve(
        world or small_world(), latency=latency, clock=clock, state_file=state_file
    )
    try:
        yield server
    finally:
        await server.close()


async def until(condition: Callable[[], object], *, deadline: float = DEADLINE) -> None:
    """Let the event loop run until the condition holds; fail after ``deadline`` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.001)


class SimThread:
    """A gateway with an event loop of its own, for clients that block."""

    def __init__(self, world: World | None = None, *, latency: float = 0.0) -> None:
        self._world = world or small_world()
        self._latency = latency
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        serving = serve(self._world, latency=self._latency)
        self.server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        closing = asyncio.run_coroutine_threadsafe(self.server.close(), self._loop)
        closing.result(DEADLINE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    def call(self, function: Callable[[SimServer], T]) -> T:
        """Run a function on the server, in the thread that owns it."""

        async def on_loop() -> T:
            return function(self.server)

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result(DEADLINE)


class SimProcess:
    """``main`` of ``rebalancer.sim.server`` in a process of its own, to be killed."""

    def __init__(self, *, state_file: Path | None = None, scenario: Path | None = None) -> None:
        self._state_file = state_file
        self._scenario = scenario
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.stop()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, on the same port as before if it ran before."""
        self._process = subprocess.Popen(
            self._command(), stdout=subprocess.PIPE, text=True, env=os.environ.copy()
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "listening" in line, "the simulator did not start"
        self.port = int(line.rsplit(":", 1)[1])

    def _command(self) -> Sequence[str]:
        code = (
            "import sys; from pathlib import Path; from rebalancer.sim.server import main\n"
            "port, scenario, state = sys.argv[1:]\n"
            "main('127.0.0.1', int(port), Path(scenario) if scenario else None,\n"
            "     always_open=True, state_file=Path(state) if state else None)"
        )
        scenario, state = str(self._scenario or ""), str(self._state_file or "")
        return [sys.executable, "-c", code, str(self.port), scenario, state]

    def kill(self) -> None:
        """End it without warning."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        process.send_signal(number)
        code = process.wait(DEADLINE)
        assert process.stdout is not None
        process.stdout.close()
        return code
