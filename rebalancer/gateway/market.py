"""Prices: what the instruments cost now. The absence of a price is never one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence

from rebalancer.core.account import Instrument, Quote
from rebalancer.errors import StaleDataError
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.contracts import Contracts
from rebalancer.gateway.faults import describe
from rebalancer.gateway.lines import MAX_AGE, Line
from rebalancer.gateway.session import Session

__all__ = ["Contracts", "latest", "quotes"]

#: With a last trade but no two-sided market, or without yesterday's close, wait this long for
#: them before taking what there is.
PATIENCE = 0.3
#: After a code that may or may not mean that nothing comes, wait this long for a price.
DOUBT = 3.0


async def quotes(
    connection: Connection,
    instruments: Sequence[Instrument],
    *,
    deadline: float,
    allow_delayed: bool = False,
    optional: Collection[str] = (),
    max_age: float = MAX_AGE,
) -> dict[str, Quote]:
    """Reference prices by symbol, as soon as every instrument has one.

    Prices come from streams shared by all callers and kept warm. See ``Line.price`` for the
    rule that makes a price of bid, ask and last trade.

    Args:
        connection: a connection that is ready.
        instruments: what to price.
        deadline: seconds until those without a price are given up.
        allow_delayed: accept prices that are 15 minutes old where live ones are not subscribed.
        optional: symbols that may lack a price; they are then left out.
        max_age: seconds since its last tick beyond which a price is asked for anew.

    Raises:
        StaleDataError: some that are not optional have no price; the text names them with the
            code the gateway gave and the remedy.
        GatewayUnavailableError: the connection was lost.
    """
    session = connection.session
    pricing = _Pricing(session, instruments, delayed=allow_delayed, max_age=max_age)
    try:
        await pricing.run(deadline)
    finally:
        pricing.release()
    missing = {s: why for s, why in pricing.failed.items() if s not in optional}
    if missing:
        listed = "; ".join(f"{symbol}: {why}" for symbol, why in sorted(missing.items()))
        raise StaleDataError(f"no usable price for {listed}")
    return pricing.priced


def latest(
    connection: Connection, instruments: Iterable[Instrument]
) -> tuple[dict[str, Quote], dict[str, str]]:
    """What the lines that stand say now, by symbol; nothing is asked, nothing awaited.

    Returns:
        The quotes, and why a line gives none any more. A symbol whose line was closed to make
        room for others is in neither.

    Raises:
        GatewayUnavailableError: the connection was lost.
    """
    lines = connection.session.lines
    found: dict[str, Quote] = {}
    lost: dict[str, str] = {}
    for instrument in instruments:
        line = lines.standing(instrument.con_id)
        if line is None:
            continue
        quote = line.quote()
        if line.refusal is not None:
            lost[instrument.symbol] = describe(*line.refusal)
        elif line.doubtful:
            lost[instrument.symbol] = "the gateway lost its market data farm"
        elif quote is None:
            lost[instrument.symbol] = "nobody bids or asks"
        else:
            found[instrument.symbol] = quote
    return found, lost


class _Pricing:
    """One call for prices under way."""

    def __init__(
        self,
        session: Session,
        instruments: Sequence[Instrument],
        *,
        delayed: bool,
        max_age: float,
    ) -> None:
        self.priced: dict[str, Quote] = {}
        self.failed: dict[str, str] = {}
        self._session = session
        self._delayed = delayed
        self._max_age = min(max_age, MAX_AGE)
        self._time = asyncio.get_running_loop().time
        self._wanted = {i.symbol: i for i in instruments}
        self._todo = list(self._wanted.values())
        self._lines: dict[str, Line] = {}

    async def run(self, deadline: float) -> None:
        """Fill ``priced`` and ``failed``."""
        until = self._time() + deadline
        while True:
            self._look()
            if not self._todo and not self._lines:
                return
            now = self._time()
            if now >= until:
                break
            await self._session.news(min(until, self._next_patience(now)) - now)
        waited = f"nothing within {deadline:g} s"
        for symbol, line in self._lines.items():
            said = f", the gateway said {describe(*line.advice)}" if line.advice else ""
            self.failed[symbol] = waited + said
        for instrument in self._todo:
            self.failed[instrument.symbol] = "no free market data line"

    def release(self) -> None:
        """Give every line back."""
        lines, self._lines = self._lines, {}
        for line in lines.values():
            self._session.lines.release(line)
        if lines:
            self._session.ring()  # others may be waiting for room

    def _look(self) -> None:
        """Take what has come, and use the room that leaves."""
        freed = True
        while freed:
            while self._todo:
                line = self._session.lines.acquire(
                    self._todo[-1], delayed=self._delayed, max_age=self._max_age
                )
                if line is None:
                    break
                self._lines[self._todo.pop().symbol] = line
            freed = False
            for symbol, line in list(self._lines.items()):
                if self._settled(symbol, line):
                    self._session.lines.release(self._lines.pop(symbol))
                    freed = bool(self._todo)

    def _settled(self, symbol: str, line: Line) -> bool:
        if line.refusal is not None:
            if self._session.lines.too_many(line):
                self._todo.append(self._wanted[symbol])
            else:
                self.failed[symbol] = describe(*line.refusal)
            return True
        quote = line.quote()
        if quote is None:
            if line.advice is None or self._time() < (line.advised_at or 0.0) + DOUBT:
                return False
            self.failed[symbol] = f"nothing came after {describe(*line.advice)}"
            return True
        if quote.kind != "live" and not (self._delayed and line.delayed):
            self.failed[symbol] = f"only {quote.kind} prices; allow_delayed_prices is not set"
            return True
        whole = line.middle() is not None and line.close is not None
        if not whole and self._time() < self._patient_until(line):
            return False
        self.priced[symbol] = quote
        return True

    def _patient_until(self, line: Line) -> float:
        return (line.first_at or 0.0) + PATIENCE

    def _next_patience(self, now: float) -> float:
        """When the first line that nothing more is heard of is decided as it is."""
        times = [self._patient_until(line) for line in self._lines.values() if line.first_at]
        times += [line.advised_at + DOUBT for line in self._lines.values() if line.advised_at]
        return min((t for t in times if t > now), default=now + 3600.0)
