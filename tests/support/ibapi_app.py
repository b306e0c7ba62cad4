"""The unmodified official client, for tests: what it is told is kept, by callback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.order import Order
from ibapi.wrapper import EWrapper

from rebalancer.sim.server import SimServer
from tests.support.sim_gateway import DEADLINE, SimThread

#: Callbacks kept by name, with their arguments.
_KEPT = """
    managedAccounts nextValidId currentTime error position positionEnd positionMulti
    positionMultiEnd updateAccountValue updatePortfolio updateAccountTime accountDownloadEnd
    accountUpdateMulti accountUpdateMultiEnd accountSummary accountSummaryEnd contractDetails
    contractDetailsEnd symbolSamples marketRule marketDataType tickReqParams tickPrice tickSize
    tickString tickSnapshotEnd openOrder orderStatus openOrderEnd execDetails execDetailsEnd
    commissionAndFeesReport completedOrder completedOrdersEnd pnl pnlSingle historicalData
    historicalDataEnd newsProviders familyCodes userInfo smartComponents softDollarTiers
    mktDepthExchanges scannerParameters connectionClosed
"""


class App(EWrapper, EClient):
    """Keeps what it is told, by the callback's name."""

    def __init__(self) -> None:
        EClient.__init__(self, self)
        self.told: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _KEPT.split()}
        self._news = threading.Condition()

    def keep(self, name: str, *args: Any) -> None:
        """One callback."""
        with self._news:
            self.told[name].append(args)
            self._news.notify_all()

    def await_(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds."""
        with self._news:
            assert self._news.wait_for(condition, DEADLINE), {
                name: told for name, told in self.told.items() if told
            }

    def first(self, name: str, count: int = 1) -> list[tuple[Any, ...]]:
        """Wait for ``count`` callbacks of this name."""
        self.await_(lambda: len(self.told[name]) >= count)
        return self.told[name]

    @property
    def codes(self) -> list[tuple[int, int]]:
        """Errors that are no notices about data farms, as id and code."""
        seen = [(args[0], args[2]) for args in self.told["error"]]
        return [each for each in seen if each[1] not in {2104, 2106, 2158}]


def _keeper(name: str) -> Callable[..., None]:
    def method(self: App, *args: Any) -> None:
        self.keep(name, *args)

    return method


for _name in _KEPT.split():
    setattr(App, _name, _keeper(_name))


@contextmanager
def connected(gateway: SimThread, client_id: int = 7, *, options: str = "") -> Iterator[App]:
    """An app whose message loop runs."""
    app = App()
    if options:
        app.setConnectOptions(options)
    app.connect("127.0.0.1", gateway.port, client_id)
    loop = threading.Thread(target=app.run)
    loop.start()
    try:
        app.first("nextValidId")
        yield app
    finally:
        # Its reader waits a second before it notices that it was closed from this side.
        gateway.call(lambda server: _hang_up(server, client_id))
        loop.join(DEADLINE)
        assert not loop.is_alive()


def _hang_up(server: SimServer, client_id: int) -> None:
    session = server.hub.holder(client_id)
    if session is not None:
        session.hang_up()
        server.wake()


def stock(symbol: str = "SPY") -> Contract:
    contract = Contract()
    known = {"symbol": symbol, "secType": "STK", "exchange": "SMART", "currency": "USD"}
    vars(contract).update(known)
    return contract


def order(action: str = "BUY", quantity: int = 10, **fields: Any) -> Order:
    made = Order()
    known = {"action": action, "totalQuantity": Decimal(quantity), "orderType": "MKT"}
    vars(made).update({**known, "tif": "DAY", "account": "DU1000001", **fields})
    return made
