"""How operators spell instruments: ``SPY``, ``BRK B``, ``VWCE@IBIS2/EUR``, ``conid:756733``."""

from __future__ import annotations

import re
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
        exchanges = {self.exchange, other.exchange}
        return (
            self.symbol == other.symbol
            and self.currency == other.currency
            and (len(exchanges) == 1 or "" in exchanges)
        )


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
