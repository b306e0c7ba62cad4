"""Pairs of currencies, spelled ``fx:EUR.USD``.

A pair's units are those of its first currency, and its price is what one of them costs in the
second. No operator's spelling of an instrument begins like this.
"""

from __future__ import annotations

_OURS = "fx:"
#: IBKR names a pair after whichever of its currencies comes first here.
MAJOR = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF")


def pair(one: str, other: str) -> str:
    """The pair of two currencies, as IBKR names it."""
    first, second = sorted((one, other), key=_rank)
    return f"{_OURS}{first}.{second}"


def is_pair(symbol: str) -> bool:
    """Whether it names two currencies, not a holding."""
    return symbol.startswith(_OURS)


def currencies(symbol: str) -> tuple[str, str]:
    """The two currencies of a pair."""
    first, _, second = symbol.removeprefix(_OURS).partition(".")
    return first, second


def _rank(currency: str) -> tuple[int, str]:
    return (MAJOR.index(currency) if currency in MAJOR else len(MAJOR), currency)
