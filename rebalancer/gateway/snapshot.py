"""One account at one moment, freshly asked: never what a cache believes.

Everything that does not depend on something else is asked at once: with warm contracts and
prices a snapshot is one round trip.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from rebalancer.core.account import Account, Instrument, Position, Quote
from rebalancer.errors import GatewayError, StaleDataError
from rebalancer.gateway import balances, convert, rates
from rebalancer.gateway.balances import Money, PositionRow, ValueRow
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.contracts import Contracts
from rebalancer.gateway.lines import MAX_AGE
from rebalancer.gateway.market import quotes
from rebalancer.gateway.replies import Reply, together

#: Share of a value that may be missing before it says that positions are: prices differ
#: between a gateway's valuation, some minutes old, and the market.
MISSING = Decimal("0.2")
#: Share of the account by which cash and positions may miss NetLiquidation, for prices of
#: different moments and what is accrued.
INCOHERENT = Decimal("0.03")
#: Share of NetLiquidation below which all positions together are not worth a question.
NEGLIGIBLE = Decimal("0.0001")

K = TypeVar("K")


async def take_snapshot(
    connection: Connection,
    contracts: Contracts,
    account_id: str,
    symbols: Sequence[str],
    *,
    prices: bool = True,
    allow_delayed: bool = False,
    max_age: float = MAX_AGE,
    deadline: float = 15.0,
) -> Account:
    """Read one account: holdings, money, exchange rates, and prices of what may be traded.

    Args:
        connection: a connection that is ready.
        contracts: the contract cache of that connection.
        account_id: whose snapshot.
        symbols: what the target names; each of them gets an instrument and a price.
        prices: whether to price ``symbols`` and every stock held. A held stock that is not in
            ``symbols`` and has no price or contract is left without one.
        allow_delayed: accept delayed prices.
        max_age: seconds since its last tick beyond which a price is asked for anew.
        deadline: seconds for the whole.

    Raises:
        UnknownInstrumentError: symbols that are no tradable contract.
        StaleDataError: a price, a balance or an exchange rate is missing.
        PermanentError: the account holds positions in model portfolios.
        GatewayError: the gateway did not answer in time.
        GatewayUnavailableError: the connection was lost.
    """
    session = connection.session
    until = asyncio.get_running_loop().time() + deadline
    async with together() as group:
        holding = group.create_task(
            balances.positions(session, account_id, within=deadline),
        )
        valuing = group.create_task(balances.values(session, account_id, within=deadline))
        targeting = group.create_task(
            _priced(
                connection,
                contracts,
                symbols,
                prices=prices,
                allow_delayed=allow_delayed,
                max_age=max_age,
                deadline=deadline,
            ),
        )
    money = balances.money(account_id, valuing.result())
    instruments, found = targeting.result()
    # A pair of currencies is shown as a position, too; it is what cash says already.
    rows = [row for row in holding.result() if row[2].secType != "CASH"]
    _require_same_contracts(account_id, contracts, rows, instruments)

    named = {instrument.con_id: instrument for instrument in instruments.values()}
    if prices:
        stocks = [row[2] for row in rows if row[2].secType == "STK"]
        named = await contracts.held(stocks, named)
        others = [i for i in named.values() if i.symbol not in instruments]
        left = max(until - asyncio.get_running_loop().time(), 0.0)
        found |= await quotes(
            connection,
            others,
            deadline=left,
            allow_delayed=allow_delayed,
            max_age=max_age,
            optional={i.symbol for i in others},
        )
        instruments |= {i.symbol: i for i in others}
        instruments |= {
            symbol: contracts.stepped(instruments[symbol], quote.price)
            for symbol, quote in found.items()
        }
    money = await rates.completed(
        connection,
        contracts,
        money,
        {i.currency for i in instruments.values() if i.symbol in found},
        deadline=max(until - asyncio.get_running_loop().time(), 0.0),
        allow_delayed=allow_delayed,
        max_age=max_age,
    )
    _require_complete(account_id, money, rows, named, found)
    session.check()
    return Account(
        account_id=account_id,
        currency=money.currency,
        net_liquidation=money.net_liquidation,
        total_cash=money.total_cash,
        cash=money.cash,
        rates=money.rates,
        positions=tuple(_position(row, named, found) for row in rows),
        quotes=found,
        instruments=instruments,
        taken_at=connection.now(),
    )


async def await_positions(
    connection: Connection,
    account_id: str,
    expected: Mapping[int, Decimal],
    *,
    deadline: float,
    cash: Mapping[str, Decimal] | None = None,
    spent: Mapping[str, Decimal] | None = None,
) -> bool:
    """Wait until the account shows what was traded; balances may lag behind fills.

    Args:
        connection: a connection that is ready.
        account_id: whose.
        expected: shares by conId; what is not named may be anything.
        deadline: seconds to wait.
        cash: least cash by currency, unconverted; ``None`` does not look at cash.
        spent: most cash by currency, likewise.

    Returns:
        Whether all of it is shown now.

    Raises:
        GatewayError: the gateway refused to tell.
        GatewayUnavailableError: the connection was lost.
    """
    session = connection.session
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline
    client = session.client
    positions: Reply[PositionRow] = session.open(f"positions of {account_id}")
    values: Reply[ValueRow] = session.open(f"balances of {account_id}")
    try:
        session.send(client.reqPositionsMulti, positions.req_id, account_id, "")
        if cash or spent:
            session.send(client.reqAccountUpdatesMulti, values.req_id, account_id, "", False)
        while True:
            shown = _ended(positions) and _covers(
                balances.held(account_id, positions.rows),
                expected,
                operator.eq,
            )
            if cash or spent:
                have = balances.cash(account_id, values.rows)
                shown = shown and _ended(values) and _covers(have, cash or {}, operator.ge)
                shown = shown and _covers(have, spent or {}, operator.le)
            left = until - loop.time()
            if shown or left <= 0:
                return shown
            await session.news(left)
    finally:
        session.close(positions, client.cancelPositionsMulti)
        session.close(values, client.cancelAccountUpdatesMulti if cash or spent else None)


async def _priced(
    connection: Connection,
    contracts: Contracts,
    symbols: Sequence[str],
    *,
    prices: bool,
    allow_delayed: bool,
    max_age: float,
    deadline: float,
) -> tuple[dict[str, Instrument], dict[str, Quote]]:
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline
    instruments = await contracts.resolve(symbols)
    if not prices:
        return instruments, {}
    return instruments, await quotes(
        connection,
        tuple(instruments.values()),
        deadline=max(until - loop.time(), 0.0),
        allow_delayed=allow_delayed,
        max_age=max_age,
    )


def _require_same_contracts(
    account_id: str,
    contracts: Contracts,
    rows: Sequence[PositionRow],
    targeted: Mapping[str, Instrument],
) -> None:
    """Hold what is named against what is held under the same name.

    After a corporate action a position may still be shown under the old contract, or we may
    still know the old one. Whoever took the two for different things would buy it again.

    Raises:
        StaleDataError: a stock is held as another contract than the target's, unless the
            target itself names the contract (``conid:…``).
    """
    meant = {instrument.con_id for instrument in targeted.values()}
    named = {
        (instrument.local_symbol, instrument.currency): symbol
        for symbol, instrument in targeted.items()
        if not symbol.startswith("conid:")
    }
    for _, _, contract, _, _ in rows:
        symbol = named.get((contract.symbol, contract.currency))
        if symbol is None or contract.secType != "STK" or contract.conId in meant:
            continue
        listed = targeted[symbol].primary_exchange
        if "@" in symbol and contract.exchange not in {"", "SMART", listed}:
            continue  # held at another exchange than the one that is named: another listing
        contracts.forget(symbol)
        con_id = targeted[symbol].con_id
        raise StaleDataError(
            f"{account_id} holds {symbol} as contract {contract.conId}, and the target's is "
            f"contract {con_id}: after a corporate action one of them is out of date. If they "
            f"are two things, write conid:{con_id} in the target",
        )


def _require_complete(
    account_id: str,
    money: Money,
    rows: Sequence[PositionRow],
    named: Mapping[int, Instrument],
    found: Mapping[str, Quote],
) -> None:
    """Hold the positions against what the gateway itself says they and the account are worth.

    A gateway that has just started may end its list of positions before it knows them all,
    and whoever believed that list would buy everything again. And positions may show a trade
    before cash does, or after it.

    Raises:
        StaleDataError: a good part of the value is in no position, or positions and cash do
            not add up to NetLiquidation.
    """
    gross = net = Decimal(0)
    for _, _, contract, shares, _ in rows:
        instrument = named.get(contract.conId)
        quote = found.get(instrument.symbol) if instrument else None
        rate = money.rates.get(contract.currency)
        if quote is None or rate is None:
            return  # something that is not priced here may be all the rest
        value = convert.quantity(shares) * quote.price * rate
        net += value
        gross += abs(value)
    stated = money.gross_positions or Decimal(0)
    size = max(abs(money.net_liquidation), gross)
    if stated > NEGLIGIBLE * size and gross < stated * (1 - MISSING):
        raise StaleDataError(
            f"the gateway says positions of {account_id} are worth {stated:.2f}, but those "
            f"it lists {gross:.2f}; it may still be loading them",
        )
    # Without positions there may be no prices asked for, and cash is nearly all there is.
    if rows and abs(money.total_cash + net - money.net_liquidation) > INCOHERENT * size:
        raise StaleDataError(
            f"cash {money.total_cash:.2f} and positions {net:.2f} of {account_id} do not add "
            f"up to its NetLiquidation {money.net_liquidation:.2f}; one of them lags behind",
        )


def _position(
    row: PositionRow, named: Mapping[int, Instrument], found: Mapping[str, Quote]
) -> Position:
    _, _, contract, shares, told = row
    instrument = named.get(contract.conId)
    avg_cost = convert.number(told) or Decimal(0)
    if instrument is not None and (quote := found.get(instrument.symbol)) is not None:
        avg_cost = convert.paid(avg_cost, instrument.magnifier, quote.price)
    # An option's symbol is that of its underlying; only localSymbol is its own.
    own = contract.symbol if contract.secType == "STK" else contract.localSymbol
    return Position(
        symbol=instrument.symbol if instrument else own or f"conid:{contract.conId}",
        con_id=contract.conId,
        sec_type=contract.secType,
        currency=contract.currency,
        quantity=convert.quantity(shares),
        avg_cost=avg_cost,
    )


def _ended(reply: Reply[PositionRow] | Reply[ValueRow]) -> bool:
    """Whether the first full answer is there; what follows it are changes."""
    if reply.ended.done():
        error = reply.ended.exception()
        if isinstance(error, GatewayError):
            raise error
        return True
    return False


def _covers(
    have: Mapping[K, Decimal],
    want: Mapping[K, Decimal],
    enough: Callable[[Decimal, Decimal], bool],
) -> bool:
    return all(enough(have.get(key, Decimal(0)), amount) for key, amount in want.items())
