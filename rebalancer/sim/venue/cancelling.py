"""cancelOrder and reqGlobalCancel: what may be cancelled, by whom, and what answers say."""

from __future__ import annotations

from rebalancer.sim.armed import Armed
from rebalancer.sim.venue.admission import Refusal
from rebalancer.sim.venue.book import DONE, Book, LiveOrder
from rebalancer.sim.venue.floor import BY_TRADER, Floor
from rebalancer.sim.venue.market import Market
from rebalancer.sim.venue.quirks import about_order
from rebalancer.sim.vocabulary import Refused, Report


def cancel(
    book: Book, market: Market, floor: Floor, armed: Armed, client_id: int, order_id: int
) -> list[Report]:
    """Cancel a client's order; client 0 may name any client's, the newest of that id."""
    order = book.find(client_id, order_id)
    if order is None and client_id == 0:
        order = next((o for o in book.everything() if o.order_id == order_id), None)
    if order is None:
        text = f"OrderId {order_id} that needs to be cancelled is not found."
        return [Refused(client_id, order_id, 10147, text)]
    if order.status in DONE:
        return [Refused(client_id, order_id, *_too_late(order))]
    about = about_order(market.listing(order.con_id).symbol, order.spec)
    if armed.strike("cancel_lost", "cancelOrder", **about) is not None:
        return []
    refused = armed.strike("cancel_refused", "cancelOrder", **about)
    if refused is not None:
        return [Refused(client_id, order_id, *_too_late(order, refused.get("code", "161")))]
    return floor.end(order, BY_TRADER)


def global_cancel(book: Book, floor: Floor) -> list[Report]:
    """Cancel every working order of every client."""
    reports: list[Report] = []
    for order in book.working():
        if order.working:  # an earlier cancel may have ended it: children, OCA groups
            reports += floor.end(order, BY_TRADER)
    return reports


def _too_late(order: LiveOrder, code: str = "") -> Refusal:
    if code == "10147":
        return 10147, f"OrderId {order.order_id} that needs to be cancelled is not found."
    if code == "161" or (not code and order.status == "Inactive"):
        return 161, (
            "Cancel attempted when order is not in a cancellable state.  "
            f"Order permId ={order.perm_id}"
        )
    return 10148, (
        f"OrderId {order.order_id} that needs to be cancelled cannot be cancelled, "
        f"state: {order.status}."
    )
