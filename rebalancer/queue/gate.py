"""The last gate before an order is sent, and the memory of what passed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from rebalancer.core.order import Intent, OrderReport
from rebalancer.core.request import Aim, aim_from
from rebalancer.core.trades import MEMORY_SECONDS, WASH_SECONDS, Trade
from rebalancer.errors import PermanentError
from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.holds import memory_of
from rebalancer.queue.move import Move, command, new_request, proof
from rebalancer.queue.values import Halt, Lease, Recorded, Refused, Spending


def begin_pass(
    lease: Lease, *, now: float, cash: Decimal | None = None, aim: Aim | None = None
) -> Move[int]:
    """Number the next pass of the event: 1, 2, 3, never one twice.

    ``cash`` is at its begin, ``aim`` is what the event does: a later attempt finds both.

    Counts on over retries and crashes until the event completes or is removed, so that no
    order reference is ever used again.

    Raises (when run):
        LeaseLostError: the lease was taken over.
    """
    return Move(
        "begin_pass",
        (keys.answer(new_request()),),
        (
            stamp(now),
            *proof(lease),
            "" if cash is None else f"{cash:f}",
            "" if aim is None else str(aim),
        ),
        int,
    )


def spending(event_id: str) -> Move[Spending | None]:
    """What passes of the event, not complete yet, do and have cost so far.

    ``None``: it has begun none, or what is stored is unreadable.
    """

    def parse(reply: bytes | None) -> Spending | None:
        try:
            _, cash, spent, *aim = (reply or b"").decode(errors="replace").split()
            found = Spending(Decimal(cash), Decimal(spent), aim_from("".join(aim)))
        except (ValueError, InvalidOperation):
            return None
        return found if found.cash.is_finite() and found.spent.is_finite() else None

    return command("HGET", keys.PASSES, event_id, parse=parse)


def record_intents(
    lease: Lease,
    intents: Sequence[Intent],
    *,
    now: float,
    day_limit: int | None = None,
    guarded: Sequence[str] = (),
) -> Move[Recorded]:
    """Write orders down before they are sent, and learn which may be sent.

    Proves the lease, checks every halt flag and stores each intent that nothing stops, in
    one step. An order may be sent only if its reference is in ``Recorded.allowed``. Doing it
    again with the same references stores and counts nothing twice but looks at the halts anew.

    Args:
        lease: the right to send.
        intents: of the lease's account.
        now: Unix seconds.
        day_limit: most that a trading day's orders may come to, in hundredths; ``None`` is no
            limit. Orders count until ``settle_intent`` gives back what was not filled.
        guarded: accounts whose sales at a loss, settled or under way, bar buys.

    Raises (when run):
        LeaseLostError: the lease was taken over; send nothing.
    """
    limit = "" if day_limit is None else str(day_limit)
    args: list[str | bytes] = [stamp(now), *proof(lease), limit, stamp(now - WASH_SECONDS)]
    for intent in intents:
        if intent.order.account_id != lease.event.account_id:
            raise PermanentError(
                f"{intent.order.order_ref} is of account {intent.order.account_id}, "
                f"the lease of {lease.event.account_id}"
            )
        args += [intent.order.order_ref, intent.order.symbol, codec.dumps(intent)]
    account_id = lease.event.account_id
    extra_keys = [keys.intents(account_id), keys.answer(new_request())]
    extra_keys.append(keys.turnover(account_id))
    for other in guarded:
        extra_keys += [keys.trades(other), keys.intents(other)]
    return Move("record_intents", tuple(extra_keys), tuple(args), _recorded)


def _recorded(reply: bytes) -> Recorded:
    found = codec.loads(reply)
    refused = {ref: Refused(*why) for ref, why in found["refused"].items()}
    return Recorded(frozenset(found["allowed"]), dict(found["halted"]), refused)


def settle_intent(
    lease: Lease, report: OrderReport, *, now: float, trade: Trade | None = None
) -> Move[None]:
    """The order's fate is known: forget the intent, put the outcome with its fills down.

    The outcome is remembered for some days, to be compared with what the gateway shows. What
    was not filled no longer counts towards the trading day's turnover, and ``trade`` is
    remembered. An intent that is not open (any more) leaves everything as it was.

    Raises (when run):
        LeaseLostError: the lease was taken over.
    """
    account_id = lease.event.account_id
    return Move(
        "settle_intent",
        (
            keys.intents(account_id),
            keys.settled(account_id),
            keys.turnover(account_id),
            keys.trades(account_id),
        ),
        (
            stamp(now),
            *proof(lease),
            report.order_ref,
            codec.encode_report(report),
            memory_of(report, now=now),
            codec.encode_trade(trade) if trade else "",
            stamp(trade.at if trade else now),
            stamp(now - MEMORY_SECONDS),
        ),
        lambda _reply: None,
    )


def open_intents(account_id: str, *, now: float = 0.0) -> Move[tuple[Intent, ...]]:
    """Every order of the account whose fate is not settled, oldest first.

    Unreadable ones are moved to the dead letter, stamped ``now``.
    """

    def parse(reply: list[bytes]) -> tuple[Intent, ...]:
        found = [codec.decode_intent(raw) for raw in reply]
        return tuple(sorted(found, key=lambda intent: intent.recorded_at))

    return Move("open_intents", (keys.intents(account_id),), (stamp(now), account_id), parse)


# -- halts ---------------------------------------------------------------------------------


def check_scope(scope: str) -> str:
    """Return ``scope`` if it is ``all``, ``account:<id>`` or ``symbol:<symbol>``.

    Raises:
        PermanentError: it is none of them.
    """
    kind, _, name = scope.partition(":")
    if scope == "all" or (kind in ("account", "symbol") and name.strip()):
        return scope
    raise PermanentError(f"{scope!r} is not all, account:<id> or symbol:<symbol>")


def halt(scope: str, *, now: float, reason: str, cancel_open: bool = False) -> Move[Halt]:
    """Stop new orders of ``scope`` from this moment, until ``resume``.

    With ``cancel_open`` every processor cancels its working orders in the scope, and answers
    with a journal entry ``open_cancelled`` that names ``Halt.request`` and what is left.

    Raises:
        PermanentError: ``scope`` is not ``all``, ``account:<id>`` or ``symbol:<symbol>``.
    """
    request = new_request()
    made = Halt(check_scope(scope), reason, now, cancel_open, request if cancel_open else "")
    stored = codec.dumps(
        {"reason": reason, "at": now, "cancel_open": cancel_open, "request": made.request}
    )
    return Move(
        "halt", (keys.answer(request),), (stamp(now), scope, stored), lambda _reply: made
    )


def resume(scope: str, *, now: float) -> Move[bool]:
    """Allow orders of ``scope`` again; other halts stay. ``False``: it was not halted.

    Raises:
        PermanentError: as ``halt``.
    """
    return Move(
        "resume",
        (keys.answer(new_request()),),
        (stamp(now), check_scope(scope)),
        lambda reply: int(reply) == 1,
    )


def last_ring() -> Move[str]:
    """The id of the last change of the halts, to wait from with ``AsyncQueue.ring``."""
    return command(
        "XREVRANGE",
        keys.BELL,
        "+",
        "-",
        "COUNT",
        "1",
        parse=lambda reply: reply[0][0].decode() if reply else "0-0",
    )


def halts() -> Move[Mapping[str, Halt]]:
    """Every halt in force, by scope."""
    return command("HGETALL", keys.HALTS, parse=_halts)


def _halts(reply: list[bytes]) -> Mapping[str, Halt]:
    found: dict[str, Halt] = {}
    for scope, raw in zip(reply[::2], reply[1::2], strict=True):
        name = scope.decode(errors="replace")
        try:
            stored = codec.loads(raw)
            found[name] = Halt(
                name,
                str(stored["reason"]),
                float(stored["at"]),
                stored.get("cancel_open") is True,
                str(stored.get("request", "")),
            )
        except (ValueError, KeyError, TypeError):
            # Whatever it says, somebody put it there to stop orders.
            found[name] = Halt(name, raw.decode(errors="replace"), 0.0)
    return found
