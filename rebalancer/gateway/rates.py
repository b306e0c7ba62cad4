"""Exchange rates: those that the account tells, and the market's for all others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from decimal import Context

from rebalancer.core.pairs import currencies, pair
from rebalancer.errors import StaleDataError, UnknownInstrumentError
from rebalancer.gateway.balances import Money
from rebalancer.gateway.connection import Connection
from rebalancer.gateway.contracts import Contracts
from rebalancer.gateway.market import quotes

#: As many digits as IBKR's own rates have, and some.
_RATIO = Context(prec=10)


async def completed(
    connection: Connection,
    contracts: Contracts,
    money: Money,
    wanted: Collection[str],
    *,
    deadline: float,
    allow_delayed: bool,
    max_age: float,
) -> Money:
    """Return the money with a rate for every wanted currency.

    A gateway tells the rates of currencies that the account has held. That of another one is
    the price of its pair with the account's currency.

    Raises:
        StaleDataError: nobody trades that pair, or it has no price.
        GatewayError: the gateway did not answer in time.
    """
    missing = {pair(c, money.currency): c for c in sorted(set(wanted) - money.rates.keys())}
    if not missing:
        return money
    try:
        found = await contracts.resolve(tuple(missing))
    except UnknownInstrumentError as error:
        raise StaleDataError(
            f"the gateway gave no exchange rate for {', '.join(missing.values())}, and there "
            f"is no such pair ({error}); it tells those of currencies the account has held: "
            f"convert a little cash into it once",
        ) from None
    priced = await quotes(
        connection,
        tuple(found.values()),
        deadline=deadline,
        allow_delayed=allow_delayed,
        max_age=max_age,
    )
    rates = dict(money.rates)
    for symbol, currency in missing.items():
        price = priced[symbol].price
        first, _ = currencies(symbol)
        rates[currency] = price if first == currency else _RATIO.divide(1, price)
    return replace(money, rates=rates)
