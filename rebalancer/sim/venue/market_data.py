"""What market data requests are granted, and what the data show."""

from __future__ import annotations

from decimal import Decimal

from rebalancer.sim.armed import Armed
from rebalancer.sim.venue.book import Book
from rebalancer.sim.venue.market import Market
from rebalancer.sim.vocabulary import MarketDataGrant, QuoteView

LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4
#: Unlimited liquidity still shows a size at the touch.
_DEEP = Decimal(10000)
_SUBSCRIPTION_NEEDED = (
    "Requested market data requires additional subscription for API. See link in 'Market Data "
    "Connections' dialog for more details.Delayed market data is available."
)
_DISPLAYING_DELAYED = "Requested market data is not subscribed. Displaying delayed market data."
_NO_DATA = {
    "354": MarketDataGrant(0, 354, "Requested market data is not subscribed."),
    "10168": MarketDataGrant(
        0,
        10168,
        "Requested market data is not subscribed. Delayed market data is not enabled.",
    ),
    "10197": MarketDataGrant(0, 10197, "No market data during competing live session"),
}


class MarketData:
    """Answers market data requests from what ``market`` shows."""

    def __init__(self, market: Market, book: Book, armed: Armed) -> None:
        self._market = market
        self._book = book
        self._armed = armed

    def grant(self, con_id: int, requested: int) -> MarketDataGrant:
        """Which kind of data a request gets: IBKR's codes 354, 10089, 10167 and 10197."""
        listing, now = self._market.listing(con_id), self._book.now
        missing = self._armed.ongoing("no_data", now, symbol=listing.ticker)
        if missing is not None:
            return _NO_DATA[missing.get("code", "354")]
        service = listing.data
        late = self._armed.ongoing("delayed_data", now, symbol=listing.ticker)
        if late is not None and late.get("silent") == "yes":
            return MarketDataGrant(DELAYED)
        service = "delayed" if late is not None else service
        frozen = self._market.phase(con_id, now) == "closed"
        if service == "none":
            return _NO_DATA["354"]
        if service == "live":
            # A frozen or delayed request of a subscriber gets live data while there are any.
            return MarketDataGrant(FROZEN if frozen and requested in {2, 4} else LIVE)
        if requested in {LIVE, FROZEN}:
            name = f"{listing.symbol} {listing.primary_exchange}/TOP/ALL"
            return MarketDataGrant(0, 10089, _SUBSCRIPTION_NEEDED + name)
        kind = DELAYED_FROZEN if frozen and requested == DELAYED_FROZEN else DELAYED
        return MarketDataGrant(kind, 10167, _DISPLAYING_DELAYED)

    def quote(self, con_id: int, kind: int) -> QuoteView:
        """What data of this kind show: no bid or ask while closed, unless frozen."""
        listing, kept, now = (
            self._market.listing(con_id),
            self._market.price(con_id),
            self._book.now,
        )
        broken = self._broken_price(listing.ticker)
        if broken is not None:
            return QuoteView(broken, broken, broken, broken)
        bid, ask = self._market.touch(con_id)
        size = listing.liquidity if listing.liquidity is not None else _DEEP
        shown = self._market.phase(con_id, now) != "closed" or kind in {FROZEN, DELAYED_FROZEN}
        return QuoteView(
            bid=bid if shown else None,
            ask=ask if shown else None,
            # Currencies are quoted, no trade of others is ever told.
            last=None if listing.sec_type == "CASH" else self._market.last(con_id),
            close=kept.close,
            bid_size=size if shown else Decimal(0),
            ask_size=size if shown else Decimal(0),
            last_size=kept.last_size or Decimal(100),
            volume=kept.volume,
            open=kept.open,
            high=kept.high,
            low=kept.low,
        )

    def _broken_price(self, symbol: str) -> Decimal | None:
        if self._armed.ongoing("price_nan", self._book.now, symbol=symbol) is not None:
            return Decimal("NaN")
        if self._armed.ongoing("price_minus_one", self._book.now, symbol=symbol) is not None:
            return Decimal(-1)
        return None
