"""What a client says: its requests by number, and those with more than a field or two."""

from __future__ import annotations

from dataclasses import dataclass

from rebalancer.sim.protocol.fields import (
    BadFieldError,
    Fields,
    UnsupportedError,
    integer,
    moment,
)
from rebalancer.sim.vocabulary import ContractSpec, ExecutionFilter

#: Message number -> name, and at which field (0 is the number) the request's id stands.
REQUESTS: dict[int, tuple[str, int | None]] = {
    1: ("reqMktData", 2),
    2: ("cancelMktData", 2),
    3: ("placeOrder", 1),
    4: ("cancelOrder", 2),
    5: ("reqOpenOrders", None),
    6: ("reqAccountUpdates", None),
    7: ("reqExecutions", 2),
    8: ("reqIds", None),
    9: ("reqContractDetails", 2),
    10: ("reqMktDepth", 2),
    11: ("cancelMktDepth", 2),
    12: ("reqNewsBulletins", None),
    13: ("cancelNewsBulletins", None),
    14: ("setServerLogLevel", None),
    15: ("reqAutoOpenOrders", None),
    16: ("reqAllOpenOrders", None),
    17: ("reqManagedAccts", None),
    18: ("requestFA", None),
    19: ("replaceFA", 4),
    20: ("reqHistoricalData", 1),
    21: ("exerciseOptions", 2),
    22: ("reqScannerSubscription", 1),
    23: ("cancelScannerSubscription", 2),
    24: ("reqScannerParameters", None),
    25: ("cancelHistoricalData", 2),
    49: ("reqCurrentTime", None),
    50: ("reqRealTimeBars", 2),
    51: ("cancelRealTimeBars", 2),
    52: ("reqFundamentalData", 2),
    53: ("cancelFundamentalData", 2),
    54: ("calculateImpliedVolatility", 2),
    55: ("calculateOptionPrice", 2),
    56: ("cancelCalculateImpliedVolatility", 2),
    57: ("cancelCalculateOptionPrice", 2),
    58: ("reqGlobalCancel", None),
    59: ("reqMarketDataType", None),
    61: ("reqPositions", None),
    62: ("reqAccountSummary", 2),
    63: ("cancelAccountSummary", 2),
    64: ("cancelPositions", None),
    65: ("verifyRequest", None),
    66: ("verifyMessage", None),
    67: ("queryDisplayGroups", 2),
    68: ("subscribeToGroupEvents", 2),
    69: ("updateDisplayGroup", 2),
    70: ("unsubscribeFromGroupEvents", 2),
    71: ("startApi", None),
    72: ("verifyAndAuthRequest", None),
    73: ("verifyAndAuthMessage", None),
    74: ("reqPositionsMulti", 2),
    75: ("cancelPositionsMulti", 2),
    76: ("reqAccountUpdatesMulti", 2),
    77: ("cancelAccountUpdatesMulti", 2),
    78: ("reqSecDefOptParams", 1),
    79: ("reqSoftDollarTiers", 1),
    80: ("reqFamilyCodes", None),
    81: ("reqMatchingSymbols", 1),
    82: ("reqMktDepthExchanges", None),
    83: ("reqSmartComponents", 1),
    84: ("reqNewsArticle", 1),
    85: ("reqNewsProviders", None),
    86: ("reqHistoricalNews", 1),
    87: ("reqHeadTimeStamp", 1),
    88: ("reqHistogramData", 1),
    89: ("cancelHistogramData", 1),
    90: ("cancelHeadTimeStamp", 1),
    91: ("reqMarketRule", None),
    92: ("reqPnL", 1),
    93: ("cancelPnL", 1),
    94: ("reqPnLSingle", 1),
    95: ("cancelPnLSingle", 1),
    96: ("reqHistoricalTicks", 1),
    97: ("reqTickByTickData", 1),
    98: ("cancelTickByTickData", 1),
    99: ("reqCompletedOrders", None),
    100: ("reqWshMetaData", 1),
    101: ("cancelWshMetaData", 1),
    102: ("reqWshEventData", 1),
    103: ("cancelWshEventData", 1),
    104: ("reqUserInfo", 1),
}


def request_id(fields: list[str]) -> int:
    """The id an error about this request should carry; -1 if it has none or none legible."""
    try:
        place = REQUESTS[int(fields[0])][1]
        return -1 if place is None else integer(fields[place])
    except (KeyError, ValueError, IndexError, BadFieldError):
        return -1


@dataclass(frozen=True, slots=True)
class MarketDataRequest:
    """reqMktData; ``snapshot`` is also set for a regulatory one."""

    req_id: int
    contract: ContractSpec
    snapshot: bool


def market_data(raw: list[str]) -> MarketDataRequest:
    """A reqMktData. Raises BadFieldError, UnsupportedError for combinations."""
    fields = Fields(raw, skip=2)
    req_id = fields.integer()
    contract = fields.contract()
    if contract.sec_type == "BAG":
        raise UnsupportedError("market data of combinations")
    if fields.flag():
        fields.skip(3)
    fields.text()
    snapshot = fields.flag()
    return MarketDataRequest(req_id, contract, snapshot or fields.flag())


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """reqHistoricalData; ``end`` is Unix seconds, ``None`` for now."""

    req_id: int
    contract: ContractSpec
    end: float | None
    bar_size: str
    duration: str
    use_rth: bool
    what: str
    #: 1: dates with a time zone; 2: Unix seconds.
    date_format: int
    keep_up_to_date: bool


def history(raw: list[str]) -> HistoryRequest:
    """A reqHistoricalData. Raises BadFieldError, UnsupportedError for combinations."""
    fields = Fields(raw, skip=1)
    req_id = fields.integer()
    contract = fields.contract()
    if contract.sec_type == "BAG":
        raise UnsupportedError("history of combinations")
    fields.flag()
    return HistoryRequest(
        req_id=req_id,
        contract=contract,
        end=moment(fields.text()),
        bar_size=fields.text(),
        duration=fields.text(),
        use_rth=fields.flag(),
        what=fields.text(),
        date_format=fields.integer(),
        keep_up_to_date=fields.flag(),
    )


def executions(raw: list[str]) -> tuple[int, ExecutionFilter]:
    """A reqExecutions as request id and filter. Raises BadFieldError."""
    fields = Fields(raw, skip=2)
    return fields.integer(), ExecutionFilter(
        client_id=fields.integer(),
        account=fields.text(),
        since=moment(fields.text()) or 0.0,
        symbol=fields.text(),
        sec_type=fields.text(),
        exchange=fields.text(),
        side=fields.text(),
    )
