"""One order of ours from the moment it was sent: when its fate is known, and when it is not.

    acknowledged?  code that came          the order is
    no             refused, cancelled      final: it never lived
    no             a notice                taken to be on its way
    no             any other               in doubt
    yes            a notice                live; the text is kept as its reason
    yes            any other               in doubt until its status says something final

An order in doubt is asked about: over open orders, completed orders and executions. Silence is
doubt, too: no acknowledgement, or a final status whose fills do not come.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from rebalancer.core.order import Fill, Order, OrderReport, OrderStatus
from rebalancer.gateway.book import ENDED, ZERO, Book, Track
from rebalancer.gateway.faults import Then, describe, lookup

if TYPE_CHECKING:
    from rebalancer.gateway.session import Session

#: Seconds of silence, after sending or after a final status, that put an order in doubt.
ACK_WITHIN = 5.0
FILLS_WITHIN = 2.0
#: A cancel's or reject's text comes in the message after its status: wait this long for it.
TEXT_WITHIN = 0.25


class Ticket:
    """A placed order being followed. Times are seconds of the event loop's clock."""

    def __init__(self, order: Order, order_id: int, session: Session, now: float) -> None:
        self.order = order
        self.order_id = order_id
        self.session = session
        #: Seconds from sending to the gateway's first word about it, and until it had filled.
        self.heard_after: float | None = None
        self.filled_after: float | None = None
        #: Until its state was final.
        self.ended_after: float | None = None
        self._sent_at = now
        #: What is known of it; ``None`` until the gateway acknowledged it.
        self.track: Track | None = None
        self._refusal: tuple[Then, str] | None = None
        self._said: list[str] = []
        #: Something was said that leaves its fate open.
        self._unclear = False
        #: Asked for, and neither open, completed nor executed although a code came for it.
        self._unknown = False
        #: Asked for since it is ``Inactive``.
        self._looked_up = False
        #: When silence puts it in doubt: about its acknowledgement, about its fills.
        self._ack_due = now + ACK_WITHIN
        self._fills_due: float | None = None
        #: When its text is given up.
        self._text_due: float | None = None

    # What the gateway says -----------------------------------------------------------------

    def bind(self, track: Track, now: float) -> None:
        """An order or fill under our order id is this one if the orderRef is ours, too."""
        if track.order_ref == self.order.order_ref:
            self.track = track
            if self.heard_after is None:
                self.heard_after = now - self._sent_at
            track.refused = track.refused or self._is_refused()

    def noted(self, code: int, text: str) -> None:
        """A code that came under our order id."""
        fault = lookup(code)
        then = fault.then if fault else Then.ASK
        said = describe(code, text)
        self._said.append(said)
        if then in {Then.REFUSED, Then.CANCELLED}:
            self._refusal = (then, said)
            if self.track is not None:
                self._unclear = True
                self.track.refused = self.track.refused or self._is_refused()
        elif then is not Then.NOTICE:
            self._unclear = True

    def dropped(self, code: int, text: str) -> None:
        """The gateway threw messages away; ours may be among them."""
        if self.track is None:
            self.noted(code, text)

    def stated(self, status: str) -> None:
        """A status without permId: the order was not acknowledged by IBKR."""
        self._unclear = self._unclear or status in ENDED or status == "Inactive"

    def asked(self, now: float, *, fully: bool) -> None:
        """Open orders, completed orders and executions were read; ``fully``: all of them."""
        if self.track is None:
            # Completed orders have no order id; an orderRef is never used twice.
            found = self.session.book.by_ref(self.order.order_ref)
            self.track = found[-1] if found else None
        self._unknown = fully and self.track is None and bool(self._said)
        self._looked_up = self.track is not None and self.track.status == "Inactive"
        self._unclear = False
        self._ack_due = now + ACK_WITHIN
        self._fills_due = now + ACK_WITHIN if self._fills_due is not None else None

    # What follows --------------------------------------------------------------------------

    def verdict(self) -> OrderStatus | None:
        """The final state, or ``None`` while it may still change or fills are missing."""
        track = self.track
        if track is None:
            if self._refusal is not None:
                return "cancelled" if self._refusal[0] is Then.CANCELLED else "rejected"
            return "rejected" if self._unknown else None
        verdict = track.verdict(Decimal(self.order.quantity))
        if verdict == "working" or not track.complete:
            return None
        if verdict == "cancelled" and self._is_refused():
            return "rejected"
        return verdict

    def _is_refused(self) -> bool:
        return self._refusal is not None and self._refusal[0] is Then.REFUSED

    def settled(self, now: float) -> bool:
        """Whether there is nothing more to wait for."""
        verdict = self.verdict()
        self._clock(verdict, now - self._sent_at)
        if verdict is None:
            return False
        if verdict == "filled" or self.reason():
            return True
        if self._text_due is None:
            self._text_due = now + TEXT_WITHIN
        return now >= self._text_due

    def _clock(self, verdict: OrderStatus | None, after: float) -> None:
        """Note what is seen for the first time. It is looked at whenever something comes."""
        if self.heard_after is None and (self.track is not None or self._refusal is not None):
            self.heard_after = after
        if self.ended_after is None and verdict is not None:
            self.ended_after = after
            self.filled_after = after if verdict == "filled" else None

    def doubt(self, now: float) -> float | None:
        """When the gateway is to be asked about it, in loop seconds; ``None`` is never."""
        track = self.track
        if self._unclear:
            return now
        if track is None:
            return self._ack_due
        if track.status == "Inactive" and self._refusal is None and not self._looked_up:
            return now
        if track.status in ENDED and not track.complete:
            if self._fills_due is None:
                self._fills_due = now + FILLS_WITHIN
            return self._fills_due
        return None

    def next_look(self, now: float) -> float | None:
        """When to look again although nothing was heard."""
        times = [t for t in (self.doubt(now), self._text_due) if t is not None and t > now]
        return min(times, default=None)

    def reason(self) -> str:
        """The gateway's words about it."""
        if self._refusal is not None:
            return self._refusal[1]
        held = self.track.reason if self.track else ""
        return "; ".join(dict.fromkeys(filter(None, (*self._said, held))))

    def report(self) -> OrderReport:
        """What is known now; fills carry the commissions that have arrived."""
        ordered = Decimal(self.order.quantity)
        if self.track is None:
            return OrderReport(
                order_ref=self.order.order_ref,
                status=self.verdict() or "working",
                filled=ZERO,
                remaining=ordered,
                avg_price=ZERO,
                reason=self.reason(),
            )
        found = report_of(self.order.order_ref, [self.track], self.session.book, ordered)
        fills = tuple(replace(fill, symbol=self.order.symbol) for fill in found.fills)
        status = self.verdict() or "working"
        return replace(found, status=status, reason=self.reason(), fills=fills)


def report_of(
    order_ref: str,
    tracks: list[Track],
    book: Book,
    ordered: Decimal | None = None,
) -> OrderReport:
    """The tracks of one orderRef as one report; the newest of them gives the status."""
    fills: list[Fill] = [fill for track in tracks for fill in book.fills(track)]
    executed = sum((fill.quantity for fill in fills), ZERO)
    value = sum((fill.quantity * fill.price for fill in fills), ZERO)
    filled = sum((track.filled for track in tracks), ZERO)
    newest = tracks[-1]
    verdicts = [track.verdict(ordered) for track in tracks]
    size = ordered if ordered is not None else newest.quantity
    return OrderReport(
        order_ref=order_ref,
        status="working" if "working" in verdicts else verdicts[-1],
        filled=filled,
        remaining=max(size - filled, ZERO) if size is not None else ZERO,
        avg_price=value / executed if executed else newest.avg_price,
        perm_id=newest.perm_id,
        reason=newest.reason,
        fills=tuple(fills),
    )
