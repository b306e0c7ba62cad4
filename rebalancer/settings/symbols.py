"""How operators spell instruments: ``SPY``, ``BRK B``, ``VWCE@IBIS2/EUR``, ``conid:756733``."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

EXPECTED = "a symbol such as SPY, BRK B, VWCE@IBIS2/EUR or conid:756733"

_CON_ID = re.compile(r"conid:([1-9][0-9]{0,9})")
_SYMBOL = re.compile(
    r"(?P<symbol>[A-Z0-9][A-Z0-9.\- ]{0,30}?)"
    r"(?:@(?P<exchange>[A-Z0-9.]{1,20}))?"
    r"(?:/(?P<currency>[A-Z]{3}))?"
)


@dataclass(frozen=True, slots=True)
class Spelling:
    """A spelling taken apart, so that two spellings of one instrument can be told."""

    text: str
    symbol: str
    exchange: str
    currency: str

    def may_be(self, other: Spelling) -> bool:
        """Whether both may name one instrument; an exchange left out may be any."""
        return (
            self.symbol == other.symbol
            and self.currency == other.currency
            and (self.exchange == other.exchange or not (self.exchange and other.exchange))
        )


@functools.lru_cache(maxsize=8192)
def parse(text: str) -> Spelling | None:
    """Take a spelling apart; ``None`` when it is none."""
    if found := _CON_ID.fullmatch(text):
        return Spelling(text, f"conid:{found[1]}", "", "")
    match = _SYMBOL.fullmatch(text)
    if match is None or match["symbol"].endswith(" "):
        return None
    # Share classes are written BRK.B, BRK-B and BRK B (IBKR's way).
    symbol = re.sub(r"[.\- ]", " ", match["symbol"])
    exchange = match["exchange"] or ""
    if exchange == "SMART":
        exchange = ""
    return Spelling(text, symbol, exchange, match["currency"] or "USD")


def same(one: str, other: str) -> bool:
    """Whether two valid spellings may name one instrument."""
    first, second = parse(one), parse(other)
    return bool(first and second and first.may_be(second))


class Names:
    """Valid spellings, to find the first of them that may name one instrument with another."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._by_symbol: dict[str, list[Spelling]] = {}
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Take in a spelling."""
        if spelling := parse(text):
            self._by_symbol.setdefault(spelling.symbol, []).append(spelling)

    def find(self, text: str) -> str | None:
        """The first that may be the same as ``text``."""
        spelling = parse(text)
        if spelling is None:
            return None
        known = self._by_symbol.get(spelling.symbol, ())
        return next((one.text for one in known if one.may_be(spelling)), None)
