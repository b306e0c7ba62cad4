"""The gateway behind the sessions: one exchange, many clients, and who hears of what.

Sans-I/O like the sessions: ``server.py`` hands in bytes and the time and writes what comes out.
All times are the exchange's (``now``), which may run faster than real ones by ``rate``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rebalancer.sim.exchange import Exchange
from rebalancer.sim.faults import FAULTS
from rebalancer.sim.mishaps import Mishaps
from rebalancer.sim.protocol.messages_out import error
from rebalancer.sim.session import Session
from rebalancer.sim.vocabulary import ContractView, Fault, Report, Ticked

#: The real one takes 32 clients; the rest is for those that have not introduced themselves.
MAX_SESSIONS = 64


class Hub:
    """Every session of one gateway. ``latency`` (real seconds) is added to every answer."""

    def __init__(
        self, exchange: Exchange, started: float, now: float, *, latency: float = 0.0
    ) -> None:
        self.exchange = exchange
        self.now = now
        self.rate = exchange.world.clock.rate
        self.mishaps = Mishaps(exchange.world.faults, started, now)
        self.sessions: list[Session] = []
        #: Every client id that was ever seen.
        self.client_ids: set[int] = set()
        #: The exchange's state changed; whoever saves it clears this.
        self.changed = True
        self._latency = latency
        self._contracts: dict[int, ContractView] = {}

    # Clients come and go -----------------------------------------------------------------

    @property
    def full(self) -> bool:
        """No further connection is taken."""
        return len(self.sessions) >= MAX_SESSIONS

    def open(self, now: float) -> Session:
        """A session for a new connection."""
        session = Session(self, now)
        self.sessions.append(session)
        return session

    def close(self, session: Session) -> None:
        """The connection of this session is gone."""
        session.hang_up()
        if session in self.sessions:
            self.sessions.remove(session)

    def holder(self, client_id: int) -> Session | None:
        """Who uses this client id now."""
        return next((each for each in self.ready() if each.client_id == client_id), None)

    def ready(self) -> Iterator[Session]:
        """Sessions past their start."""
        return (session for session in tuple(self.sessions) if session.ready)

    # Time --------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Let the time pass until ``now``: the exchange, the faults, every session."""
        self.now = now
        self.deliver(self.exchange.advance(now), now)
        self.mishaps.advance(self, now)
        for session in tuple(self.sessions):
            session.wake(now)

    def next_wakeup(self, now: float) -> float | None:
        """When ``advance`` has something to do next, ``None`` if never."""
        moments = [self.exchange.next_wakeup(now), self.mishaps.next_wakeup(now)]
        moments += [session.next_wakeup() for session in self.sessions]
        return min((moment for moment in moments if moment is not None), default=None)

    def latency(self, name: str) -> float:
        """How long after it was asked this message is answered; '*' for what nobody asked."""
        named = self.exchange.world.latencies
        return (self._latency + named.get(name, named.get("*", 0.0))) * self.rate

    # What happens is told ----------------------------------------------------------------

    def deliver(self, reports: Iterable[Report], now: float) -> None:
        """Tell every session; each picks what concerns its client."""
        for report in reports:
            self.changed = self.changed or not isinstance(report, Ticked)
            if self.mishaps.outage is None:
                for session in self.ready():
                    session.report(report, now)

    def notify(self, code: int, text: str, now: float) -> None:
        """Send a notice about the system to everybody."""
        for session in self.ready():
            session.send(error(-1, code, text), now)

    def inject(self, fault: Fault, now: float) -> None:
        """Arm a fault while running; ``when`` "+SECONDS" counts from ``now``.

        Raises ValueError for a kind that is not in ``faults.FAULTS``.
        """
        if fault.kind not in FAULTS:
            raise ValueError(f"no such fault: {fault.kind}")
        if FAULTS[fault.kind].by == "wire":
            self.mishaps.inject(fault, now)
        else:
            self.exchange.arm(fault, now)
        self.advance(now)

    def contract(self, con_id: int) -> ContractView:
        """A contract, its hours perhaps of another day. Raises KeyError."""
        if con_id not in self._contracts:
            self._contracts[con_id] = self.exchange.contract(con_id)
        return self._contracts[con_id]
