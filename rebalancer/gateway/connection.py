"""One connection to the gateway, kept alive: when it may be used, and when it is in doubt.

    connecting -> proving -> ready -> (dropped: connecting | 1100: paused)
    paused -> (1101, 1102, or too long: connecting anew) -> proving -> ready

Proving means that the gateway answered with at least one account, a full list of positions
and its time. It is repeated after every interruption, and ``generation`` rises: whoever holds
an older one must reconcile, because what happened meanwhile is not replayed.

While another session of the login has its market data (``rival``) the connection stays and is
not ready; when prices come again, it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence

from rebalancer.core.windows import Absence, Window, expected_down
from rebalancer.errors import GatewayError, GatewayUnavailableError
from rebalancer.gateway import identity, proof
from rebalancer.gateway.faults import Then, describe, from_rival, lookup
from rebalancer.gateway.identity import Mode
from rebalancer.gateway.rival import Rival
from rebalancer.gateway.session import Session
from rebalancer.gateway.wire import Wire

log = logging.getLogger("rebalancer.gateway")

#: Reconnect after this many seconds at first, doubling up to the last; the client id stays.
FIRST_DELAY = 0.2
LAST_DELAY = 15.0
#: A connection that lived this long counts as good: the next delay starts small again.
SETTLED = 10.0
#: A silent gateway is asked for the time this often, so that a dead socket is noticed.
HEARTBEAT = 15.0
#: A loss of IBKR (1100) that does not end within this is cleared up by connecting anew.
LONGEST_PAUSE = 120.0
#: While another session has the market data, a price is asked for this often.
PROBE = 5.0


class Connection:
    """A connection by one fixed client id. ``run`` keeps it; everyone else uses it.

    Args:
        host: where the gateway listens.
        port: 4001 live or 4002 paper, unless configured otherwise.
        client_id: fixed, because orders belong to it and are cancelled by it only.
        trading_mode: what kind of accounts this connection is meant for.
        timeout: seconds for a connect and for each answer.
        windows: when it is expected to be away; what is lost then is no alarm.
        clock: Unix seconds by the local clock.
        jitter: 0 to 1, spreads reconnects.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: int,
        *,
        trading_mode: Mode,
        timeout: float = 10.0,
        windows: Sequence[Window] = (),
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.host = host
        self.port = port
        self.client_id = client_id
        self.trading_mode: Mode = trading_mode
        self.timeout = timeout
        self.windows = windows
        self.accounts: frozenset[str] = frozenset()
        #: Rises with every connect, and with every 1101 and 1102.
        self.generation = 0
        #: What went wrong last, with the remedy if there is one; '' after it is ready again.
        self.last_error = ""
        #: Seconds the gateway's clock is ahead of ours.
        self.clock_offset = 0.0
        #: One line for people.
        self.state = "not started"
        #: Another session that has the login's market data.
        self.rival = Rival()
        #: How often, and for how many seconds in all, orders waited for the gateway's pace.
        self.pacing_waits, self.pacing_seconds = 0, 0.0
        #: Held by whoever waits for room and then sends orders, so that none lies in a queue.
        self.sending = asyncio.Lock()
        self._clock = clock
        self._jitter = jitter
        self._session: Session | None = None
        self._wire: Wire | None = None
        self._ready = asyncio.Event()
        #: What the gateway said while connecting: the better reason when that fails.
        self._said = ""
        #: Codes about the connection that change its state, in the order they came.
        self._codes: asyncio.Queue[tuple[Then, str]] = asyncio.Queue()

    # What others use -----------------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """Whether it may be used now."""
        return self._ready.is_set() and self._session is not None

    @property
    def is_connected(self) -> bool:
        """Whether the gateway is there and proven, though perhaps not to be used."""
        return self._session is not None and not self._session.over

    def expected_down(self) -> Absence | None:
        """The window that lasts now, by the gateway's clock."""
        return expected_down(self.windows, self.now())

    @property
    def session(self) -> Session:
        """The current session.

        Raises:
            GatewayUnavailableError: there is none; the text says why and what to do.
        """
        if self._session is None or not self._ready.is_set():
            raise GatewayUnavailableError(self._why())
        return self._session

    async def ready(self, timeout: float) -> None:  # noqa: ASYNC109 - the caller's word
        """Return when it may be used.

        Raises:
            GatewayUnavailableError: not within ``timeout`` seconds; the text names the last
                cause and what to do.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            raise GatewayUnavailableError(self._why()) from None

    async def lost(self) -> str:
        """Return why, as soon as the current session is over; at once if there is none."""
        session = self._session
        if session is None or not self._ready.is_set():
            return self._why()
        await session.closed.wait()
        return session.over

    def now(self) -> float:
        """Unix seconds by the gateway's clock, by which exchange hours are judged."""
        return self._clock() + self.clock_offset

    def check_account(self, account_id: str, expected_mode: Mode) -> None:
        """Prove that account, port and trading mode agree, before anything is traded.

        Raises:
            GatewayUnavailableError: not connected, so nothing can be proven.
            WrongGatewayError: they do not agree.
        """
        if not self.is_ready:
            raise GatewayUnavailableError(self._why())
        identity.check(
            account_id,
            expected_mode,
            trading_mode=self.trading_mode,
            managed=self.accounts,
            host=self.host,
            port=self.port,
        )

    async def run(self) -> None:
        """Keep one connection alive until cancelled."""
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                try:
                    await self._attend(*await self._connect())
                except GatewayUnavailableError as error:
                    self._down(str(error))
                finally:
                    self._hang_up()
                failures = 1 if loop.time() - began > SETTLED else failures + 1
                delay = min(FIRST_DELAY * 2 ** min(failures - 1, 10), LAST_DELAY)
                delay *= 0.5 + self._jitter() / 2
                self.state = f"waiting {delay:.1f} s to reconnect: {self.last_error}"
                await asyncio.sleep(delay)
        finally:
            await self.close()

    async def close(self) -> None:
        """Hang up. ``run`` is to be cancelled by whoever started it."""
        self._down("the connection was closed")
        self._hang_up()
        self.state = "closed"

    # Connecting ----------------------------------------------------------------------------

    async def _connect(self) -> tuple[Wire, Session]:
        """Open a socket and prove the gateway behind it."""
        self.state = f"connecting to {self.host}:{self.port}"
        self._said = ""
        self._codes = asyncio.Queue()
        self._wire = wire = Wire(self._heard)
        wire.inbox.session = session = self._new_session(wire)
        wire.disconnectedEvent += self._dropped
        try:
            await wire.open(self.host, self.port, self.client_id, within=self.timeout)
        except (OSError, TimeoutError) as error:
            raise GatewayUnavailableError(self._why_not(error)) from error
        await self._prove(wire, session)
        return wire, session

    def _new_session(self, wire: Wire) -> Session:
        return Session(
            wire.client,
            self.generation + 1,
            timeout=self.timeout,
            clock=self._clock,
        )

    async def _prove(self, wire: Wire, session: Session) -> None:
        """Make the session current once the gateway has shown that it knows its accounts."""
        try:
            shown = await proof.prove(wire, session, self._clock)
        except GatewayUnavailableError:
            raise
        except GatewayError as error:
            raise GatewayUnavailableError(str(error)) from error
        self.accounts, self.clock_offset = shown.accounts, shown.clock_offset
        self.generation = session.generation
        self._session = session
        self._settle_state()
        log.info("gateway %s", self.state)

    def _settle_state(self) -> None:
        """Say what a proven connection may be used for."""
        self.last_error = self.rival.said
        self.state = (
            f"connected to {self.host}:{self.port} as client {self.client_id}, "
            f"{len(self.accounts)} accounts"
        )
        if self.rival.said:
            self.state += f"; standing back: {self.rival.said}"
        else:
            self._ready.set()

    # Attending -----------------------------------------------------------------------------

    async def _attend(self, wire: Wire, session: Session) -> None:
        """Watch a proven connection until it is lost, which raises."""
        while True:
            then, cause = await self._next_code(PROBE if self.rival.said else HEARTBEAT)
            if then is Then.PAUSE:
                self._down(cause)
                self._log("gateway paused: %s", cause)
                session = await self._outlast(wire, session)
            elif then is Then.RESTORED:
                session = await self._again(wire, session, cause)
            elif then is Then.RECONNECT:
                raise GatewayUnavailableError(cause)
            else:
                # Silence, or a notice: ask for the time, which also shows a dead socket.
                session.lines.tidy()
                self.clock_offset = await proof.clock_offset(wire, session, self._clock)
                if self.rival.said and await self.rival.gone(session, within=self.timeout):
                    self._settle_state()

    async def _outlast(self, wire: Wire, session: Session) -> Session:
        """Wait until IBKR is back, and prove it."""
        self.state = f"paused: {session.over}"
        deadline = asyncio.get_running_loop().time() + LONGEST_PAUSE
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            then, cause = await self._next_code(left)
            if then is Then.RESTORED:
                return await self._again(wire, session, cause)
            if then is Then.RECONNECT:
                raise GatewayUnavailableError(cause)
        raise GatewayUnavailableError(f"{session.over}; not back within {LONGEST_PAUSE:g} s")

    async def _again(self, wire: Wire, old: Session, cause: str) -> Session:
        """A new session on the same socket, after everything that startup proves is re-read."""
        self._down(cause)
        self._log("gateway: %s; reading everything again", cause)
        self.state = f"proving again after {cause}"
        wire.inbox.session = session = self._new_session(wire)
        for req_id in old.lines.ids():
            session.send(wire.client.cancelMktData, req_id)
        await proof.positions(wire, session)
        await self._prove(wire, session)
        return session

    async def _next_code(self, within: float) -> tuple[Then, str]:
        """The next code that changes the state; a notice after ``within`` seconds of none."""
        try:
            async with asyncio.timeout(within):
                return await self._codes.get()
        except TimeoutError:
            return Then.NOTICE, ""

    def _heard(self, req_id: int, code: int, text: str) -> None:
        """A code that is about no request, line or order of ours."""
        fault = lookup(code)
        said = describe(code, text)
        wire = self._wire
        if from_rival(code, text):
            # The connection is kept and used no more; who follows sent orders may go on.
            self.rival.noticed(f"{code}: {' '.join(text.split())}", self._session)
            self._ready.clear()
            if self.is_connected:
                self._settle_state()
            return
        if fault is None or fault.then is not Then.NOTICE:
            self._log("gateway said %s (id %d)", said, req_id)
            self.last_error = self._said = said
        else:
            log.debug("gateway said %s", said)
        if code == 2103 and self._session is not None:
            self._session.lines.farm_broke()
        if fault is None or fault.then not in {Then.PAUSE, Then.RESTORED, Then.RECONNECT}:
            return
        if fault.then is Then.RECONNECT:
            if wire is not None:
                wire.give_up(said)
        elif self._session is not None:
            # At once, not when the queue is read: nothing more may be sent on it.
            self._session.end(said)
            self._ready.clear()
        self._codes.put_nowait((fault.then, said))

    def _dropped(self) -> None:
        """The socket is gone."""
        reason = f"the gateway at {self.host}:{self.port} closed the connection"
        self._ready.clear()
        if self._wire is not None:
            self._wire.inbox.session.end(reason)
        self._codes.put_nowait((Then.RECONNECT, reason))

    # Ending --------------------------------------------------------------------------------

    def _log(self, text: str, *about: object) -> None:
        """Log what is bad news, except in a window."""
        log.log(logging.INFO if self.expected_down() else logging.WARNING, text, *about)

    def _down(self, reason: str) -> None:
        self._ready.clear()
        self.last_error = reason
        if self._session is not None:
            self._session.end(reason)
            self._session = None

    def _hang_up(self) -> None:
        wire = self._wire
        if wire is not None:
            with contextlib.suppress(OSError):
                wire.disconnect()
            self._wire = None

    def _why_not(self, error: Exception) -> str:
        """Why a connect failed: what the gateway itself said comes first."""
        if self._said:
            hint = self._said
        elif isinstance(error, ConnectionRefusedError):
            hint = "nothing listens there; start IB Gateway and enable its API on this port"
        elif isinstance(error, TimeoutError):
            hint = f"it accepts but does not answer within {self.timeout:g} s; is it logged in?"
        else:
            hint = str(error) or repr(error)
        return f"cannot connect to {self.host}:{self.port}: {hint}"

    def _why(self) -> str:
        return self.last_error or f"gateway not connected ({self.state})"
