"""A client that talks to sessions without a socket: fields in, named messages out."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from rebalancer.sim.exchange import Exchange
from rebalancer.sim.hub import Hub
from rebalancer.sim.protocol.layouts import PLACE_ORDER
from rebalancer.sim.protocol.messages_in import REQUESTS
from rebalancer.sim.protocol.messages_out import ANSWERS
from rebalancer.sim.protocol.wire import FrameReader, Value, frame, split
from rebalancer.sim.world import World
from tests.support.sim_gateway import SPY, small_world

#: Wednesday 2026-01-07, 15:00 UTC: New York trades.
NOON = 1767798000.0

_NAMES = {number: name for name, number in ANSWERS.items()}
_NUMBERS = {name: number for number, (name, _) in REQUESTS.items()}
#: Versions that requests carry after their number, as both clients send them.
_VERSIONS = {
    "reqMktData": 11,
    "cancelMktData": 2,
    "reqAccountUpdates": 2,
    "reqExecutions": 3,
    "reqContractDetails": 8,
    "startApi": 2,
}
_UNVERSIONED = {"placeOrder", "reqHistoricalData", "reqCompletedOrders", "replaceFA"}

#: The twelve fields that name SPY, as ib_async sends them.
SPY_FIELDS: tuple[Value, ...] = (
    *(SPY, "SPY", "STK", "", "0.0", "", "", "SMART", "", "USD", "", ""),
)
#: placeOrder as ib_async sends it, what follows the conditions included.
_ORDER_DEFAULTS = {
    "conId": str(SPY),
    "symbol": "SPY",
    "secType": "STK",
    "strike": "0.0",
    "exchange": "SMART",
    "currency": "USD",
    "action": "BUY",
    "totalQuantity": "10",
    "orderType": "MKT",
    "tif": "DAY",
    "account": "DU1000001",
    "openClose": "O",
    "transmit": "1",
    "exemptCode": "-1",
    "deltaNeutral": "0",
    "nConditions": "0",
}
_AFTER_CONDITIONS = [""] * 24


@dataclass(frozen=True)
class Said:
    """One message the gateway sent."""

    name: str
    fields: tuple[str, ...]

    def __getitem__(self, place: int) -> str:
        return self.fields[place]


def order_row(order_id: int, **fields: Value) -> list[Value]:
    """The fields of a placeOrder for ten SPY, changed by ``fields``.

    A field that others follow holds them, NULs between: ``algoStrategy="Adaptive\\0" "0"``.
    """
    known: dict[str, Value] = {**_ORDER_DEFAULTS, "orderId": order_id, **fields}
    row: list[Value] = [3]
    for name in PLACE_ORDER:
        value = known.get(name, "")
        row += value.split("\0") if isinstance(value, str) else [value]
    return [*row, *_AFTER_CONDITIONS]


class Speaker:
    """One gateway and its clients, on a clock that moves when told."""

    def __init__(self, world: World | None = None, *, latency: float = 0.0) -> None:
        self.now = NOON
        self.exchange = Exchange(world or small_world(), self.now)
        self.hub = Hub(self.exchange, self.now, self.now, latency=latency)

    def client(self, client_id: int = 1, *, versions: str = "v157..178") -> Client:
        """A client that has connected and read its greeting."""
        client = Client(self)
        client.hello(versions)
        client.take()
        client.ask("startApi", client_id, "")
        client.greeting = client.take()
        return client

    def set_price(self, symbol: str, price: int | str) -> None:
        """Move a price."""
        reports = self.exchange.set_price(symbol, Decimal(price), self.now)
        self.hub.deliver(reports, self.now)

    def pass_time(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds
        self.hub.advance(self.now)


class Client:
    """One connection."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.session = speaker.hub.open(speaker.now)
        self.greeting: list[Said] = []
        self._reader = FrameReader()

    @property
    def closed(self) -> bool:
        """Whether the gateway hung up."""
        return self.session.closed

    def hello(self, versions: str) -> None:
        """Open the conversation."""
        payload = versions.encode()
        self.raw(b"API\0" + len(payload).to_bytes(4, "big") + payload)

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.speaker.hub.advance(self.speaker.now)
        self.session.receive(data, self.speaker.now)

    def ask(self, name: str, *fields: Value) -> None:
        """Send a request by name; its number and version are put before ``fields``."""
        number = _NUMBERS[name]
        head: tuple[Value, ...] = (number,)
        if name not in _UNVERSIONED and number < 78:
            head = (number, _VERSIONS.get(name, 1))
        self.raw(frame((*head, *fields)))

    def place(self, order_id: int, **fields: Value) -> None:
        """Send a placeOrder for SPY; ``fields`` are named as in ``layouts.PLACE_ORDER``."""
        self.raw(frame(order_row(order_id, **fields)))

    def take_bytes(self) -> bytes:
        """What the gateway has sent, as bytes."""
        return self.session.take(self.speaker.now)

    def take(self) -> list[Said]:
        """What the gateway has sent since."""
        self._reader.feed(self.take_bytes())
        said = []
        for payload in self._reader.payloads():
            number, *fields = split(payload)
            said.append(Said(_NAMES.get(int(number), number), tuple(fields)))
        return said

    def answers(self, name: str, *fields: Value) -> list[Said]:
        """Ask, and take what comes back at once."""
        self.ask(name, *fields)
        return self.take()


def names(said: list[Said]) -> list[str]:
    """Only the names."""
    return [each.name for each in said]


def errors(said: list[Said]) -> list[tuple[str, int]]:
    """Errors as id and code."""
    return [(each[1], int(each[2])) for each in said if each.name == "error"]
