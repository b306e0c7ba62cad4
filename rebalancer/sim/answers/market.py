"""Contracts, market data and history."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from rebalancer.sim.answers.common import Handler, invalid, one_contract, refuse
from rebalancer.sim.protocol.fields import Fields, UnsupportedError
from rebalancer.sim.protocol.messages_in import history, market_data
from rebalancer.sim.protocol.messages_out import (
    Message,
    contract_details,
    historical_data,
    message,
    symbol_samples,
)
from rebalancer.sim.streams import TickStream
from rebalancer.sim.vocabulary import ContractSpec, QuoteView

if TYPE_CHECKING:
    from rebalancer.sim.hub import Hub
    from rebalancer.sim.session import Session

#: Tick numbers of live and delayed data, by what they tell: price and, with it, size.
_PRICES = {
    "bid": ((1, 0), (66, 69)),
    "ask": ((2, 3), (67, 70)),
    "last": ((4, 5), (68, 71)),
    "open": ((14, None), (76, None)),
    "high": ((6, None), (72, None)),
    "low": ((7, None), (73, None)),
    "close": ((9, None), (75, None)),
}
_VOLUME = (8, 74)
_LAST_TIME = (45, 88)
#: IBKR's rule for one-cent steps; the ids of other steps are made up.
_CENT_RULE = 26
_OTHER_RULES = 9000
#: (from this price on, step), ascending.
Steps = tuple[tuple[Decimal, Decimal], ...]


# Contracts ----------------------------------------------------------------------------------


def _details(session: Session, fields: list[str], now: float) -> None:
    request = Fields(fields, skip=2)
    req_id, spec = request.integer(), request.contract()
    found = session.hub.exchange.find(spec)
    if not found:
        text = "No security definition has been found for the request"
        refuse(session, req_id, 200, text, now)
        return
    rules = {steps: rule for rule, steps in _market_rules(session.hub).items()}
    for contract in found:
        exchange = spec.exchange or contract.valid_exchanges.partition(",")[0]
        rule = rules[contract.steps]
        session.send(contract_details(req_id, contract, exchange, rule), now)
    session.send(message("contractDetailsEnd", 1, req_id), now)


def _market_rules(hub: Hub) -> dict[int, Steps]:
    found = sorted({contract.steps for contract in hub.exchange.find(ContractSpec())})
    cent = ((Decimal(0), Decimal("0.01")),)
    return {
        _CENT_RULE if steps == cent else _OTHER_RULES + place: steps
        for place, steps in enumerate(found)
    }


def _market_rule(session: Session, fields: list[str], now: float) -> None:
    rule = Fields(fields, skip=1).integer()
    steps = _market_rules(session.hub).get(rule)
    if steps is None:
        invalid(session, -1, f"Invalid market rule id {rule}", now)
    else:
        flat = [value for pair in steps for value in pair]
        session.send(message("marketRule", rule, len(steps), *flat), now)


def _symbols(session: Session, fields: list[str], now: float) -> None:
    request = Fields(fields, skip=1)
    req_id, pattern = request.integer(), request.text().strip().upper()
    found = [
        contract
        for contract in session.hub.exchange.find(ContractSpec(sec_type="STK"))
        if contract.symbol.upper().startswith(pattern) or pattern in contract.long_name.upper()
    ]
    # The real one sends at most sixteen.
    session.send(symbol_samples(req_id, found[:16] if pattern else []), now)


# Market data --------------------------------------------------------------------------------


def _market_data_type(session: Session, fields: list[str], now: float) -> None:
    kind = Fields(fields, skip=2).integer()
    if kind in {1, 2, 3, 4}:
        session.subs.market_data_type = kind
    else:
        invalid(session, -1, f"Invalid market data type {kind}", now)


def _market_data(session: Session, fields: list[str], now: float) -> None:
    request, hub = market_data(fields), session.hub
    req_id = request.req_id
    if req_id in session.subs.ticks:
        text = "Error processing request.-'sim' : cause - Duplicate ticker id"
        refuse(session, req_id, 322, text, now)
        return
    contract = one_contract(session, req_id, request.contract, now)
    if contract is None:
        return
    if hub.mishaps.competing_until > now:
        text = "No market data during competing live session"
        refuse(session, req_id, 10197, text, now)
        return
    grant = hub.exchange.market_data_type(contract.con_id, session.subs.market_data_type)
    if grant.code:
        refuse(session, req_id, grant.code, grant.text, now)
    if not grant.kind:
        return
    session.send(message("marketDataType", 1, req_id, grant.kind), now)
    session.send(message("tickReqParams", req_id, contract.min_tick, "9c0001", 3), now)
    stream = TickStream(contract.con_id, grant.kind)
    quote = hub.exchange.quote(contract.con_id, now, grant.kind)
    session.send_all(_ticks(req_id, stream, quote, now), now)
    if request.snapshot:
        session.send(message("tickSnapshotEnd", 1, req_id), now)
    else:
        session.subs.ticks[req_id] = stream


def _ticks(req_id: int, stream: TickStream, quote: QuoteView, now: float) -> list[Message]:
    """What of the quote differs from what the stream has shown, which it then has."""
    delayed = stream.kind in {3, 4}
    ticks: list[Message] = []
    values: Mapping[str, tuple[Decimal | None, Decimal]] = {
        "bid": (quote.bid, quote.bid_size),
        "ask": (quote.ask, quote.ask_size),
        "last": (quote.last, quote.last_size),
        "open": (quote.open, Decimal(0)),
        "high": (quote.high, Decimal(0)),
        "low": (quote.low, Decimal(0)),
        "close": (quote.close, Decimal(0)),
    }
    for name, (price, size) in values.items():
        price_tick, size_tick = _PRICES[name][delayed]
        if price is None:
            continue
        if _differs(stream.prices.get(price_tick), price):
            stream.prices[price_tick] = price
            attributes = 1 if name in {"bid", "ask"} else 0
            ticks.append(message("tickPrice", 6, req_id, price_tick, price, size, attributes))
            if name == "last":
                ticks.append(message("tickString", 6, req_id, _LAST_TIME[delayed], int(now)))
        elif size_tick is not None and stream.sizes.get(size_tick) != size:
            ticks.append(message("tickSize", 6, req_id, size_tick, size))
        if size_tick is not None:
            stream.sizes[size_tick] = size
    volume = _VOLUME[delayed]
    if stream.sizes.get(volume) != quote.volume:
        stream.sizes[volume] = quote.volume
        ticks.append(message("tickSize", 6, req_id, volume, quote.volume))
    return ticks


def _differs(before: Decimal | None, after: Decimal) -> bool:
    return before is None or (before != after and not (before.is_nan() and after.is_nan()))


def _cancel_market_data(session: Session, fields: list[str], now: float) -> None:
    req_id = Fields(fields, skip=2).integer()
    if session.subs.ticks.pop(req_id, None) is None:
        refuse(session, req_id, 300, f"Can't find EId with tickerId:{req_id}", now)


def ticked(session: Session, con_id: int, now: float) -> None:
    """The quote of a contract changed: tell who subscribed."""
    for req_id, stream in session.subs.ticks.items():
        if stream.con_id == con_id:
            quote = session.hub.exchange.quote(con_id, now, stream.kind)
            session.send_all(_ticks(req_id, stream, quote, now), now, "market")


# History ------------------------------------------------------------------------------------


def _history(session: Session, fields: list[str], now: float) -> None:
    request = history(fields)
    req_id = request.req_id
    if request.keep_up_to_date:
        raise UnsupportedError("keepUpToDate")
    contract = one_contract(session, req_id, request.contract, now)
    if contract is None:
        return
    bars = session.hub.exchange.history(
        contract.con_id,
        end=now if request.end is None else request.end,
        duration=request.duration,
        bar_size=request.bar_size,
        what=request.what,
        use_rth=request.use_rth,
    )
    if isinstance(bars, str):
        text = f"Historical Market Data Service error message:{bars}"
        refuse(session, req_id, 162, text, now)
        return
    daily = request.bar_size.split()[-1:] in (["day"], ["week"], ["month"], ["W"], ["M"])
    unix = request.date_format == 2
    zone = contract.time_zone
    session.send(historical_data(req_id, bars, zone, daily=daily, unix=unix), now)


HANDLERS: dict[str, Handler] = {
    "reqContractDetails": _details,
    "reqMarketRule": _market_rule,
    "reqMatchingSymbols": _symbols,
    "reqMarketDataType": _market_data_type,
    "reqMktData": _market_data,
    "cancelMktData": _cancel_market_data,
    "reqHistoricalData": _history,
}
