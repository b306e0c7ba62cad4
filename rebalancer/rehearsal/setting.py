"""The world of a rehearsal: the accounts as they begin, the market as it is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from zlib import crc32

from rebalancer.errors import PermanentError
from rebalancer.gateway.contracts import parse_symbol
from rebalancer.rehearsal.starts import Known, Start
from rebalancer.sim.scenario import load_world
from rebalancer.sim.scenario_market import SYNTHETIC_CON_IDS
from rebalancer.sim.venue.pairs import pairs
from rebalancer.sim.vocabulary import Fault
from rebalancer.sim.world import AccountSpec, Holding, Listing, World

#: Whose hours an instrument keeps, by where it is listed; New York's if not said.
_CALENDARS = {"IBIS": "XETR", "IBIS2": "XETR", "LSE": "XLON", "LSEETF": "XLON", "TSEJ": "XTKS"}
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Setting:
    """A world to rehearse in, and what a person should know of it."""

    world: World
    #: Symbols whose price was made up by the scenario.
    made_up: tuple[str, ...] = ()


def build(
    starts: Sequence[Start],
    symbols: Iterable[str],
    *,
    prices: Mapping[str, Decimal],
    scenario: str | None,
    market: Sequence[Start] = (),
) -> Setting:
    """Make the world in which these accounts can trade ``symbols`` and what they hold.

    A price is the one given in ``prices``, else the latest that a snapshot knows, else that of
    the ``scenario``, if one was named: those are made up. ``market`` are further snapshots, of
    which only prices and exchange rates are taken.

    Raises:
        PermanentError: nobody knows a price or an exchange rate; the text names the remedy.
        ConfigError: the scenario is wrong.
    """
    base = load_world(scenario or "default")
    known = _latest([*market, *starts])
    wanted = dict.fromkeys([*symbols, *(held.symbol for s in starts for held in s.held)])
    offered = {
        (listing.symbol, listing.currency): _in_currency(listing) for listing in base.listings
    }
    listings: dict[str, Listing] = {}
    made_up: list[str] = []
    missing: list[str] = []
    for symbol in wanted:
        model = _model(symbol, known.get(symbol), offered)
        price = prices.get(symbol)
        if price is not None:
            listings[symbol] = _priced(model, Known(price))
        elif symbol in known:
            listings[symbol] = _priced(model, known[symbol])
        elif scenario is not None and model.price:
            listings[symbol] = model
            made_up.append(symbol)
        else:
            missing.append(symbol)
    if missing:
        raise PermanentError(_no_price(missing))
    # A contract that is spelled in two ways is found under its symbol.
    by_id_first = sorted(listings, key=lambda symbol: not symbol.startswith("conid:"))
    ours = {listings[symbol].con_id: listings[symbol] for symbol in by_id_first}
    named = {(listing.symbol, listing.currency) for listing in ours.values()}
    # The scenario's other instruments stay: its faults may speak of them.
    others = [
        listing
        for listing in base.listings
        if listing.con_id not in ours
        and (listing.symbol, listing.currency) not in named
        and listing.sec_type != "CASH"
    ]
    rates = _rates(
        [*market, *starts], base.rates, {listing.currency for listing in ours.values()}
    )
    open_now = base.clock.start is None  # a scenario with a time of its own keeps it
    world = replace(
        base,
        listings=(*ours.values(), *others, *pairs(rates)),
        accounts=tuple(_account(start, listings, rates) for start in starts),
        rates=rates,
        clock=replace(base.clock, always_open=base.clock.always_open or open_now),
        faults=tuple(_scaled(fault, base.listings, ours.values()) for fault in base.faults),
    )
    return Setting(world, tuple(made_up))


def _in_currency(listing: Listing) -> Listing:
    """The listing with its price in its currency, as snapshots have it, not in pence."""
    scale = listing.magnifier
    return replace(
        listing,
        price=listing.price / scale,
        tick=listing.step_at(listing.price) / scale,
        close=None if listing.close is None else listing.close / scale,
        path=tuple(replace(point, price=point.price / scale) for point in listing.path),
        steps=(),
        magnifier=1,
    )


def _latest(starts: Sequence[Start]) -> dict[str, Known]:
    """What the snapshots know of each symbol, the youngest last and so in force.

    An instrument has one price in the world, even where snapshots of two moments differ.
    """
    known: dict[str, Known] = {}
    for start in sorted(starts, key=lambda start: start.at or 0.0):
        for symbol, found in start.known.items():
            before = known.get(symbol)
            if found.con_id or before is None:
                known[symbol] = found
            else:
                known[symbol] = replace(before, price=found.price, bid=None, ask=None)
    return known


def _no_price(missing: Sequence[str]) -> str:
    options = " ".join(f"--price '{symbol}=…'" for symbol in missing[:3])
    return (
        f"no price is known for {', '.join(missing)}: give one ({options}), take a snapshot "
        f"with `rebalancer preview ACCOUNT`, or name a --scenario that has one, such as default"
    )


def _model(
    symbol: str, known: Known | None, offered: Mapping[tuple[str, str], Listing]
) -> Listing:
    """The instrument that a spelling names, with the price that a scenario gave it, or 0."""
    try:
        contract = parse_symbol(symbol)
    except ValueError as error:
        raise PermanentError(f"{symbol!r}: {error}") from None
    known = known or Known(Decimal(0))
    currency = contract.currency or known.currency or "USD"
    name = contract.symbol or known.local_symbol or f"ID{contract.conId}"
    model = offered.get((name, currency))
    venue = contract.primaryExchange or known.primary_exchange
    if model is not None:
        venue = venue or model.primary_exchange
    else:
        con_id = SYNTHETIC_CON_IDS + crc32(symbol.encode()) % 90_000_000
        model = Listing(con_id, name, Decimal(0), currency=currency, local_symbol=name)
    return replace(
        model,
        con_id=contract.conId or known.con_id or model.con_id,
        primary_exchange=venue or "ARCA",
        tick=known.min_tick or model.tick,
        calendar=_CALENDARS.get(venue, model.calendar),
    )


def _priced(model: Listing, known: Known) -> Listing:
    """The listing whose reference price, the middle of bid and ask, is the known price.

    Bid and ask of the simulator are on the step, so a price between two of theirs is met only
    to half a step. What a scenario says of the price, relative to its own, is kept.
    """
    tick, price = model.tick, known.price
    factor = price / model.price if model.price else Decimal(1)
    path = tuple(replace(point, price=_on(point.price * factor, tick)) for point in model.path)
    if model.price and model.spread > 1:
        # A scenario with a wide market means it.
        return replace(model, price=_on(price, tick), close=None, path=path)
    bid, ask = known.bid, known.ask
    if bid is None or ask is None or bid >= ask or (bid + ask) / 2 != price:
        halves = int((price / tick * 2).to_integral_value())
        # An odd number of half steps lies between two neighbours, an even one on a step.
        bid = tick * (halves // 2) if halves % 2 else tick * (halves // 2 - 1)
        ask = bid + tick * (1 if halves % 2 else 2)
    spread = max(int((ask - bid) / tick), 1)
    last = _on(bid, tick) + tick * (spread // 2)
    return replace(model, price=max(last, tick), spread=spread, close=None, path=path)


def _on(price: Decimal, tick: Decimal) -> Decimal:
    return max((price / tick).to_integral_value(ROUND_FLOOR), Decimal(1)) * tick


def _account(
    start: Start, listings: Mapping[str, Listing], rates: Mapping[str, Decimal]
) -> AccountSpec:
    traded = {listing.currency for listing in listings.values()}
    return AccountSpec(
        start.account_id,
        currency=start.currency,
        # Without a row for it, a gateway tells no exchange rate.
        cash=dict.fromkeys(sorted(traded & {*rates, "USD"}), Decimal(0)) | dict(start.cash),
        holdings=tuple(
            Holding(listings[held.symbol].con_id, held.quantity, held.avg_cost)
            for held in start.held
        ),
    )


def _rates(
    starts: Sequence[Start], offered: Mapping[str, Decimal], traded: set[str]
) -> dict[str, Decimal]:
    """US dollars a unit, for every currency in use.

    Raises:
        PermanentError: nobody knows one.
    """
    rates: dict[str, Decimal] = dict(offered)
    for start in sorted(starts, key=lambda start: start.at or 0.0):
        dollar = start.rates.get("USD")
        if start.currency == "USD" or dollar:
            # Rates are in the account's currency, so a dollar's is what they are divided by.
            rates |= {c: rate / (dollar or 1) for c, rate in start.rates.items()}
    used = traded | {currency for s in starts for currency in (s.currency, *s.cash)}
    missing = sorted(used - rates.keys() - {"USD"})
    if missing == sorted(used) and len(used) > 1:
        # Nothing is paid in dollars, so only what rates are to each other matters.
        rates[missing[0]] = Decimal(1)
    # An account that never held dollars tells a rate by way of what others know.
    while found := _by_way_of(rates, starts):
        rates = found | rates
    missing = sorted(used - rates.keys() - {"USD"})
    if missing and len(used) > 1:
        raise PermanentError(
            f"no exchange rate is known for {', '.join(missing)}: rehearse from a snapshot of "
            f"an account that has held it, or name a --scenario file with "
            f"`rates: {{{missing[0]}: …}}`"
        )
    # With one currency only, any rate will do.
    return {**rates, **dict.fromkeys(missing, Decimal(1))}


def _by_way_of(
    rates: Mapping[str, Decimal], starts: Sequence[Start]
) -> dict[str, Decimal] | None:
    """Rates that the accounts know by a currency of ``rates``; ``None`` if no more."""
    for start in starts:
        shared = sorted(rates.keys() & {c for c, rate in start.rates.items() if rate})
        if shared and start.rates.keys() - rates.keys():
            scale = rates[shared[0]] / start.rates[shared[0]]
            return {c: rate * scale for c, rate in start.rates.items()}
    return None


def _scaled(fault: Fault, before: Iterable[Listing], after: Iterable[Listing]) -> Fault:
    """A fault whose price was meant for the scenario's price of its instrument."""
    args = dict(fault.args)
    if "price" not in args or "symbol" not in args:
        return fault
    old = next((x for x in before if x.symbol == args["symbol"]), None)
    new = next((x for x in after if x.symbol == args["symbol"]), None)
    if old is None or new is None:
        return fault
    args["price"] = str(_on(Decimal(args["price"]) * new.price / old.price, new.tick or _CENT))
    return replace(fault, args=tuple(args.items()))
