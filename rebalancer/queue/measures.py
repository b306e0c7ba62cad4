"""What is counted and measured, for whoever wants figures.

``rebalance_counts`` has how often each kind of entry was put into the journal. It is brought
up to date now and then by ``count``, so that the moves pay nothing for it, and at the latest
before it is shown. ``rebalance_measures`` has what programs measure, see ``core/metrics.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rebalancer.core.metrics import Sample
from rebalancer.queue import keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.move import Move, command, new_request

#: Entries counted in one step: a millisecond or two.
_PAGE = 1000


def measure(samples: Iterable[Sample], *, now: float) -> Move[None]:
    """Add to counters and histograms, and set gauges. At least one sample."""
    words = [
        word
        for sample in samples
        for word in ("=" if sample.latest else "+", sample.field, f"{sample.number:.9g}")
    ]
    return Move("measure", (keys.answer(new_request()),), (stamp(now), *words), lambda _: None)


def count(*, now: float) -> Move[bool]:
    """Count what is new in the journal; ``True``: call again, there is more."""
    return Move("count", (), (stamp(now), str(_PAGE)), lambda reply: int(reply) == 1)


def counts() -> Move[Mapping[str, float]]:
    """How often each kind of entry was put down, as of the last ``count``.

    ``queued manual`` are those ``queued`` from the source ``manual``; ``.counted`` is the sum.
    """
    return command("HGETALL", keys.COUNTS, parse=_numbers)


def measured() -> Move[Mapping[str, float]]:
    """Every figure by its field; ``core.metrics`` knows what the fields mean."""
    return command("HGETALL", keys.MEASURES, parse=_numbers)


def _numbers(reply: list[Any]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for name, number in zip(reply[::2], reply[1::2], strict=True):
        try:
            found[name.decode()] = float(number)
        except ValueError:  # whatever somebody else put there
            continue
    return found
