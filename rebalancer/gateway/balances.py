"""What an account holds and is worth, as the gateway's rows, and the money in them.

Both are asked for by account under a request id of their own: several accounts can be read at
once, and none ever sees another's holdings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ib_async import Contract

from rebalancer.errors import PermanentError, StaleDataError
from rebalancer.gateway import convert
from rebalancer.gateway.replies import Reply
from rebalancer.gateway.session import Session

#: How the gateway marks rows that are already converted to the base currency.
BASE = "BASE"

#: (account, model, contract, shares, average cost)
PositionRow = tuple[str, str, Contract, float, float]
#: (account, model, tag, value, currency)
ValueRow = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Money:
    """An account's totals in ``currency``, its base currency."""

    currency: str
    net_liquidation: Decimal
    total_cash: Decimal
    #: Cash by currency, unconverted.
    cash: Mapping[str, Decimal]
    #: Base currency per unit, by currency.
    rates: Mapping[str, Decimal]
    #: Value of all stocks and options, signs dropped; ``None`` when the gateway does not tell.
    gross_positions: Decimal | None


async def positions(session: Session, account_id: str, *, within: float) -> list[PositionRow]:
    """Every position of the account that is not zero, of whatever kind.

    Raises:
        PermanentError: there are model portfolios, whose rows overlap in ways not documented.
        GatewayError: no full answer within ``within`` seconds.
        GatewayUnavailableError: the session is over.
    """
    reply: Reply[PositionRow] = session.open(f"positions of {account_id}")
    try:
        session.send(session.client.reqPositionsMulti, reply.req_id, account_id, "")
        rows = list(await session.answered(reply, within))
    finally:
        session.close(reply, session.client.cancelPositionsMulti)
    own = [row for row in rows if row[0] == account_id]
    models = sorted({row[1] for row in own if row[1]})
    if models:
        raise PermanentError(
            f"account {account_id} holds positions in model portfolios ({', '.join(models)}), "
            f"which are not supported",
        )
    latest = {row[2].conId: row for row in own}
    return [row for row in latest.values() if convert.quantity(row[3])]


async def values(session: Session, account_id: str, *, within: float) -> list[ValueRow]:
    """Every account value.

    Raises:
        GatewayError: no full answer within ``within`` seconds.
        GatewayUnavailableError: the session is over.
    """
    reply: Reply[ValueRow] = session.open(f"balances of {account_id}")
    try:
        request = session.client.reqAccountUpdatesMulti
        session.send(request, reply.req_id, account_id, "", False)
        return list(await session.answered(reply, within))
    finally:
        session.close(reply, session.client.cancelAccountUpdatesMulti)


def held(account_id: str, rows: Iterable[PositionRow]) -> dict[int, Decimal]:
    """Shares by conId; a later row replaces an earlier one."""
    return {row[2].conId: convert.quantity(row[3]) for row in rows if row[0] == account_id}


def cash(account_id: str, rows: Iterable[ValueRow]) -> dict[str, Decimal]:
    """Cash by currency, unconverted; a later row replaces an earlier one."""
    table = _table(account_id, rows)
    return _by_currency(table, "CashBalance") or _by_currency(table, "TotalCashBalance")


def money(account_id: str, rows: Iterable[ValueRow]) -> Money:
    """Totals by (tag, currency): the base currency may be any.

    Raises:
        StaleDataError: one that everything depends on is missing or no number.
    """
    rows = list(rows)
    table = _table(account_id, rows)
    if table.get(("AccountReady", ""), "true").lower() == "false":
        raise StaleDataError(f"the gateway's figures of {account_id} are not ready yet")
    net = _by_currency(table, "NetLiquidation")
    if len(net) != 1:
        given = f"it in {', '.join(sorted(net))}" if net else "none"
        raise StaleDataError(f"no one NetLiquidation of {account_id}: the gateway gave {given}")
    ((currency, net_liquidation),) = net.items()
    total = table.get(("TotalCashValue", currency)) or table.get(("TotalCashBalance", BASE))
    total_cash = convert.number(total)
    by_currency = cash(account_id, rows)
    if total_cash is None or not by_currency:
        raise StaleDataError(f"the gateway gave no cash balance of {account_id}")
    rates = {c: rate for c, rate in _by_currency(table, "ExchangeRate").items() if rate > 0}
    return Money(
        currency=currency,
        net_liquidation=net_liquidation,
        total_cash=total_cash,
        cash=by_currency,
        rates={**rates, currency: Decimal(1)},
        gross_positions=_by_currency(table, "GrossPositionValue").get(currency),
    )


def _table(account_id: str, rows: Iterable[ValueRow]) -> dict[tuple[str, str], str]:
    return {
        (tag, currency): value
        for account, model, tag, value, currency in rows
        if account == account_id and not model
    }


def _by_currency(table: Mapping[tuple[str, str], str], tag: str) -> dict[str, Decimal]:
    return {
        currency: amount
        for (name, currency), text in table.items()
        if name == tag and currency not in {"", BASE}
        if (amount := convert.number(text)) is not None
    }
