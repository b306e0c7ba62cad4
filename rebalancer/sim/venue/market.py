"""Instruments, their prices and their hours: what can be seen of the market at a moment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from zlib import crc32

from rebalancer.sim.armed import Armed
from rebalancer.sim.venue.book import Book, Price
from rebalancer.sim.venue.market_hours import CALENDARS, Calendar, Phase
from rebalancer.sim.vocabulary import ContractSpec, ContractView
from rebalancer.sim.world import Listing, World

#: As contract details list them.
ORDER_TYPES = (
    "ACTIVETIM,ALGO,AON,DAY,FOK,GAT,GTC,GTD,IOC,LMT,LOC,MKT,MOC,OPG,STP,STPLMT,TRAIL,WHATIF"
)
_BPS = Decimal(10000)


def opening_prices(world: World) -> dict[int, Price]:
    """Every listing as its day begins."""
    return {
        listing.con_id: Price(
            price=listing.price,
            close=listing.price if listing.close is None else listing.close,
            open=listing.price,
            high=listing.price,
            low=listing.price,
        )
        for listing in world.listings
    }


class Market:
    """The listings of ``world`` at the prices ``book`` keeps."""

    def __init__(self, world: World, book: Book, armed: Armed) -> None:
        self._book = book
        self._armed = armed
        self._listings = {listing.con_id: listing for listing in world.listings}
        self._by_symbol = {listing.ticker: listing for listing in reversed(world.listings)}
        known = CALENDARS | {calendar.name: calendar for calendar in world.calendars}
        self._calendars = {
            listing.con_id: replace(known["ALWAYS"], zone=known[listing.calendar].zone)
            if world.clock.always_open
            else known[listing.calendar]
            for listing in world.listings
        }
        self._sessions = tuple(set(self._calendars.values()))

    # Instruments -------------------------------------------------------------------------

    def listing(self, instrument: int | str) -> Listing:
        """By con id or symbol. Raises KeyError for an unknown one."""
        if isinstance(instrument, int):
            return self._listings[instrument]
        return self._by_symbol[instrument]

    def find(self, spec: ContractSpec) -> list[Listing]:
        """Every listing that fits; empty fields fit anything."""
        listed = (each for each in self._listings.values() if not each.delisted)
        return [listing for listing in listed if _fits(spec, listing)]

    def view(self, listing: Listing, now: float) -> ContractView:
        """Contract details, with the hours from today on."""
        calendar = self.calendar(listing.con_id)
        local_symbol = listing.local_symbol or listing.symbol
        trading_class = listing.trading_class or listing.symbol
        short = listing.hours == "short"
        smart = () if listing.sec_type == "CASH" else ("SMART",)
        venues = dict.fromkeys((*smart, listing.primary_exchange))
        # Steps are told in the currency, prices in its fraction.
        steps = listing.steps or ((Decimal(0), listing.tick),)
        told = tuple((low / listing.magnifier, s / listing.magnifier) for low, s in steps)
        return ContractView(
            con_id=listing.con_id,
            symbol=listing.symbol,
            sec_type=listing.sec_type,
            currency=listing.currency,
            primary_exchange=listing.primary_exchange,
            local_symbol=local_symbol,
            trading_class=trading_class,
            market_name=listing.market_name or trading_class,
            long_name=listing.long_name or listing.symbol,
            min_tick=min(step for _, step in told),
            steps=told,
            magnifier=listing.magnifier,
            time_zone=calendar.zone if listing.time_zone is None else listing.time_zone,
            trading_hours=calendar.text(now, extended=True, short=short),
            liquid_hours=calendar.text(now, extended=False, short=short),
            valid_exchanges=",".join(venue for venue in venues if venue),
            order_types=ORDER_TYPES,
            expiry=listing.expiry,
            strike=listing.strike,
            right=listing.right,
            multiplier=listing.multiplier,
            stock_type=listing.stock_type if listing.sec_type == "STK" else "",
            isin=listing.isin,
        )

    # Hours -------------------------------------------------------------------------------

    def calendar(self, con_id: int) -> Calendar:
        """The hours the instrument trades in, in this world."""
        return self._calendars[con_id]

    def phase(self, con_id: int, at: float) -> Phase:
        """What kind of trading there is in the instrument."""
        return self._calendars[con_id].phase(at)

    def price(self, con_id: int) -> Price:
        """The instrument's day so far."""
        return self._book.prices[con_id]

    def trades(self, con_id: int, at: float, *, outside_rth: bool) -> bool:
        """Whether an order for the instrument may fill now."""
        if self._book.prices[con_id].halted_until > at:
            return False
        phase = self.phase(con_id, at)
        return phase == "regular" or (phase == "extended" and outside_rth)

    # Prices ------------------------------------------------------------------------------

    def last(self, con_id: int) -> Decimal:
        """The last price, on the tick."""
        listing, price = self._listings[con_id], self._book.prices[con_id].price
        if listing.wiggle:
            beat = int((self._book.now - self._book.started) // listing.wiggle_every)
            # A fixed noise in [-1, 1] for each beat: prices depend on the time alone.
            noise = Decimal(crc32(f"{con_id}:{beat}".encode()) - 2**31) / 2**31
            price += price * listing.wiggle * noise / _BPS
        return on_tick(price, listing.step_at(price))

    def touch(self, con_id: int) -> tuple[Decimal, Decimal]:
        """Bid and ask; the last price lies between them or on the bid."""
        listing = self._listings[con_id]
        last = self.last(con_id)
        tick = listing.step_at(last)
        bid = max(last - tick * (listing.spread // 2), tick)
        return bid, bid + tick * listing.spread

    def set_price(self, con_id: int, price: Decimal) -> None:
        """Move the instrument there."""
        kept = self._book.prices[con_id]
        kept.price = price
        kept.high, kept.low = max(kept.high, price), min(kept.low, price)

    def split(self, con_id: int, ratio: Decimal) -> None:
        """One share has become ``ratio`` shares: all prices of the day are of the new ones."""
        kept = self._book.prices[con_id]
        kept.price, kept.close = kept.price / ratio, kept.close / ratio
        kept.open, kept.high, kept.low = kept.open / ratio, kept.high / ratio, kept.low / ratio

    def available(self, con_id: int, *, buying: bool) -> Decimal | None:
        """Shares left at the touch; ``None`` for any number."""
        listing, kept = self._listings[con_id], self._book.prices[con_id]
        if listing.liquidity is None:
            return None
        if self._book.now >= kept.taken_at + listing.refill:
            kept.bought = kept.sold = Decimal(0)
        return max(listing.liquidity - (kept.bought if buying else kept.sold), Decimal(0))

    def take(self, con_id: int, shares: Decimal, *, buying: bool) -> None:
        """Count a trade: volume, and liquidity that is gone until it refills."""
        kept = self._book.prices[con_id]
        if not kept.bought and not kept.sold:
            kept.taken_at = self._book.now
        kept.bought += shares if buying else 0
        kept.sold += 0 if buying else shares
        kept.volume += shares
        kept.last_size = shares

    # Time --------------------------------------------------------------------------------

    def step(self) -> list[int]:
        """Bring prices to the book's time; the con ids whose quote changed."""
        book, now, moved = self._book, self._book.now, []
        for con_id, kept in book.prices.items():
            listing = self._listings[con_id]
            before = kept.price
            while kept.passed < len(listing.path):
                point = listing.path[kept.passed]
                if book.started + point.after > now:
                    break
                self.set_price(con_id, point.price)
                kept.passed += 1
            if kept.price != before or listing.wiggle:
                moved.append(con_id)
        for args in self._armed.due("set_price", now):
            con_id = self.listing(args["symbol"]).con_id
            self.set_price(con_id, Decimal(args["price"]))
            moved.append(con_id)
        for args in self._armed.due("halt", now):
            kept = book.prices[self.listing(args["symbol"]).con_id]
            kept.halted_until = now + float(args.get("seconds", "1e12"))
        return moved

    def turn_of_day(self, at: float) -> bool:
        """Note what opens or closes exactly at ``at``; says whether any session closed."""
        closed = False
        for con_id, kept in self._book.prices.items():
            for stretch in self._sessions_around(con_id, at):
                if stretch[1] == at:
                    kept.close, closed = self.last(con_id), True
                elif stretch[0] == at:
                    price = self.last(con_id)
                    kept.open = kept.high = kept.low = price
                    kept.volume = Decimal(0)
        return closed

    def _sessions_around(self, con_id: int, at: float) -> Iterable[tuple[float, float]]:
        calendar = self._calendars[con_id]
        if calendar.continuous:
            return ()
        day = calendar.local_date(at)
        stretches = calendar.stretches(day)
        return ((stretches[0].opens, stretches[-1].closes),) if stretches else ()

    def next_event(self, now: float) -> float | None:
        """When a price path, a session, a halt or a timed fault changes something next."""
        book = self._book
        moments = [calendar.next_boundary(now) for calendar in self._sessions]
        moments.append(self._armed.next_moment(now))
        for con_id, kept in book.prices.items():
            listing = self._listings[con_id]
            if kept.passed < len(listing.path):
                moments.append(book.started + listing.path[kept.passed].after)
            moments.append(kept.halted_until)
            if kept.bought or kept.sold:
                moments.append(kept.taken_at + listing.refill)
        return min((m for m in moments if m is not None and m > now), default=None)

    def next_wiggle(self, now: float) -> float | None:
        """When a breathing price next takes a breath."""
        beats = {listing.wiggle_every for listing in self._listings.values() if listing.wiggle}
        started = self._book.started
        return min(
            (started + ((now - started) // beat + 1) * beat for beat in beats), default=None
        )


def on_tick(price: Decimal, tick: Decimal) -> Decimal:
    """The multiple of ``tick`` nearest to ``price``."""
    return (price / tick).to_integral_value(ROUND_HALF_EVEN) * tick


def _fits(spec: ContractSpec, listing: Listing) -> bool:
    venues = {"", "SMART", "BEST", listing.primary_exchange}
    if listing.sec_type == "CASH":
        venues = {"", listing.primary_exchange}
    if spec.exchange not in venues or (spec.con_id and spec.con_id != listing.con_id):
        return False
    # Clients spell "no right" as '', '0' or '?', and "no strike" as '', '0' or '0.0'.
    derivative = listing.sec_type in {"OPT", "FOP"}
    wanted = (
        (spec.symbol, listing.symbol),
        (spec.sec_type, listing.sec_type),
        (spec.primary_exchange, listing.primary_exchange),
        (spec.currency, listing.currency),
        (spec.local_symbol, listing.local_symbol or listing.symbol),
        (spec.trading_class, listing.trading_class or listing.symbol),
        (spec.expiry, listing.expiry),
        (spec.right.strip("0?") if derivative else "", listing.right),
        (spec.multiplier, listing.multiplier),
    )
    if any(want and want != have for want, have in wanted):
        return False
    strikes = {"", "0", "0.0", listing.strike, listing.strike.removesuffix(".0")}
    return not derivative or spec.strike in strikes
