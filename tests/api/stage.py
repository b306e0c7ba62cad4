"""What stands behind the page in a browser: a Redis, a simulated gateway, a processor, the API.

All of them are real processes, or threads with a real wire, and work for all tests of a module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx
from playwright.sync_api import Browser, BrowserContext, Playwright

from rebalancer.ingest import accept
from rebalancer.queue import journal, moves
from rebalancer.queue.move import Move
from rebalancer.queue.store import Queue
from rebalancer.sim.world import AccountSpec, Clock, Holding, Listing, World
from rebalancer.sweeper import sweeps
from tests.api.server import OPERATOR, Server
from tests.support.redis_server import RedisServer
from tests.support.sim_gateway import SimThread

T = TypeVar("T")

#: Seconds before what does not come fails the test.
DEADLINE = 20.0

#: One account per story, so that the tests do not meet.
TRADED, ASKED, LOOKED_AT, STOPPED, OFF, WAITING = (f"DU100000{n}" for n in range(1, 7))

ACCOUNTS = f"""\
accounts:
  - account_id: {TRADED}
    type: paper
    strategy_name: global-60-40
    schedule: {{at: "15:30", days: [fri]}}
  - account_id: {ASKED}
    type: paper
    strategy_name: global-80-20
    approval: required
    bounds: {{GLD: {{drift_band_percent: 2}}}}
  - account_id: {LOOKED_AT}
    type: paper
    strategy_name: global-60-40
  - account_id: {STOPPED}
    type: paper
    strategy_name: global-80-20
  - account_id: {WAITING}
    type: paper
    strategy_name: global-60-40
    approval: required
  - account_id: {OFF}
    type: paper
    enabled: false
    targets: {{VTI: 100%}}
strategies:
  global-60-40:
    targets: {{VTI: 36%, VXUS: 24%, BND: 28%, BNDX: 12%}}
  global-80-20:
    targets: {{VTI: 48%, VXUS: 27%, BND: 15%, GLD: 10%}}
"""

SERVICE = """\
api: {failures_per_minute: 1000000}
retry: {retry_delay_seconds: 0.2, max_delay_seconds: 0.2, max_attempts: 2}
defaults: {drift_band_percent: 0.5}
"""

_PRICES = {"VTI": "288.40", "VXUS": "68.15", "BND": "73.62", "BNDX": "49.37", "GLD": "241.80"}


def world() -> World:
    """Five funds, open around the clock, and six paper accounts that have drifted."""
    listings = tuple(
        Listing(1001 + n, symbol, Decimal(price))
        for n, (symbol, price) in enumerate(_PRICES.items())
    )
    held = {
        TRADED: ("41250.37", {1001: 131, 1002: 190, 1003: 260}),
        ASKED: ("18400.10", {1001: 210, 1002: 300, 1005: 22}),
        LOOKED_AT: ("9800", {1001: 60, 1002: 122, 1003: 160, 1004: 100}),
        STOPPED: ("22000", {1001: 40}),
        WAITING: ("60000", {1001: 20}),
        OFF: ("1000", {}),
    }
    accounts = tuple(
        AccountSpec(
            account_id,
            cash={"USD": Decimal(cash)},
            holdings=tuple(
                Holding(con_id, Decimal(shares), Decimal(60))
                for con_id, shares in holdings.items()
            ),
        )
        for account_id, (cash, holdings) in held.items()
    )
    return World(listings, accounts, clock=Clock(always_open=True), fill_after=0.3)


class Stage:
    """All of it, and what a test does to it from outside."""

    def __init__(self, server: Server, queue: Queue, sim: SimThread) -> None:
        self.server, self.queue, self.sim = server, queue, sim
        self.api = server.client()

    def run(self, move: Move[T]) -> T:
        return self.queue.run(move)

    def signal(self, account_id: str, command: str = "rebalance", **more: Any) -> str:
        """Accept a signal into the queue; its id."""
        now = time.time()
        event = accept(account_id, command, now=now, source="schedule", **more)
        self.run(moves.enqueue(event, now=now))
        return event.event_id

    def until(self, kind: str, event_id: str) -> None:
        """Wait for the journal to say so."""
        ends = time.monotonic() + DEADLINE
        position, seen = journal.START, []
        while (left := ends - time.monotonic()) > 0:
            for entry in self.queue.watch(position, wait=left):
                position = entry.id
                if entry.event_id == event_id:
                    seen.append(entry.kind)
                    if entry.kind == kind:
                        return
        raise AssertionError(f"no {kind} of {event_id}; saw {seen}")

    def rebalanced(self, account_id: str) -> str:
        """A rebalance that is over."""
        event_id = self.signal(account_id)
        self.until("completed", event_id)
        return event_id

    def price(self, symbol: str, price: str) -> None:
        """Move a price."""
        now = time.time()
        self.sim.call(lambda s: s.exchange.set_price(symbol, Decimal(price), now))

    def well(self) -> None:
        """Signs of life of what has no process here: the broker, the sweeps."""
        now = time.time()
        due = {"next": {TRADED: {"at": now + 86_400}}}
        self.run(moves.heartbeat_daemon("broker", due, now=now))
        sweeps.run(self.queue, "all", now)

    def tidy(self) -> None:
        """Leave nothing behind for the next test."""
        for scope in self.run(moves.halts()):
            self.run(moves.resume(scope, now=time.time()))
        for one in self.api.get("/approvals").json()["items"]:
            answer = {"plan_hash": one["plan_hash"]}
            self.api.post(f"/accounts/{one['account_id']}/reject", json=answer)
        self.api.delete("/queue/events?confirm=yes")

    def visit(self, browser: Browser, **looks: Any) -> BrowserContext:
        """A browser that has logged in."""
        context = browser.new_context(base_url=self.server.url, **looks)
        context.set_default_timeout(DEADLINE * 1000)
        with httpx.Client(base_url=self.server.url, timeout=DEADLINE) as client:
            answer = client.post("/session", json={"token": OPERATOR})
            cookie = answer.cookies["rebalancer_session"]
        context.add_cookies(
            [{"name": "rebalancer_session", "value": cookie, "url": self.server.url}]
        )
        return context


@contextmanager
def _processor(server: Server, sim: SimThread) -> Iterator[None]:
    environment = {
        **server.environment(),
        "REBALANCER_GATEWAY_PORT": str(sim.port),
        "REBALANCER_GATEWAY_WINDOWS": "none",
    }
    with (server.folder / "processor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rebalancer", "processor"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def stage(folder: Path, redis: RedisServer) -> Iterator[Stage]:
    """All of it at work for the length of a ``with`` block."""
    os.environ.pop("NOTIFY_SOCKET", None)
    server = Server(folder, redis, SERVICE)
    server.accounts(ACCOUNTS)
    with SimThread(world()) as sim, Queue(redis.url) as queue, _processor(server, sim):
        server.start()
        found = Stage(server, queue, sim)
        try:
            found.well()
            yield found
        finally:
            found.api.close()
            server.end()


def chromium(playwright: Playwright) -> Browser:
    """Debian's browser, without what it would tell or ask the world."""
    return playwright.chromium.launch(
        executable_path=shutil.which("chromium"),
        args=[
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    )
