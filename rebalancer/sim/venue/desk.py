"""The order desk: takes clients' orders in, changes them, or refuses them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rebalancer.sim.armed import Armed
from rebalancer.sim.venue.admission import (
    READ_ONLY,
    Refusal,
    account_refusal,
    invalid,
    request_refusal,
    unresolved,
)
from rebalancer.sim.venue.book import DONE, Book, LiveOrder
from rebalancer.sim.venue.floor import BY_SYSTEM, Floor
from rebalancer.sim.venue.funds import Funds
from rebalancer.sim.venue.market import Market
from rebalancer.sim.venue.pairs import odd_lot
from rebalancer.sim.venue.quirks import about_order, order_quirks
from rebalancer.sim.venue.tif import OUTSIDE_RTH_TYPES, schedule
from rebalancer.sim.vocabulary import (
    ContractSpec,
    Opened,
    OrderSpec,
    Refused,
    Report,
    StatusChanged,
)
from rebalancer.sim.world import Standing, World

_OUTSIDE_RTH_IGNORED = (
    "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the "
    "order type and destination. PlaceOrder is now being processed."
)
_TIF_PRESET = "Order TIF was set to DAY based on order preset."
_LOCATING = "Order held while securities are located."
#: What a notice says when the scenario does not.
_NOTICES = {"10349": _TIF_PRESET, "404": _LOCATING, "2109": _OUTSIDE_RTH_IGNORED}
_DUPLICATE = (103, "Duplicate order id")
_PLACE = "placeOrder"


class Desk:
    """Where requests of clients become orders on the ``floor``."""

    def __init__(
        self, world: World, book: Book, market: Market, floor: Floor, funds: Funds, armed: Armed
    ) -> None:
        self._world = world
        self._accounts = {spec.account_id: spec for spec in world.accounts}
        self._book = book
        self._market = market
        self._floor = floor
        self._funds = funds
        self._armed = armed

    def place(
        self, client_id: int, order_id: int, contract: ContractSpec, order: OrderSpec
    ) -> list[Report]:
        """A placeOrder: a new order, a change to a live one, or a whatIf."""
        found = self._market.find(contract)
        order, warnings = self._completed(order)
        refusal = self._gate_refusal(order) or unresolved(len(found), contract.symbol)
        if refusal is None:
            zone = self._market.calendar(found[0].con_id).zone
            refusal = self._id_refusal(client_id, order_id, found[0].con_id, order)
            refusal = refusal or request_refusal(order, found[0], zone)
        if refusal is not None:
            return [Refused(client_id, order_id, *refusal)]
        if (notice := odd_lot(order, found[0])) is not None:
            warnings.append(notice)
        known = None if order.what_if else self._book.find(client_id, order_id)
        if known is not None:
            changed = self._change(known, order)
            return [*(Refused(client_id, order_id, *warning) for warning in warnings), *changed]
        new = LiveOrder(
            client_id=client_id,
            order_id=order_id,
            perm_id=self._book.next_perm_id,
            con_id=found[0].con_id,
            spec=order,
        )
        if order.what_if:
            return [self._funds.preview(new)]
        return self._take_in(new, warnings)

    def stand(self, standing: Standing) -> None:
        """An order that was placed before the world began; no fault concerns it."""
        client_id = standing.client_id
        spec = OrderSpec(
            standing.action,
            standing.quantity,
            "LMT",
            standing.limit_price,
            None,
            "GTC",
            standing.account,
            order_ref=standing.order_ref,
        )
        order_id = standing.order_id or self._book.next_order_id(client_id)
        order = LiveOrder(client_id, order_id, self._book.take_perm_id(), standing.con_id, spec)
        self._book.next_order_ids[client_id] = order_id + 1
        self._book.orders.append(order)
        self._start(order)

    # Checking ----------------------------------------------------------------------------

    def _completed(self, order: OrderSpec) -> tuple[OrderSpec, list[Refusal]]:
        """The order with the gateway's defaults filled in, and the warnings that earns."""
        warnings: list[Refusal] = []
        if not order.account and len(self._accounts) == 1:
            order = replace(order, account=next(iter(self._accounts)))
        if not order.tif:
            order = replace(order, tif="DAY")
            if self._world.habits.tif_preset_notice:
                warnings.append((10349, _TIF_PRESET))
        if order.outside_rth and order.order_type not in OUTSIDE_RTH_TYPES:
            order = replace(order, outside_rth=False)
            warnings.append((2109, _OUTSIDE_RTH_IGNORED))
        return order, warnings

    def _gate_refusal(self, order: OrderSpec) -> Refusal | None:
        refusal = account_refusal(order.account, self._accounts)
        if refusal is None and self._accounts[order.account].read_only:
            return invalid(READ_ONLY)
        return refusal

    def _id_refusal(
        self, client_id: int, order_id: int, con_id: int, order: OrderSpec
    ) -> Refusal | None:
        """Whether the order id may be used like this."""
        known = self._book.find(client_id, order_id)
        if order.what_if:
            return None
        if known is None:
            return _DUPLICATE if order_id < self._book.next_order_id(client_id) else None
        before = known.spec
        same = (known.con_id, before.action, before.account) == (
            con_id,
            order.action,
            order.account,
        )
        if known.status in DONE:
            changed = same and known.status == "Filled" and _terms(before) != _terms(order)
            return (104, "Cannot modify a filled order.") if changed else _DUPLICATE
        if not same:
            return 105, "Order being modified does not match original order."
        return (134, "Modify order failed.") if order.quantity <= known.filled else None

    # Taking in ---------------------------------------------------------------------------

    def _take_in(self, order: LiveOrder, warnings: Sequence[Refusal]) -> list[Report]:
        book, client_id = self._book, order.client_id
        book.take_perm_id()
        book.next_order_ids[client_id] = max(book.next_order_id(client_id), order.order_id + 1)
        book.orders.append(order)
        if not order.spec.transmit:
            order.staged = True
            return []
        return self._transmit(order, warnings)

    def _transmit(self, order: LiveOrder, warnings: Sequence[Refusal] = ()) -> list[Report]:
        """Send an order on, its staged parent and siblings before it."""
        about = about_order(self._market.listing(order.con_id).ticker, order.spec)
        struck = self._armed.strike("reject", _PLACE, **about)
        if struck is not None:
            text = struck.get("text", "Order rejected - reason:Rejected by the scenario.")
            return self._reject(order, (int(struck.get("code", "201")), text))
        refusal = self._funds.refusal(order)
        if refusal is not None:
            return self._reject(order, refusal)
        reports: list[Report] = []
        for kin in [o for o in self._book.orders if o.staged and _kin(o, order)]:
            kin.staged = False
            reports += self._transmit(kin)
        reports += [Refused(order.client_id, order.order_id, *warning) for warning in warnings]
        order.quirks = order_quirks(self._armed, about)
        reports += self._start(order)
        notice = self._armed.strike("notice", _PLACE, **about)
        if notice is not None:
            code = notice.get("code", "10349")
            text = notice.get("text", _NOTICES.get(code, "Order Message"))
            reports.append(Refused(order.client_id, order.order_id, int(code), text))
        lost = self._armed.strike("lost_ack", _PLACE, **about)
        return reports if lost is None else []

    def _start(self, order: LiveOrder) -> list[Report]:
        """Work out when the order may trade, and acknowledge it."""
        now = self._book.now
        when = schedule(order.spec, self._market.calendar(order.con_id), now)
        order.active_at, order.auction_at = when.active_at, when.auction_at
        order.expire_at, order.held = when.expire_at, when.active_at > now
        order.fill_from = now + max(self._world.fill_after, order.quirks.fill_after)
        order.why_held = ""
        parent = self._book.find(order.client_id, order.spec.parent_id)
        if order.spec.parent_id and parent is not None and parent.status not in DONE:
            order.why_held = "child"
        elif not self._market.listing(order.con_id).shortable and self._funds.shorted(order):
            order.why_held = "locate"
            located = Refused(order.client_id, order.order_id, 404, _LOCATING)
            return [*self._floor.acknowledge(order), located]
        return self._floor.acknowledge(order)

    def _change(self, order: LiveOrder, spec: OrderSpec) -> list[Report]:
        """A live order's id again: its terms change, or it is transmitted at last."""
        before, order.spec = order.spec, spec
        if order.staged:
            order.staged = not spec.transmit
            return self._transmit(order) if spec.transmit else []
        refusal = self._funds.refusal(order)
        if refusal is not None:
            order.spec = before
            return [Refused(order.client_id, order.order_id, *refusal)]
        late = order.fill_from
        reports = self._start(order)
        # A scenario's delay counts from the order's arrival, not from each change of it.
        order.fill_from = max(self._book.now + self._world.fill_after, late)
        return reports

    def _reject(self, order: LiveOrder, refusal: Refusal) -> list[Report]:
        """As recorded: the error comes first, then the order, inactive."""
        self._book.end(order, "Inactive", BY_SYSTEM)
        error = Refused(order.client_id, order.order_id, *refusal)
        return [error, Opened(order.view()), StatusChanged(order.view())]


def _terms(order: OrderSpec) -> tuple[object, ...]:
    """What a client changes when it modifies an order."""
    return order.quantity, order.order_type, order.limit_price, order.aux_price


def _kin(staged: LiveOrder, order: LiveOrder) -> bool:
    """The staged order is the other's parent, or a child of the same parent."""
    parent = order.spec.parent_id
    return (
        bool(parent)
        and staged.client_id == order.client_id
        and parent in {staged.order_id, staged.spec.parent_id}
    )
