"""What the queue remembers of sources: how many signals came, and what schedules have seen.

A signal that becomes an event is counted by ``moves.enqueue``, in the script that accepts it;
one that does not is counted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.move import Move, command

TurnedAway = Literal["rejected", "missed"]


def turn_away(
    kind: TurnedAway,
    source: str,
    data: Mapping[str, Any],
    *,
    now: float,
    request: str,
    account_id: str = "",
    count: int = 1,
    seen: tuple[str, float] | None = None,
) -> Move[None]:
    """Put down and count what becomes no event.

    Args:
        kind: ``rejected`` can never run; ``missed`` was due while no broker ran.
        source: Who said it, as in ``Event.source``.
        data: What the journal shall tell.
        now: Unix seconds.
        request: Names this signal: told again within ten minutes it is not counted again.
        account_id: Whom it was for, if that is known.
        count: How many.
        seen: A schedule, and the due time up to which it has been seen with this.
    """
    schedule, until = seen or ("", now)
    words = (kind, source, account_id, codec.dumps(data), str(count), schedule, stamp(until))
    name = keys.answer(f"turned away:{request}")
    return Move("turn_away", (name,), (stamp(now), *words), lambda _reply: None)


def begin_schedules(
    schedules: Sequence[str], *, now: float, begin: float
) -> Move[Mapping[str, float]]:
    """Say which schedules there are; up to when each has been seen, in Unix seconds.

    New ones count from ``begin`` on. Those that are not named are forgotten.
    """

    def parse(reply: list[bytes]) -> Mapping[str, float]:
        return dict(zip(schedules, map(float, reply), strict=True))

    return Move("begin_schedules", (), (stamp(now), stamp(begin), *schedules), parse)


def counts() -> Move[Mapping[str, Mapping[str, int]]]:
    """How many signals became what, by source: accepted, merged, rejected, missed."""

    def parse(reply: list[bytes]) -> Mapping[str, Mapping[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for field, count in zip(reply[::2], reply[1::2], strict=True):
            source, _, outcome = field.decode(errors="replace").rpartition(" ")
            if count.isdigit():
                found.setdefault(source, {})[outcome] = int(count)
        return found

    return command("HGETALL", keys.SIGNALS, parse=parse)
