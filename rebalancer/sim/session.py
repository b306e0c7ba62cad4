"""One client's conversation, sans-I/O: bytes and the time in, bytes out.

    hello --(version)--> starting --(startApi)--> ready --> closed

Bytes go in by ``receive``, what the exchange reports by ``report``, the passing of time by
``wake``; whatever results waits in ``outbox``. Requests are answered in ``answers/``, by
tables from message name to function.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

from rebalancer.sim.answers import accounts, market, orders, other, profit
from rebalancer.sim.answers.common import Handler
from rebalancer.sim.outbox import Outbox
from rebalancer.sim.pacing import Pace
from rebalancer.sim.protocol.fields import BadFieldError, Fields, UnsupportedError
from rebalancer.sim.protocol.messages_in import REQUESTS, request_id
from rebalancer.sim.protocol.messages_out import Message, error, hello, message
from rebalancer.sim.protocol.wire import SERVER_VERSION, FrameReader, WireError, split
from rebalancer.sim.streams import Subscriptions
from rebalancer.sim.strikes import Verdict
from rebalancer.sim.vocabulary import Moved, Report, Ticked

if TYPE_CHECKING:
    from rebalancer.sim.hub import Hub

#: Real seconds a connection may take to introduce itself.
HANDSHAKE = 30.0
#: Bytes of requests that may wait while a session is stalled or paced.
MAX_BACKLOG = 4 << 20

HANDLERS: dict[str, Handler] = {
    **orders.HANDLERS,
    **accounts.HANDLERS,
    **profit.HANDLERS,
    **market.HANDLERS,
    **other.HANDLERS,
}
#: Requests whose answers must keep their order among themselves and with live reports.
_ORDERLY = {
    "startApi",
    "placeOrder",
    "cancelOrder",
    "reqGlobalCancel",
    "reqOpenOrders",
    "reqAllOpenOrders",
    "reqExecutions",
    "reqCompletedOrders",
}
_NOTICES = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)


class Session:
    """The conversation with one client of ``hub``."""

    def __init__(self, hub: Hub, now: float) -> None:
        self.hub = hub
        self.client_id = -1
        self.subs = Subscriptions()
        self.outbox = Outbox()
        #: Messages never sent to this client.
        self.hushed: frozenset[str] = frozenset()
        #: Nothing is read any more, though the connection stays.
        self.deaf = False
        self._phase: Literal["hello", "starting", "ready", "closed"] = "hello"
        self._reader = FrameReader()
        self._backlog: deque[bytes] = deque()
        self._waiting = 0
        self._held_until = 0.0
        self._pace = Pace(hub.rate)
        self._announced = 0
        #: An order id that is announced next although it was used; 0 for none.
        self.misled_to = 0
        self._deadline = now + HANDSHAKE * hub.rate
        self._answering: tuple[str, Verdict] | None = None

    @property
    def ready(self) -> bool:
        """Past the start: requests are answered and reports come."""
        return self._phase == "ready"

    @property
    def closed(self) -> bool:
        """Over; the connection is to be closed once the outbox is empty."""
        return self._phase == "closed"

    # Bytes in ----------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the client. Whatever they are, nothing is raised."""
        if self.closed or self.deaf:
            return
        self._reader.feed(data)
        try:
            if self._phase == "hello":
                self._greet(now)
            if self._phase != "hello":
                for payload in self._reader.payloads():
                    self._queue(payload, now)
        except WireError as why:
            self.send(error(-1, 507, f"Bad Message Length: {why}"), now)
            self.close()

    def _greet(self, now: float) -> None:
        offer = self._reader.hello()
        if offer is None:
            return
        self._phase = "starting"
        if offer.lowest > SERVER_VERSION:
            self.send(error(-1, 503, "The TWS is out of date and must be upgraded."), now)
            self.close()
        elif offer.highest < SERVER_VERSION:
            text = f"The client is out of date: this server speaks version {SERVER_VERSION}."
            self.send(error(-1, 503, text), now)
            self.close()
        else:
            self._pace.patient = "+PACEAPI" in offer.options
            verdict = self.hub.mishaps.meet(self.hub, self, "hello", (), now)
            if verdict.carry_out and not verdict.muted:
                due = now + self.hub.latency("hello") + verdict.late
                self.outbox.put(hello(SERVER_VERSION, now), due, "orders")
            if verdict.cut:
                self.close()

    def _queue(self, payload: bytes, now: float) -> None:
        self._backlog.append(payload)
        self._waiting += len(payload)
        self._work_off(now)
        if self._waiting > MAX_BACKLOG:
            self.close()

    def _work_off(self, now: float) -> None:
        while self._backlog and now >= self._held_until and not self.closed:
            wait = self._pace.wait(now)
            if self._pace.patient and wait:
                self._held_until = now + wait
                return
            payload = self._backlog.popleft()
            self._waiting -= len(payload)
            if wait:
                self._too_fast(now)
            else:
                self._pace.count(now)
                self._hear(split(payload), now)

    def _too_fast(self, now: float) -> None:
        times = self._pace.violation(now)
        if times is None:
            return
        text = f"Max rate of messages per second has been exceeded:max=50 rec=51 ({times})"
        self.send(error(-1, 100, text), now)
        if self._pace.exhausted:
            self.close()

    # Requests ----------------------------------------------------------------------------

    def _hear(self, fields: list[str], now: float) -> None:
        name = _name(fields)
        if name is None:
            text = f"Error reading request. Unknown message {(fields or [''])[0][:20]!r}."
            self.send(error(-1, 320, text), now)
        elif not self.ready and name != "startApi":
            self.send(error(request_id(fields), 504, "Not connected"), now)
        else:
            verdict = self.hub.mishaps.meet(self.hub, self, name, fields, now)
            if verdict.carry_out and not self.closed:
                self._answer(name, fields, verdict, now)
            if verdict.cut:
                self.close()

    def _answer(self, name: str, fields: list[str], verdict: Verdict, now: float) -> None:
        self._answering = (name, verdict)
        try:
            if name == "startApi":
                self._start(Fields(fields, skip=2).integer(), now)
            else:
                HANDLERS.get(name, _not_simulated)(self, fields, now)
        except BadFieldError as why:
            text = f"Error reading request. Unable to parse {name}: {why}."
            self.send(error(request_id(fields), 320, text), now)
        except UnsupportedError as what:
            # Not 321: ib_async takes that for a warning and would wait on.
            text = f"Error processing request.-'sim' : cause - {what}: not simulated"
            self.send(error(request_id(fields), 322, text), now)
        finally:
            self._answering = None

    def _start(self, client_id: int, now: float) -> None:
        if self.ready:
            self.send(error(-1, 501, "Already connected."), now)
            return
        if client_id < 0:
            raise BadFieldError(f"{client_id} is no client id")
        if self.hub.holder(client_id) is not None:
            text = "Unable to connect as the client id is already in use. "
            text += "Retry with a unique client id."
            self.send(error(-1, 326, text), now)
            self.close()
            return
        self.client_id = client_id
        self.hub.client_ids.add(client_id)
        self._phase = "ready"
        self.send(message("managedAccounts", 1, ",".join(self.hub.exchange.accounts)), now)
        self.announce_id(now)
        for code, text in _NOTICES:
            self.send(error(-1, code, text), now)

    def announce_id(self, now: float) -> None:
        """Say which order id is free; each time another, as the real one does."""
        free = self.hub.exchange.connect(self.client_id, now)
        self._announced = max(free, self._announced + 1)
        told, self.misled_to = self.misled_to or self._announced, 0
        self.send(message("nextValidId", 1, told), now)

    # What happens by itself ----------------------------------------------------------------

    def report(self, report: Report, now: float) -> None:
        """Tell the client what happened, if it concerns it."""
        match report:
            case Ticked(con_id):
                market.ticked(self, con_id, now)
                accounts.ticked(self, now)
            case Moved(account, con_ids):
                accounts.moved(self, account, frozenset(con_ids), now)
            case _:
                orders.tell(self, report, now)

    def wake(self, now: float) -> None:
        """Do what was due: deadlines, delayed requests, refreshed account data."""
        if not self.ready and now >= self._deadline:
            self.close()
        self._work_off(now)
        if self.ready:
            accounts.refresh(self, now)

    def next_wakeup(self) -> float | None:
        """When ``wake`` or the outbox has something to do next; ``None`` if never."""
        moments = [self.outbox.next_due()]
        if self.ready:
            moments.append(self.subs.next_wakeup())
        elif not self.closed:
            moments.append(self._deadline)
        if self._backlog and not self.closed:
            moments.append(self._held_until)
        return min((moment for moment in moments if moment is not None), default=None)

    def hold(self, until: float) -> None:
        """Answer nothing before ``until``: requests wait unheard, answers unsent."""
        self._held_until = max(self._held_until, until)
        self.outbox.held_until = max(self.outbox.held_until, until)

    # Bytes out ---------------------------------------------------------------------------

    def send(self, sent: Message, now: float, lane: str = "orders") -> None:
        """Put a message into the outbox, as late as this client's answers come."""
        name, verdict = self._answering or ("*", Verdict())
        if self._answering is not None and name not in _ORDERLY:
            lane = f"{name} late" if verdict.late else name
        hub = self.hub
        if sent.name in self.hushed | verdict.muted | hub.mishaps.dropped:
            return
        due = now + hub.latency(name) + verdict.late + hub.mishaps.late
        self.outbox.put(sent.frame(), due, lane)

    def send_all(self, messages: list[Message], now: float, lane: str = "orders") -> None:
        """Put several messages into the outbox, in this order."""
        for each in messages:
            self.send(each, now, lane)

    def take(self, now: float) -> bytes:
        """The bytes to write now. A client that lets too many pile up is cut off."""
        if self.outbox.overfull:
            self.close()
            self.outbox.discard()
        return self.outbox.take(now)

    def close(self) -> None:
        """Say nothing more but what is in the outbox."""
        self._phase = "closed"

    def hang_up(self) -> None:
        """Say nothing more at all."""
        self.outbox.discard()
        self.close()


def _name(fields: list[str]) -> str | None:
    try:
        return REQUESTS[int(fields[0])][0]
    except (KeyError, ValueError, IndexError):
        return None


def _not_simulated(_: Session, fields: list[str], __: float) -> None:
    raise UnsupportedError(_name(fields))
