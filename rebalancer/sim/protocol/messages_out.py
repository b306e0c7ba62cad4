"""What the gateway says (orders and accounts have their own files): one function, one message.

Clients count fields. The official one silently drops a message with one field too many and
stops reading for good at one too few, so every function here states the whole row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from rebalancer.sim.protocol.wire import UNSET_DOUBLE, Value, frame
from rebalancer.sim.vocabulary import Bar, ContractView, Execution

#: Name -> message number.
ANSWERS: dict[str, int] = {
    "tickPrice": 1,
    "tickSize": 2,
    "orderStatus": 3,
    "error": 4,
    "openOrder": 5,
    "updateAccountValue": 6,
    "updatePortfolio": 7,
    "updateAccountTime": 8,
    "nextValidId": 9,
    "contractDetails": 10,
    "execDetails": 11,
    "managedAccounts": 15,
    "historicalData": 17,
    "scannerParameters": 19,
    "tickString": 46,
    "currentTime": 49,
    "contractDetailsEnd": 52,
    "openOrderEnd": 53,
    "accountDownloadEnd": 54,
    "execDetailsEnd": 55,
    "tickSnapshotEnd": 57,
    "marketDataType": 58,
    "commissionReport": 59,
    "position": 61,
    "positionEnd": 62,
    "accountSummary": 63,
    "accountSummaryEnd": 64,
    "positionMulti": 71,
    "positionMultiEnd": 72,
    "accountUpdateMulti": 73,
    "accountUpdateMultiEnd": 74,
    "softDollarTiers": 77,
    "familyCodes": 78,
    "symbolSamples": 79,
    "mktDepthExchanges": 80,
    "tickReqParams": 81,
    "smartComponents": 82,
    "newsProviders": 85,
    "marketRule": 93,
    "pnl": 94,
    "pnlSingle": 95,
    "completedOrder": 101,
    "completedOrdersEnd": 102,
    "userInfo": 107,
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way to a client."""

    name: str
    fields: tuple[Value, ...]

    def frame(self) -> bytes:
        """The bytes of this message."""
        return frame((ANSWERS[self.name], *self.fields))


def message(name: str, *fields: Value) -> Message:
    """A message by its name in ``ANSWERS``, its number left out of ``fields``."""
    return Message(name, fields)


def error(req_id: int, code: int, words: str) -> Message:
    """An error, warning or notice; ``req_id`` is a request's or an order's id, or -1."""
    return message("error", 2, req_id, code, ascii_only(words), "")


def ascii_only(words: str) -> str:
    """Text where clients undo escapes: whatever is not ASCII as a backslash and its number."""
    return words.encode("ascii", "backslashreplace").decode("ascii")


# Time -------------------------------------------------------------------------------------


def zone(name: str) -> tzinfo:
    """A time zone by IBKR's name for it; New York where the name says nothing."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("US/Eastern")


def stamp(at: float, zone_name: str) -> str:
    """``20260413 15:27:04 US/Eastern``; clients drop what they cannot place in a zone."""
    place = zone(zone_name)
    return f"{datetime.fromtimestamp(at, place):%Y%m%d %H:%M:%S} {place}"


def hello(version: int, now: float) -> bytes:
    """The answer to a client's hello: two fields and nothing else."""
    return frame((version, f"{datetime.fromtimestamp(now, zone('')):%Y%m%d %H:%M:%S %Z}"))


# Contracts --------------------------------------------------------------------------------


def contract_fields(contract: ContractView, exchange: str) -> tuple[Value, ...]:
    """The eleven fields that name a contract in orders, executions and positions."""
    return (
        contract.con_id,
        contract.symbol,
        contract.sec_type,
        contract.expiry,
        contract.strike,
        contract.right,
        contract.multiplier,
        exchange,
        contract.currency,
        contract.local_symbol,
        contract.trading_class,
    )


def contract_details(
    req_id: int, contract: ContractView, exchange: str, rule_id: int
) -> Message:
    """One match of reqContractDetails; ``exchange`` is the one that was asked for."""
    rules = ",".join(str(rule_id) for _ in contract.valid_exchanges.split(","))
    sec_ids: tuple[str, ...] = ("ISIN", contract.isin) if contract.isin else ()
    return message(
        "contractDetails",
        req_id,
        contract.symbol,
        contract.sec_type,
        contract.expiry,
        contract.strike,
        contract.right,
        exchange,
        contract.currency,
        contract.local_symbol,
        contract.market_name,
        contract.trading_class,
        contract.con_id,
        contract.min_tick,
        contract.multiplier,
        contract.order_types,
        contract.valid_exchanges,
        contract.magnifier,
        0,  # con id of the underlying
        ascii_only(contract.long_name.replace("\\", "/")),
        contract.primary_exchange,
        contract.expiry[:6],
        *("",) * 3,  # industry, category, subcategory
        contract.time_zone,
        contract.trading_hours,
        contract.liquid_hours,
        "",  # economic value: rule and multiplier
        0,
        len(sec_ids) // 2,
        *sec_ids,
        1,  # aggregated group
        *("",) * 2,  # the underlying's symbol and type
        rules,
        contract.expiry,
        contract.stock_type if contract.sec_type == "STK" else "",
        *(("0.0001", "0.0001", "100") if contract.sec_type == "STK" else ("1", "1", "1")),
    )


def symbol_samples(req_id: int, contracts: Sequence[ContractView]) -> Message:
    """The matches of a symbol search."""
    rows: list[Value] = []
    for found in contracts:
        rows += [found.con_id, found.symbol, found.sec_type]
        rows += [found.primary_exchange, found.currency, 0, found.long_name, ""]
    return message("symbolSamples", req_id, len(contracts), *rows)


# Executions and history -------------------------------------------------------------------


def exec_details(req_id: int, fill: Execution, contract: ContractView) -> Message:
    """One execution; ``req_id`` is -1 when nobody asked."""
    return message(
        "execDetails",
        req_id,
        fill.order_id,
        *contract_fields(contract, fill.exchange),
        fill.exec_id,
        stamp(fill.at, contract.time_zone),
        fill.account,
        fill.exchange,
        fill.side,
        fill.shares,
        # Executions are told in the currency itself, where prices are in a fraction of it.
        fill.price / contract.magnifier,
        fill.perm_id,
        fill.client_id,
        0,  # liquidation
        fill.cum_quantity,
        fill.avg_price / contract.magnifier,
        fill.order_ref,
        *("",) * 3,  # economic value rule and multiplier, model
        2,  # took liquidity
        0,  # the price is final
    )


def commission_report(fill: Execution) -> Message:
    """What one execution cost and, for a closing trade, brought."""
    realized = UNSET_DOUBLE if fill.realized_pnl is None else fill.realized_pnl
    return message(
        "commissionReport",
        1,
        fill.exec_id,
        fill.commission,
        fill.commission_currency,
        realized,
        UNSET_DOUBLE,  # yield
        "",
    )


def historical_data(
    req_id: int, bars: Sequence[Bar], zone_name: str, *, daily: bool, unix: bool
) -> Message:
    """Every bar of a request, oldest first, in one message."""
    rows: list[Value] = []
    for bar in bars:
        rows += [bar_time(bar.time, zone_name, daily=daily, unix=unix)]
        rows += [bar.open, bar.high, bar.low, bar.close, bar.volume, bar.wap, bar.count]
    first = stamp(bars[0].time, zone_name) if bars else ""
    last = stamp(bars[-1].time, zone_name) if bars else ""
    return message("historicalData", req_id, first, last, len(bars), *rows)


def bar_time(at: float, zone_name: str, *, daily: bool, unix: bool) -> str:
    """A bar's date: days are dates; hours are moments, in a zone or as Unix seconds."""
    if daily:
        return f"{datetime.fromtimestamp(at, zone(zone_name)):%Y%m%d}"
    return str(int(at)) if unix else stamp(at, zone_name)
