"""Market data lines: what streams in for one contract, kept warm for the next who asks.

A snapshot request takes a real gateway up to eleven seconds, a stream tells its current state
at once. So prices are streamed, and a line stays open for a while after it was used: the
second run within minutes finds every price there. IBKR allows about 100 lines a login, so the
least recently used one is closed when room is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from rebalancer.core.account import Instrument, Quote
from rebalancer.gateway import convert
from rebalancer.gateway.faults import Then, from_rival, lookup

#: Lines we hold at most; the rest of the login's 100 are left to a person's TWS.
MAX_LINES = 90
#: A line whose last tick is older is asked for anew, which brings the current state at once.
MAX_AGE = 60.0
#: An unused line is closed after this long.
KEEP = 600.0
#: A bid and ask further apart than this, as a share of their middle, are no price.
MAX_SPREAD = Decimal("0.02")

#: The code for more lines than the login has.
TOO_MANY = 101

#: Price tick types: what they set. The second of each pair is the delayed one.
_FIELDS = {
    1: "bid",
    66: "bid",
    2: "ask",
    67: "ask",
    4: "last",
    68: "last",
    9: "close",
    75: "close",
}
_DELAYED = frozenset({66, 67, 68, 75})
#: Size ticks that, at zero, say that nobody stands there any more.
_SIZES = {0: "bid", 3: "ask"}


@dataclass(slots=True, eq=False)
class Line:
    """One subscription and what it has told so far. Times are seconds of the loop's clock."""

    req_id: int
    con_id: int
    #: Market data type asked for: 1 live only, 3 delayed where live is not subscribed.
    asked: int
    used_at: float
    users: int = 0
    #: Its prices come in this fraction of the currency.
    magnifier: int = 1
    kind: int = 1
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    close: Decimal | None = None
    #: When the last price arrived; Unix seconds.
    at: float = 0.0
    #: When there was a first price, and the last one.
    first_at: float | None = None
    ticked_at: float | None = None
    #: The code and text that ended it.
    refusal: tuple[int, str] | None = None
    #: The last other code and text that came for it, and when.
    advice: tuple[int, str] | None = None
    advised_at: float | None = None
    #: The data farm broke: what stands here is not to be believed any more.
    doubtful: bool = False

    @property
    def delayed(self) -> bool:
        """Whether the prices are delayed, by the type announced or by the ticks themselves."""
        return self.kind in {3, 4}

    def price(self) -> Decimal | None:
        """The reference price; the first of these that there is.

        1. the middle of bid and ask, if both are there, not crossed and not far apart
        2. the last trade, moved onto the nearer of bid and ask where it lies outside them

        Yesterday's close is no price to trade on.
        """
        bid, ask, last = self.bid, self.ask, self.last
        middle = self.middle()
        if middle is not None:
            return middle
        if last is None:
            return None
        if bid is not None and ask is not None and bid > ask:
            return last
        if bid is not None and last < bid:
            return bid
        if ask is not None and last > ask:
            return ask
        return last

    def middle(self) -> Decimal | None:
        """The middle of a sane two-sided market, or ``None``."""
        bid, ask = self.bid, self.ask
        if bid is None or ask is None or bid > ask:
            return None
        middle = (bid + ask) / 2
        return middle if ask - bid <= MAX_SPREAD * middle else None

    def quote(self) -> Quote | None:
        """The reference price with what it was made of, or ``None`` without one."""
        price = self.price()
        if price is None:
            return None
        kind = convert.PRICE_KINDS[self.kind]
        return Quote(price, self.bid, self.ask, self.close, kind, self.at)


@dataclass(slots=True)
class Lines:
    """The lines of one session. Its owner gives the two requests and both clocks."""

    subscribe: Callable[[Instrument, int], int]
    cancel: Callable[[int], None]
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    limit: int = MAX_LINES
    #: What was asked for last, and whether delayed prices would do.
    latest: tuple[Instrument, bool] | None = None
    _by_id: dict[int, Line] = field(default_factory=dict)

    def acquire(
        self, instrument: Instrument, *, delayed: bool, max_age: float = MAX_AGE
    ) -> Line | None:
        """A line for the instrument, warm if there is one; ``None`` while all are in use.

        Every acquired line is to be released. One whose last tick is older than ``max_age``
        seconds is not warm.
        """
        line = self._warm(instrument.con_id, delayed=delayed, max_age=max_age) or self._open(
            instrument,
            3 if delayed else 1,
        )
        if line is not None:
            line.users += 1
            line.used_at = self.monotonic()
        return line

    def release(self, line: Line) -> None:
        """Give a line back; it stays warm unless it is of no use to anyone."""
        line.users -= 1
        line.used_at = self.monotonic()
        if line.users == 0 and (line.refusal is not None or line.ticked_at is None):
            self._close(line)

    def too_many(self, line: Line) -> bool:
        """Whether the line was refused only because the login's other programs use the rest.

        Then we make do with fewer from now on.
        """
        if line.refusal is None or line.refusal[0] != TOO_MANY or len(self._by_id) <= 1:
            return False
        self.limit = min(self.limit, len(self._by_id) - 1)
        return True

    def tidy(self) -> None:
        """Close the lines nobody has used for long."""
        now = self.monotonic()
        for line in list(self._by_id.values()):
            if line.users == 0 and now - line.used_at > KEEP:
                self._close(line)

    def standing(self, con_id: int) -> Line | None:
        """The line of a contract that was heard last, if one was; nothing is asked for."""
        heard = {
            line.ticked_at: line
            for line in self._by_id.values()
            if line.con_id == con_id and line.ticked_at is not None
        }
        return heard[max(heard)] if heard else None

    def ids(self) -> tuple[int, ...]:
        """The request ids of all lines that stand."""
        return tuple(self._by_id)

    # What the gateway says -----------------------------------------------------------------

    def price_tick(self, req_id: int, tick_type: int, price: float, size: float) -> bool:
        """A price; returns whether it changed a line."""
        line, name = self._by_id.get(req_id), _FIELDS.get(tick_type)
        if line is None or name is None:
            return False
        value = convert.price(price)
        if value is not None:
            value = convert.in_currency(value, line.magnifier)
        if size == 0 and tick_type in {1, 2}:
            value = None  # nobody stands there: the price is only a remembrance
        setattr(line, name, value)
        if tick_type in _DELAYED and not line.delayed:
            line.kind = 3
        if value is not None and name != "close":
            line.at = self.clock()
            line.ticked_at = self.monotonic()
            line.first_at = line.first_at if line.first_at is not None else line.ticked_at
        return True

    def size_tick(self, req_id: int, tick_type: int, size: float) -> bool:
        """A size; only its end matters."""
        line, name = self._by_id.get(req_id), _SIZES.get(tick_type)
        if line is None or name is None or size != 0:
            return False
        setattr(line, name, None)
        return True

    def announced(self, req_id: int, kind: int) -> bool:
        """The market data type of a line, as the gateway announces it."""
        line = self._by_id.get(req_id)
        if line is None or kind not in convert.PRICE_KINDS:
            return False
        line.kind = kind
        return True

    def error(self, req_id: int, code: int, text: str) -> bool:
        """A code that came for a line; returns whether there is such a line."""
        line = self._by_id.get(req_id)
        if line is None:
            return False
        fault = lookup(code)
        then = fault.then if fault else Then.ASK
        if (
            then in {Then.NO_DATA, Then.REFUSED, Then.LATER}
            or (then is Then.DELAYED and line.asked == 1)
            or from_rival(code, text)
        ):
            line.refusal = (code, text)
        else:
            line.advice, line.advised_at = (code, text), self.monotonic()
        return True

    def farm_broke(self) -> None:
        """Believe no price any more that is older than now."""
        for line in self._by_id.values():
            line.doubtful = True

    # Details -------------------------------------------------------------------------------

    def _warm(self, con_id: int, *, delayed: bool, max_age: float) -> Line | None:
        now = self.monotonic()
        for line in list(self._by_id.values()):
            if line.con_id != con_id or (line.asked == 3 and line.delayed and not delayed):
                continue
            asked = 3 if delayed else 1
            waiting = line.users > 0 and line.ticked_at is None and line.asked == asked
            fresh = line.ticked_at is not None and now - line.ticked_at <= max_age
            if line.refusal is None and not line.doubtful and (waiting or fresh):
                return line
            if line.users == 0:
                self._close(line)
        return None

    def _open(self, instrument: Instrument, asked: int) -> Line | None:
        if len(self._by_id) >= self.limit:
            idle = [line for line in self._by_id.values() if line.users == 0]
            if not idle:
                return None
            self._close(min(idle, key=lambda line: line.used_at))
        self.latest = instrument, asked == 3
        req_id = self.subscribe(instrument, asked)
        line = Line(req_id, instrument.con_id, asked, used_at=self.monotonic())
        line.magnifier = instrument.magnifier
        self._by_id[req_id] = line
        return line

    def _close(self, line: Line) -> None:
        # Also after a refusal: some codes leave the subscription standing, with delayed ticks.
        del self._by_id[line.req_id]
        self.cancel(line.req_id)
