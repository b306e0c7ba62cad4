"""What an account should hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Substitute:
    """What may be held instead of a symbol, at ``scale`` times its weight."""

    symbol: str
    scale: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Origin:
    """One place that weights came from, and what names the content that it had."""

    #: inline, file, api or json
    kind: str
    name: str
    #: A file's path or a URL.
    location: str
    #: Twelve hex digits of what was read there.
    hash: str
    #: Of a URL: the version the server gave, and what it answered.
    etag: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Weights by symbol, each in [0, 1], summing to at most 1; the rest is cash.

    Symbols are spelled as the operator wrote them (``SPY``, ``VWCE@IBIS2/EUR``).
    """

    weights: Mapping[str, Decimal]
    #: Where they came from, for people: a file name, a model, a URL.
    source: str
    origins: tuple[Origin, ...] = ()
    #: By symbol, what the account holds instead. Held symbols count towards that.
    replacements: Mapping[str, Substitute] = field(default_factory=dict)
    #: What may be bought instead of a symbol that the wash-sale guard bars.
    substitutes: Mapping[str, Substitute] = field(default_factory=dict)
    #: The weights as they were before holdings were counted towards them, if they were.
    before_holdings: Mapping[str, Decimal] | None = None

    @property
    def hash(self) -> str:
        """Twelve hex digits that name the weights, whatever their order, source or holdings."""
        named = self.weights if self.before_holdings is None else self.before_holdings
        text = ";".join(f"{s}={w.normalize():f}" for s, w in sorted(named.items()))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
