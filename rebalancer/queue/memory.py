"""What earlier orders of an account leave for later ones to know."""

from __future__ import annotations

from decimal import Decimal

from rebalancer.core.trades import Trade
from rebalancer.errors import PermanentError
from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.move import Move, command


def day_turnover(account_id: str, day: str) -> Move[Decimal | str]:
    """What has been sent to trade on a trading day, in the account's currency.

    A text is what stands there instead of a number. Only for a first look: when an order is
    about to be sent, ``record_intents`` looks, and counts, in one step.
    """

    def parse(reply: bytes | None) -> Decimal | str:
        text = "0" if reply is None else reply.decode(errors="replace")
        return Decimal(text) / 100 if text.isascii() and text.isdigit() else text

    return command("HGET", keys.turnover(account_id), day, parse=parse)


def trades(account_id: str, *, since: float) -> Move[tuple[Trade, ...]]:
    """What the account has traded since then that later plans have to know of, oldest first.

    Raises (when run):
        PermanentError: an entry is unreadable, so nobody knows what must not be traded.
    """
    key = keys.trades(account_id)

    def parse(reply: list[bytes]) -> tuple[Trade, ...]:
        found = []
        for raw in reply:
            try:
                found.append(codec.decode_trade(raw))
            except ValueError as error:
                text = raw.decode(errors="replace")
                raise PermanentError(
                    f"{key} in Redis has an unreadable trade ({error}): {text[:200]!r}; look "
                    f"with `redis-cli ZRANGE {key} 0 -1`, ZREM it, and requeue the event"
                ) from error
        return tuple(found)

    return command("ZRANGEBYSCORE", key, stamp(since), "+inf", parse=parse)
