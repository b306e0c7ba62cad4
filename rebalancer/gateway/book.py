"""What the gateway has said about orders: remembered by permId and execId, never by orderId.

Order ids are a client's own and are issued again after a gateway restart; permId and execId
are IBKR's and unique. Messages come in any order (a ``Filled`` before its ``execDetails``, a
fill without any status, a correction of a fill hours later), so nothing is an event here:
each message only adds to what is known, and a report is read off it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ib_async import CommissionReport, Contract, Execution, OrderState
from ib_async import Order as IbOrder

from rebalancer.core.order import Action, Fill, OpenOrder, OrderStatus
from rebalancer.gateway import convert

#: What the gateway calls an order that will not trade any more. ``Inactive`` is not among
#: them: such an order is refused, or only held back (shares being located, margin looked at
#: again, a person to confirm) and may trade yet.
ENDED = frozenset({"Filled", "Cancelled", "ApiCancelled"})
#: What it calls an order that it means to trade.
AT_WORK = frozenset({"PendingSubmit", "PreSubmitted", "Submitted"})

ZERO = Decimal(0)


@dataclass(slots=True)
class Track:
    """Everything known of one permId on this session."""

    perm_id: int
    order_ref: str = ""
    account_id: str = ""
    client_id: int = 0
    order_id: int = 0
    symbol: str = ""
    con_id: int = 0
    action: Action | None = None
    order_type: str = ""
    limit_price: Decimal | None = None
    #: Ordered shares; ``None`` until an order (not only a fill) was shown.
    quantity: Decimal | None = None
    #: The gateway's own word; '' until it said one.
    status: str = ""
    #: Shares the last status spoke of; fills may lag behind it or run ahead.
    stated: Decimal = ZERO
    avg_price: Decimal = ZERO
    #: Why it is held, or why it ended.
    reason: str = ""
    #: Whether it was said that it never will trade: a code, or its place in completed orders.
    refused: bool = False
    #: By the execId without its revision: (revision, fill).
    fills: dict[str, tuple[int, Fill]] = field(default_factory=dict)

    @property
    def executed(self) -> Decimal:
        """Shares of the fills that have arrived."""
        return sum((fill.quantity for _, fill in self.fills.values()), ZERO)

    @property
    def filled(self) -> Decimal:
        """Shares filled, by whichever of status and fills knows more."""
        return max(self.executed, self.stated)

    @property
    def complete(self) -> bool:
        """Whether every share the status speaks of has its fill."""
        return self.executed >= self.stated

    def verdict(self, ordered: Decimal | None = None) -> OrderStatus:
        """The order's state in our words; ``ordered`` is its size where we know it."""
        size = ordered if ordered is not None else self.quantity
        if self.status == "Filled" or (size is not None and self.executed >= size > 0):
            return "filled"
        if self.status in ENDED:
            return "cancelled"
        return "rejected" if self.status == "Inactive" and self.refused else "working"


class Book:
    """Tracks and fills of one session.

    It grows by one track an order and is dropped with its session, at the latest when the
    gateway restarts for the night.
    """

    def __init__(
        self,
        bound: Callable[[Track], None],
        near: Callable[[int], Decimal | None] = lambda _: None,
    ) -> None:
        #: Called whenever an order or a fill shows whose track this is.
        self._bound = bound
        #: What a contract costs about now, in its currency, where that is known.
        self._near = near
        #: By conId, of contracts whose prices come in a fraction of the currency.
        self.magnifiers: dict[int, int] = {}
        self._tracks: dict[int, Track] = {}
        #: Amount and currency, by execId.
        self._commissions: dict[str, tuple[Decimal, str]] = {}

    def track(self, perm_id: int) -> Track:
        """The track of a permId, a new one if it was never heard of."""
        return self._tracks.setdefault(perm_id, Track(perm_id))

    def by_ref(self, order_ref: str) -> list[Track]:
        """Every track under an orderRef, oldest permId first."""
        found = [t for t in self._tracks.values() if t.order_ref == order_ref]
        return sorted(found, key=lambda t: t.perm_id)

    def tracks(self) -> tuple[Track, ...]:
        """All of them, in the order they were first heard of."""
        return tuple(self._tracks.values())

    def working(self, account_id: str) -> set[int]:
        """The permIds of orders that may still fill, as far as is known; '' is all accounts."""
        return {
            track.perm_id
            for track in self._tracks.values()
            if account_id in {"", track.account_id} and track.verdict() == "working"
        }

    def gone(self, perm_ids: Iterable[int]) -> None:
        """These are not among the open orders any more, and nothing told how they ended."""
        for track in map(self.track, perm_ids):
            if track.verdict() == "working":
                # Fills of an order that was never shown: all of it that there will be.
                track.status = "Filled" if track.quantity is None else "Cancelled"
                track.reason = track.reason or "no longer among the open orders"

    def fills(self, track: Track) -> tuple[Fill, ...]:
        """A track's fills, corrected, oldest first, with the commissions known by now."""
        latest = sorted((f for _, f in track.fills.values()), key=lambda f: (f.at, f.exec_id))
        return tuple(self._charged(fill) for fill in latest if fill.quantity)

    def _charged(self, fill: Fill) -> Fill:
        amount, currency = self._commissions.get(fill.exec_id, (None, ""))
        if currency == fill.currency:
            currency = ""
        return replace(fill, commission=amount, commission_currency=currency)

    # What the gateway says -----------------------------------------------------------------

    def opened(self, contract: Contract, order: IbOrder, state: OrderState) -> Track:
        """An ``openOrder``: an order as it stands, of any client."""
        track = self._describe(contract, order)
        track.client_id, track.order_id = order.clientId, order.orderId
        if state.status and track.status not in ENDED:
            track.status = state.status
        # Price caps and the like are told here only.
        track.reason = track.reason or state.warningText
        self._bound(track)
        return track

    def completed(self, contract: Contract, order: IbOrder, state: OrderState) -> Track:
        """A ``completedOrder``: an order of today that ended. It has no order or client id."""
        track = self._describe(contract, order)
        filled = convert.number(order.filledQuantity)
        if filled is not None:
            track.stated = max(track.stated, filled)
        if state.status in ENDED or state.status == "Inactive":
            track.status = state.status
            track.refused = state.status == "Inactive"
            if state.status != "Filled":
                track.reason = track.reason or state.completedStatus
        self._bound(track)
        return track

    def status(
        self, perm_id: int, status: str, filled: float, average: float, why: str
    ) -> None:
        """An ``orderStatus``. A late one never takes back a final state."""
        track = self.track(perm_id)
        if track.status not in ENDED or status in ENDED:
            track.status = status
        track.stated = max(track.stated, convert.quantity(filled))
        told = convert.price(average)
        if told is not None:
            track.avg_price = self._paid(track, told)
        track.reason = why or track.reason

    def executed(self, contract: Contract, execution: Execution) -> None:
        """An ``execDetails``, live or asked for; the highest revision of an execId is valid."""
        track = self.track(execution.permId)
        track.order_ref = execution.orderRef or track.order_ref
        track.account_id = execution.acctNumber or track.account_id
        track.symbol = contract.symbol or track.symbol
        track.con_id = contract.conId or track.con_id
        track.client_id = execution.clientId or track.client_id
        track.order_id = execution.orderId or track.order_id
        track.action = convert.action(execution.side)
        stem, revision = convert.exec_id(execution.execId)
        known = track.fills.get(stem)
        if known is None or revision > known[0]:
            track.fills[stem] = (revision, self._fill(track, contract, execution))
        self._bound(track)

    def commission(self, report: CommissionReport) -> None:
        """A ``commissionReport``, joined to its fill by execId whichever comes first."""
        amount = convert.number(report.commission)
        if amount is not None:
            self._commissions[report.execId] = (amount, report.currency)

    # Details -------------------------------------------------------------------------------

    def _describe(self, contract: Contract, order: IbOrder) -> Track:
        track = self.track(order.permId)
        track.order_ref = order.orderRef or track.order_ref
        track.account_id = order.account
        track.symbol, track.con_id = contract.symbol, contract.conId
        track.action = convert.action(order.action)
        track.order_type = order.orderType
        # IBKR writes 0 where an order type has no limit.
        limit = convert.price(order.lmtPrice)
        if limit is not None:
            limit = convert.in_currency(limit, self.magnifiers.get(contract.conId, 1))
        track.limit_price = limit
        ordered = convert.number(order.totalQuantity)
        if ordered:
            track.quantity = convert.quantity(ordered)
        return track

    def _paid(self, track: Track, price: Decimal) -> Decimal:
        magnifier = self.magnifiers.get(track.con_id, 1)
        if magnifier == 1:
            return price
        return convert.paid(price, magnifier, track.limit_price or self._near(track.con_id))

    def _fill(self, track: Track, contract: Contract, execution: Execution) -> Fill:
        traded_at = convert.price(execution.price)
        if traded_at is None:
            raise ValueError(f"a fill without a price: {execution.execId}")
        return Fill(
            exec_id=execution.execId,
            order_ref=track.order_ref,
            account_id=track.account_id,
            symbol=contract.symbol,
            con_id=contract.conId,
            action=convert.action(execution.side),
            quantity=convert.quantity(execution.shares),
            price=self._paid(track, traded_at),
            currency=contract.currency,
            at=convert.executed_at(execution),
        )


def open_order(track: Track) -> OpenOrder | None:
    """A track as a working order, or ``None`` if it is not one."""
    if track.action is None or track.quantity is None or track.verdict() != "working":
        return None
    return OpenOrder(
        account_id=track.account_id,
        symbol=track.symbol,
        con_id=track.con_id,
        action=track.action,
        quantity=track.quantity,
        remaining=max(track.quantity - track.filled, ZERO),
        order_type=track.order_type,
        limit_price=track.limit_price,
        perm_id=track.perm_id,
        order_id=track.order_id,
        client_id=track.client_id,
        order_ref=track.order_ref,
        status=track.status,
    )
