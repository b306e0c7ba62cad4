"""The simulated gateway on a TCP port: the only I/O of this package, and its only clock."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

from rebalancer.sim.clock import Clock, SimClock
from rebalancer.sim.exchange import Exchange
from rebalancer.sim.hub import Hub
from rebalancer.sim.scenario import default_world, load_world
from rebalancer.sim.session import Session
from rebalancer.sim.vocabulary import Fault, Report
from rebalancer.sim.world import World

#: What a client may leave unread in its socket before it is cut off.
MAX_UNREAD = 4 << 20
#: However far away the next thing to do is, the timer is not set further.
_LONGEST_SLEEP = 3600.0
_SHORTEST_SLEEP = 0.0005
_RETRY = 0.2


class _Connection(asyncio.Protocol):
    """One client's socket and its session."""

    def __init__(self, server: SimServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self.session: Session | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        if self._server.hub.full:
            stream.abort()
            return
        stream.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._transport = stream
        self.session = self._server.admit(self)

    def data_received(self, data: bytes) -> None:
        if self.session is not None:
            self._server.hear(self.session, data)

    def connection_lost(self, _: Exception | None) -> None:
        if self.session is not None:
            self._server.dismiss(self, self.session)
        self._transport = None

    def flush(self, now: float) -> None:
        """Write what is due; close what is over; cut off whoever does not read."""
        if self._transport is None or self.session is None:
            return
        if data := self.session.take(now):
            self._transport.write(data)
        if self._transport.get_write_buffer_size() > MAX_UNREAD:
            self._transport.abort()
        elif self.session.closed and self.session.outbox.next_due() is None:
            self._transport.close()
        elif self.session.deaf and self._transport.is_reading():
            self._transport.pause_reading()

    def abort(self) -> None:
        """Drop the connection without another word."""
        if self._transport is not None:
            self._transport.abort()


class SimServer:
    """A running simulated gateway. Made by ``serve``."""

    def __init__(
        self, hub: Hub, host: str, times: SimClock, state_file: Path | None = None
    ) -> None:
        self.hub = hub
        self.host = host
        self.port = 0
        self._times = times
        self._state_file = state_file
        self._connections: set[_Connection] = set()
        self._listener: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None
        self._deserted = asyncio.Event()
        self._closed = False

    @property
    def exchange(self) -> Exchange:
        """The exchange behind it. Hand the reports of what you change to ``tell``."""
        return self.hub.exchange

    def now(self) -> float:
        """The simulated time, Unix seconds."""
        return self._times.now()

    # Levers ------------------------------------------------------------------------------

    def inject(self, fault: Fault) -> None:
        """Arm a fault; ``when`` "+SECONDS" counts from now. Raises ValueError."""
        now = self.now()
        self.hub.inject(fault, now)
        self._settle(now)

    def tell(self, reports: Iterable[Report]) -> None:
        """Send the clients what a direct call of ``exchange`` reported."""
        now = self.now()
        self.hub.deliver(reports, now)
        self._settle(now)

    def wake(self) -> None:
        """Let everything happen that is due. The server does it by itself in time."""
        now = self.now()
        self.hub.advance(now)
        self._settle(now)

    async def close(self) -> None:
        """Drop every connection and stop listening; the state is saved."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._opening is not None:
            self._opening.cancel()
        for connection in tuple(self._connections):
            connection.abort()
        if self._connections:
            await self._deserted.wait()
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
        self._save()

    # What sockets tell ---------------------------------------------------------------------

    def admit(self, connection: _Connection) -> Session:
        """A client connected."""
        now = self.now()
        self._connections.add(connection)
        session = self.hub.open(now)
        self._settle(now)
        return session

    def hear(self, session: Session, data: bytes) -> None:
        """A client sent bytes."""
        now = self.now()
        self.hub.advance(now)
        session.receive(data, now)
        self._settle(now)

    def dismiss(self, connection: _Connection, session: Session) -> None:
        """A client is gone."""
        self.hub.close(session)
        self._connections.discard(connection)
        if self._closed and not self._connections:
            self._deserted.set()

    # Afterwards --------------------------------------------------------------------------

    def _settle(self, now: float) -> None:
        """Save before anybody hears of it, then write, then sleep until something is due."""
        if self.hub.changed:
            self._save()
        for connection in tuple(self._connections):
            connection.flush(now)
        self._mind_the_door(now)
        if self._timer is not None:
            self._timer.cancel()
        moment = self.hub.next_wakeup(now)
        if moment is not None and not self._closed:
            delay = min((moment - now) / self.hub.rate, _LONGEST_SLEEP)
            self._timer = asyncio.get_running_loop().call_later(
                max(delay, _SHORTEST_SLEEP), self.wake
            )

    def _mind_the_door(self, now: float) -> None:
        refusing = now < self.hub.mishaps.refusing_until
        if refusing and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif not refusing and self._listener is None and self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._reopen())

    async def _reopen(self) -> None:
        while self._listener is None:
            try:
                await self.listen(self.port)
            except OSError:  # somebody took the port meanwhile: wait until it is free again
                await asyncio.sleep(_RETRY)
        self._opening = None

    async def listen(self, port: int) -> None:
        """Take connections on ``port``; 0 chooses a free one."""
        loop = asyncio.get_running_loop()
        # asyncio sets TCP_NODELAY on every connection it accepts.
        if self.host == "::":  # as IB Gateway itself: every interface, IPv4 too
            sock = socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True
            )
            self._listener = await loop.create_server(lambda: _Connection(self), sock=sock)
        else:
            self._listener = await loop.create_server(
                lambda: _Connection(self), self.host, port
            )
        self.port = self._listener.sockets[0].getsockname()[1]

    def _save(self) -> None:
        self.hub.changed = False
        if self._state_file is None:
            return
        state = {"times": self._times.to_dict(), "exchange": self.exchange.to_dict()}
        partial = self._state_file.with_name(self._state_file.name + ".partial")
        partial.write_text(json.dumps(state), encoding="utf-8")
        partial.replace(self._state_file)


async def serve(
    world: World | Exchange,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    latency: float = 0.0,
    clock: Clock = time.time,
    state_file: Path | None = None,
) -> SimServer:
    """Start a gateway; port 0 takes a free one, ``SimServer.port`` says which.

    ``latency`` (seconds) is added to every answer. ``clock`` tells the real time, Unix seconds.
    What is in ``state_file`` is gone on with, as if the gateway had never stopped; every change
    is saved there before a client hears of it. Raises OSError if the port is taken and
    ValueError if the file holds no state, or that of another world, or for an empty host.
    """
    if not host:  # asyncio would listen on every interface
        raise ValueError("no host to listen on")
    exchange, start = _begin(world, clock, state_file)
    times = SimClock(start, clock, exchange.world.clock.rate)
    hub = Hub(exchange, exchange.started, start, latency=latency)
    server = SimServer(hub, host, times, state_file)
    await server.listen(port)
    server.wake()
    return server


def _begin(
    world: World | Exchange, clock: Clock, state_file: Path | None
) -> tuple[Exchange, float]:
    """The exchange, and the simulated time it starts or goes on at."""
    if isinstance(world, Exchange):
        return world, world.now
    if state_file is None or not state_file.exists():
        start = clock() if world.clock.start is None else world.clock.start
        return Exchange(world, start), start
    try:
        state = json.loads(state_file.read_text(encoding="utf-8"))
        exchange = Exchange.from_dict(world, state["exchange"])
        away = max(0.0, clock() - state["times"]["real"]) * world.clock.rate
        return exchange, max(exchange.now, state["times"]["simulated"]) + away
    except (KeyError, TypeError, ValueError) as why:
        raise ValueError(f"{state_file} holds no saved state of this world: {why}") from why


async def run(
    world: World,
    *,
    host: str,
    port: int,
    latency: float = 0.0,
    state_file: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Raises what ``serve`` raises."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await serve(world, host=host, port=port, latency=latency, state_file=state_file)
    print(f"Simulated IB Gateway listening on {host}:{server.port}", flush=True)
    print(f"Accounts: {', '.join(server.exchange.accounts)}", flush=True)
    await stopped.wait()
    await server.close()


def main(
    host: str,
    port: int,
    scenario: Path | None,
    *,
    always_open: bool = False,
    latency_ms: float = 0.0,
    state_file: Path | None = None,
) -> None:
    """What ``rebalancer sim`` does. Raises what ``serve`` and ``load_world`` raise."""
    world = load_world(scenario) if scenario is not None else default_world()
    if always_open:
        world = replace(world, clock=replace(world.clock, always_open=True))
    asyncio.run(
        run(world, host=host, port=port, latency=latency_ms / 1000, state_file=state_file)
    )
