"""The memory of orders whose outcome is known, and the accounts it holds.

A hold stands beside the halts and stops the same orders, but only ``accept`` lifts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rebalancer.core.order import Order, OrderReport
from rebalancer.core.reconcile import Difference, Remembered
from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.journal import alert_data
from rebalancer.queue.move import Move, command, new_request
from rebalancer.queue.values import Hold

_SCOPE = "hold:"
#: Differences that an alert spells out; after a lost memory there may be hundreds.
_TOLD = 5


def memory_of(report: OrderReport, *, now: float) -> bytes:
    """What ``settle_intent`` remembers of an order beside the order itself."""
    return codec.dumps(
        {
            "at": now,
            "status": report.status,
            "filled": report.filled,
            "avg_price": report.avg_price,
        }
    )


def settled_orders(account_id: str) -> Move[tuple[Remembered, ...]]:
    """The account's orders whose outcome became known in the last days, oldest first.

    Unreadable ones are left out: what the gateway shows of them is then unknown to us.
    """

    def parse(reply: list[bytes]) -> tuple[Remembered, ...]:
        read = (_remembered(raw) for raw in reply)
        return tuple(known for known in read if known is not None)

    return command("ZRANGE", keys.settled(account_id), "0", "-1", parse=parse)


def _remembered(raw: bytes) -> Remembered | None:
    try:
        found = codec.loads(raw)
        return Remembered(
            order=Order(**codec.order_fields(found["order"])),
            event_id=found["event_id"],
            status=found["status"],
            filled=Decimal(found["filled"]),
            avg_price=Decimal(found["avg_price"]),
            at=float(found["at"]),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None


def accepted(account_id: str) -> Move[frozenset[str]]:
    """Fingerprints of the differences that a person has accepted."""
    return command(
        "ZRANGE",
        keys.accepted(account_id),
        "0",
        "-1",
        parse=lambda reply: frozenset(each.decode() for each in reply),
    )


def hold(
    account_id: str, found: Sequence[Difference], *, reason: str, now: float
) -> Move[bool]:
    """Stop new orders of an account, and alert; ``False``: nothing of it is news.

    A difference is no news if a standing hold shows it, or if it was accepted.
    """
    rows = [{**codec.loads(codec.dumps(d)), "fingerprint": d.fingerprint} for d in found]
    stored = {"reason": reason, "at": now, "differences": rows}
    shown = [described(row) for row in rows[:_TOLD]]
    if len(rows) > _TOLD:
        shown.append(f"and {len(rows) - _TOLD} more")
    told = alert_data(
        f"{account_id} is held",
        f"{reason}. {'; '.join(shown)}",
        remedy=f"look: rebalancer accounts show {account_id}; "
        f"then: rebalancer accounts resume {account_id}",
    )
    return Move(
        "hold",
        (keys.answer(new_request()), keys.accepted(account_id)),
        (
            stamp(now),
            account_id,
            codec.dumps(stored),
            codec.dumps(told),
            *(d.fingerprint for d in found),
        ),
        lambda reply: int(reply) == 1,
    )


def held(account_id: str) -> Move[Hold | None]:
    """The hold on an account, if there is one."""
    return command(
        "HGET", keys.HALTS, _SCOPE + account_id, parse=lambda raw: _hold(account_id, raw)
    )


def accept(account_id: str, *, reason: str, now: float) -> Move[Hold | None]:
    """Lift the hold on an account and return it; the same differences hold it no more.

    ``None``: it was not held.
    """
    return Move(
        "accept",
        (keys.answer(new_request()), keys.accepted(account_id)),
        (stamp(now), account_id, codec.dumps(reason)),
        lambda raw: _hold(account_id, raw),
    )


def _hold(account_id: str, raw: bytes | None) -> Hold | None:
    if not raw:
        return None
    try:
        stored = codec.loads(raw)
        return Hold(
            account_id,
            str(stored["reason"]),
            float(stored["at"]),
            tuple(dict(row) for row in stored["differences"]),
        )
    except (KeyError, TypeError, ValueError):
        # Whatever it says, somebody put it there to stop orders.
        return Hold(account_id, raw.decode(errors="replace"), 0.0, ())


def described(row: Mapping[str, Any]) -> str:
    """Both sides of one difference of a ``Hold`` in one line."""
    return f"{row['order_ref']} ({row['kind']}): ours {ours(row)}, the gateway's {theirs(row)}"


def ours(row: Mapping[str, Any]) -> str:
    """Our side of a difference, in words."""
    known = row.get("ours")
    if not known:
        return "nothing"
    order = known["order"]
    said = f"{order['action']} {order['quantity']} {order['symbol']} of {order['account_id']}"
    if known["status"] is None:
        return f"{said}, outcome open"
    return f"{said}, {known['status']}, {known['filled']} filled"


def theirs(row: Mapping[str, Any]) -> str:
    """The gateway's side of a difference, in words."""
    return " and ".join(map(_their_order, row["theirs"]))


def _their_order(shown: Mapping[str, Any]) -> str:
    # Of an order that has filled it may not say how large it was.
    named = [shown[name] for name in ("action", "quantity", "symbol") if shown[name]]
    state = "working" if shown["working"] else "ended"
    return (
        f"{' '.join(named)} of {shown['account_id']} by client {shown['client_id']}, {state}, "
        f"{shown['filled']} filled, permId {shown['perm_id']}"
    )
