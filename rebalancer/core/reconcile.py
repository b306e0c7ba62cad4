"""What we remember of orders against what the gateway shows of them.

An order is written down before it is sent, and its outcome when that is known. So what the
gateway shows under an orderRef of ours must be remembered, and be no more than that:

=============  ============================================================================
difference     the gateway shows
=============  ============================================================================
``unknown``    an order of ours that neither an intent nor an outcome remembers: the memory
               was lost, or another installation trades the account
``elsewhere``  the order in another account
``altered``    another side or another contract
``twice``      two orders under one orderRef that traded or may trade
``too much``   more executed than was ordered
``late fill``  more executed than its outcome says: it was taken for ended, or never sent
``alive``      an order that still works although it was taken for ended
=============  ============================================================================

No difference are orders of others (by hand, of other programs), what an open intent has filled
(it is settled by the account's next run), corrected prices and commissions. Nor is that the
gateway shows less: it forgets at the end of its day.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rebalancer.core.order import Action, Intent, Order, OrderStatus, is_ours

Kind = Literal["unknown", "elsewhere", "altered", "twice", "too much", "late fill", "alive"]


@dataclass(frozen=True, slots=True)
class Remembered:
    """One order as we know it: an open intent, or an order whose outcome is known."""

    order: Order
    event_id: str
    #: ``None`` while its intent is open.
    status: OrderStatus | None = None
    filled: Decimal = Decimal(0)
    avg_price: Decimal = Decimal(0)
    #: When it was written down, or settled; Unix seconds.
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Shown:
    """What the gateway shows under one permId."""

    perm_id: int
    order_ref: str
    account_id: str
    client_id: int
    symbol: str
    #: 0 and ``None``: it did not say.
    con_id: int
    action: Action | None
    quantity: Decimal | None
    filled: Decimal
    #: It may still trade.
    working: bool
    exec_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """An orderRef about which the two sides disagree."""

    kind: Kind
    order_ref: str
    ours: Remembered | None
    theirs: tuple[Shown, ...]

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that name exactly this difference; one share more is another."""
        rows = sorted(
            f"{t.perm_id} {t.account_id} {t.con_id} {t.action} {t.filled.normalize():f}"
            for t in self.theirs
        )
        text = "\n".join((self.kind, self.order_ref, *rows))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts that it is about."""
        ours = {self.ours.order.account_id} if self.ours else set()
        return frozenset(ours | {shown.account_id for shown in self.theirs})


def remembered(intents: Iterable[Intent], settled: Iterable[Remembered]) -> list[Remembered]:
    """Both halves of the memory as one; an outcome is newer than its intent."""
    both = {
        i.order.order_ref: Remembered(i.order, i.event_id, at=i.recorded_at) for i in intents
    }
    both.update((known.order.order_ref, known) for known in settled)
    return list(both.values())


def differences(ours: Iterable[Remembered], theirs: Iterable[Shown]) -> tuple[Difference, ...]:
    """Everything that what we remember does not explain, by orderRef.

    ``theirs`` is to be read before ``ours``: then whatever is shown was remembered already.
    """
    known = {each.order.order_ref: each for each in ours}
    by_ref: dict[str, list[Shown]] = {}
    for shown in theirs:
        if is_ours(shown.order_ref):
            by_ref.setdefault(shown.order_ref, []).append(shown)
    found = [_difference(ref, known.get(ref), rows) for ref, rows in sorted(by_ref.items())]
    return tuple(each for each in found if each is not None)


def by_account(found: Iterable[Difference]) -> Mapping[str, tuple[Difference, ...]]:
    """The differences of each account; one between two accounts stands with both."""
    sorted_out: dict[str, list[Difference]] = {}
    for difference in found:
        for account_id in difference.accounts:
            sorted_out.setdefault(account_id, []).append(difference)
    return {account_id: tuple(each) for account_id, each in sorted_out.items()}


def _difference(
    ref: str, ours: Remembered | None, theirs: Sequence[Shown]
) -> Difference | None:
    kind = "unknown" if ours is None else _kind(ours, theirs)
    return None if kind is None else Difference(kind, ref, ours, tuple(theirs))


def _kind(ours: Remembered, theirs: Sequence[Shown]) -> Kind | None:  # noqa: PLR0911 - a table
    order = ours.order
    if any(t.account_id != order.account_id for t in theirs):
        return "elsewhere"
    if any(t.con_id not in {0, order.con_id} for t in theirs):
        return "altered"
    if any(t.action not in {None, order.action} for t in theirs):
        return "altered"
    if sum(t.filled > 0 or t.working for t in theirs) > 1:
        return "twice"
    filled = sum((t.filled for t in theirs), Decimal(0))
    if filled > order.quantity:
        return "too much"
    if ours.status is None:
        return None
    if filled > ours.filled:
        return "late fill"
    return "alive" if any(t.working for t in theirs) else None
