"""What an account should hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Target:
    """Weights by symbol, each in [0, 1], summing to at most 1; the rest is cash.

    Symbols are spelled as the operator wrote them (``SPY``, ``VWCE@IBIS2/EUR``).
    """

    weights: Mapping[str, Decimal]
    #: Where they came from, for people: a file name, a model, a URL.
    source: str

    @property
    def hash(self) -> str:
        """Twelve hex digits that name these weights, whatever their order or source."""
        text = ";".join(f"{s}={w.normalize():f}" for s, w in sorted(self.weights.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Substitute:
    """What may be held instead of a symbol, at ``scale`` times its weight."""

    symbol: str
    scale: Decimal = Decimal(1)
