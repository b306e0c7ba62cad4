"""Contracts: what a symbol names, and when its exchange is open; read once for all accounts."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ib_async import Contract, ContractDetails

from rebalancer.core.account import Instrument
from rebalancer.core.pairs import is_pair
from rebalancer.errors import GatewayError, GatewayUnavailableError, UnknownInstrumentError
from rebalancer.gateway import convert
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.faults import describe
from rebalancer.gateway.replies import RefusedError

log = logging.getLogger("rebalancer.gateway")

#: Trading hours reach about a week ahead; they and the contract are read again after this.
HOURS_AGE = 12 * 3600.0
#: The price step is that of the reference price and of limits this far from it.
NEAR = Decimal("0.02")
#: Price steps are worth waiting for, but not for long: most instruments have one step only.
RULE_WITHIN = 3.0
#: Above every price.
FAR = (Decimal("Infinity"), Decimal(0))
#: Codes that say that the contract itself is wrong, and asking again will not help.
_NO_CONTRACT = frozenset({200, 321})

_SPELLING = re.compile(
    r"(?P<symbol>[A-Z0-9][A-Z0-9 .\-]*)"
    r"(?:@(?P<exchange>[A-Z0-9.]+))?"
    r"(?:/(?P<currency>[A-Z]{3}))?",
)
_PAIR = re.compile(r"fx:(?P<first>[A-Z]{3})\.(?P<second>[A-Z]{3})")
_BY_ID = re.compile(r"conid:(?P<con_id>[1-9][0-9]*)")


def parse_symbol(symbol: str) -> Contract:
    """The contract an operator's spelling names.

    ``SPY`` is a US dollar stock or ETF routed by SMART; ``VWCE@IBIS2/EUR`` adds the primary
    exchange and the currency (either may stand alone); ``conid:756733`` is IBKR's own id. Not
    for operators: ``fx:EUR.USD`` is a pair of currencies.

    Raises:
        ValueError: it is spelled in none of these ways.
    """
    if by_id := _BY_ID.fullmatch(symbol):
        return Contract(conId=int(by_id["con_id"]), exchange="SMART")
    if pair := _PAIR.fullmatch(symbol):
        return Contract(
            secType="CASH",
            symbol=pair["first"],
            exchange="IDEALPRO",
            currency=pair["second"],
        )
    named = _SPELLING.fullmatch(symbol)
    if named is None:
        raise ValueError("spell it like SPY, VWCE@IBIS2/EUR or conid:756733")
    return Contract(
        secType="STK",
        symbol=named["symbol"],
        exchange="SMART",
        primaryExchange=named["exchange"] or "",
        currency=named["currency"] or "USD",
    )


class Contracts:
    """The contracts and hours in use, read once for all accounts and again twice a day."""

    def __init__(self, connection: Connection, *, timeout: float | None = None) -> None:
        self._connection = connection
        self._timeout = timeout or connection.timeout
        #: By spelling: when it was read (loop seconds), and what it is.
        self._known: dict[str, tuple[float, Instrument]] = {}
        self._lookups: dict[str, asyncio.Task[Instrument]] = {}
        #: Price steps by conId; those of the market rules known, by rule id.
        self._steps: dict[int, convert.Steps] = {}
        self._rules: dict[int, asyncio.Task[convert.Steps]] = {}

    async def resolve(self, symbols: Sequence[str]) -> dict[str, Instrument]:
        """The instruments of these spellings, by spelling.

        Raises:
            UnknownInstrumentError: some are unknown, ambiguous or not tradable here; the text
                names them all.
            GatewayError: the gateway did not answer.
        """
        found, unknown = await self._find(symbols)
        if unknown:
            raise UnknownInstrumentError("; ".join(str(error) for error in unknown.values()))
        return found

    async def held(
        self,
        contracts: Iterable[Contract],
        named: Mapping[int, Instrument],
    ) -> dict[int, Instrument]:
        """Instruments of held stocks by conId, those of ``named`` as they are.

        The others are spelled as ``parse_symbol`` reads them, each with a spelling of its own.
        A contract that cannot be traded here (delisted, say) is left out.

        Raises:
            GatewayError: the gateway did not answer.
        """
        others = [f"conid:{c.conId}" for c in contracts if c.conId not in named]
        found, unknown = await self._find(others)
        for error in unknown.values():
            log.warning("a held contract cannot be traded: %s", error)
        taken = {instrument.symbol for instrument in named.values()}
        result = dict(named)
        for by_id, instrument in found.items():
            symbol = spelling(instrument)
            symbol = by_id if symbol in taken else symbol
            taken.add(symbol)
            result[instrument.con_id] = replace(instrument, symbol=symbol)
        return result

    def forget(self, symbol: str) -> None:
        """Read it again when it is asked for next."""
        self._known.pop(symbol, None)

    def stepped(self, instrument: Instrument, price: Decimal) -> Instrument:
        """The instrument with the price step that holds near ``price``.

        Contract details only tell the smallest step there is at any price. In Europe the step
        grows with the price, and an order that does not keep to it is refused (110).
        """
        steps = self._steps.get(instrument.con_id, ())
        below, above = price * (1 - NEAR), price * (1 + NEAR)
        near = [
            step
            for (low, step), (end, _) in itertools.zip_longest(steps, steps[1:], fillvalue=FAR)
            if low <= above and end > below
        ]
        return replace(instrument, min_tick=max(near)) if near else instrument

    async def _find(
        self,
        symbols: Sequence[str],
    ) -> tuple[dict[str, Instrument], dict[str, UnknownInstrumentError]]:
        """Instruments, and errors of what is none, by spelling."""
        wanted = list(dict.fromkeys(symbols))
        tasks = {s: self._lookup(s) for s in wanted if self._fresh(s) is None}
        if tasks:
            # A lookup is shared: it goes on when the caller that began it is cancelled.
            await asyncio.wait(tasks.values())
        found: dict[str, Instrument] = {}
        unknown: dict[str, UnknownInstrumentError] = {}
        for symbol in wanted:
            try:
                known = tasks[symbol].result() if symbol in tasks else self._known[symbol][1]
                found[symbol] = known
                if known.magnifier != 1:
                    book = self._connection.session.book
                    book.magnifiers[known.con_id] = known.magnifier
            except UnknownInstrumentError as error:
                unknown[symbol] = error
        return found, unknown

    def _fresh(self, symbol: str) -> Instrument | None:
        read_at, instrument = self._known.get(symbol, (0.0, None))
        now = asyncio.get_running_loop().time()
        return instrument if instrument and now - read_at < HOURS_AGE else None

    def _lookup(self, symbol: str) -> asyncio.Task[Instrument]:
        task = self._lookups.get(symbol)
        if task is None:
            task = asyncio.create_task(self._read(symbol))
            self._lookups[symbol] = task
            task.add_done_callback(lambda done: self._looked_up(symbol, done))
        return task

    def _looked_up(self, symbol: str, task: asyncio.Task[Instrument]) -> None:
        del self._lookups[symbol]
        _seen(task)

    async def _read(self, symbol: str) -> Instrument:
        try:
            contract = parse_symbol(symbol)
        except ValueError as error:
            raise UnknownInstrumentError(f"{symbol!r}: {error}") from None
        session = self._connection.session
        try:
            rows: list[ContractDetails] = await session.ask(
                f"contract {symbol}",
                session.client.reqContractDetails,
                contract,
                within=self._timeout,
            )
        except RefusedError as error:
            if error.code in _NO_CONTRACT:
                raise UnknownInstrumentError(
                    f"{symbol!r}: {describe(error.code, error.text)}",
                ) from None
            raise
        instrument = _only(symbol, rows)
        await self._read_steps(instrument, rows)
        self._known[symbol] = (asyncio.get_running_loop().time(), instrument)
        return instrument

    async def _read_steps(
        self,
        instrument: Instrument,
        rows: Sequence[ContractDetails],
    ) -> None:
        for details in rows:
            rule_id = convert.market_rule(details, instrument.exchange)
            contract = details.contract
            if contract is None or contract.conId != instrument.con_id or rule_id is None:
                continue
            task = self._rules.get(rule_id)
            if task is None:
                task = asyncio.create_task(self._read_rule(rule_id))
                task.add_done_callback(_seen)
                self._rules[rule_id] = task
            try:
                self._steps[instrument.con_id] = await asyncio.shield(task)
            except GatewayUnavailableError:
                self._rules.pop(rule_id, None)
                raise
            except GatewayError as error:
                # The smallest step still serves wherever it is the only one.
                log.warning("no price steps for %s: %s", instrument.symbol, error)
                self._rules.pop(rule_id, None)

    async def _read_rule(self, rule_id: int) -> convert.Steps:
        session = self._connection.session
        return convert.price_steps(
            await session.market_rule(rule_id, within=min(self._timeout, RULE_WITHIN)),
        )


def _seen(task: asyncio.Task[Any]) -> None:
    """A shared request's failure is no news when nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


def _only(symbol: str, rows: Sequence[ContractDetails]) -> Instrument:
    """The one stock, or pair of currencies, among the rows.

    Raises:
        UnknownInstrumentError: there is none, or more than one, or it cannot be traded here.
    """
    found: dict[int, Instrument] = {}
    for details in rows:
        try:
            instrument = convert.instrument(symbol, details)
        except ValueError as error:
            raise UnknownInstrumentError(str(error)) from None
        found[instrument.con_id] = instrument
    kind = "CASH" if is_pair(symbol) else "STK"
    stocks = [instrument for instrument in found.values() if instrument.sec_type == kind]
    if len(stocks) == 1:
        return stocks[0]
    if stocks:
        choices = ", ".join(sorted(spelling(instrument) for instrument in stocks))
        raise UnknownInstrumentError(f"{symbol!r}: ambiguous; name one of {choices}")
    kinds = ", ".join(sorted({instrument.sec_type for instrument in found.values()}))
    what = f"is a {kinds}; only stocks and ETFs are traded" if kinds else "no such contract"
    raise UnknownInstrumentError(f"{symbol!r}: {what}")


def spelling(instrument: Instrument) -> str:
    """How an operator would spell it: ``SPY``, or ``VWCE@IBIS2/EUR`` outside the US."""
    if instrument.currency == "USD":
        return instrument.local_symbol
    where = f"@{instrument.primary_exchange}" if instrument.primary_exchange else ""
    return f"{instrument.local_symbol}{where}/{instrument.currency}"
