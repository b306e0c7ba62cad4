"""Everything else: time, ids, accounts, and what the simulator has only an empty answer for.

A request that is in no table of answers is refused with error 322 by the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebalancer.sim.answers.common import Handler, invalid
from rebalancer.sim.protocol.fields import Fields
from rebalancer.sim.protocol.messages_out import message
from rebalancer.sim.protocol.wire import Value

if TYPE_CHECKING:
    from rebalancer.sim.session import Session


def _time(session: Session, _: list[str], now: float) -> None:
    session.send(message("currentTime", 1, int(now)), now)


def _ids(session: Session, _: list[str], now: float) -> None:
    session.announce_id(now)


def _accounts(session: Session, _: list[str], now: float) -> None:
    accounts = ",".join(session.hub.exchange.accounts)
    session.send(message("managedAccounts", 1, accounts), now)


def _families(session: Session, _: list[str], now: float) -> None:
    accounts = session.hub.exchange.accounts
    rows: list[Value] = [field for account in accounts for field in (account, "")]
    session.send(message("familyCodes", len(accounts), *rows), now)


def _advisor(session: Session, _: list[str], now: float) -> None:
    invalid(session, -1, "FA data operations ignored for non FA customers.", now)


def _user(session: Session, fields: list[str], now: float) -> None:
    session.send(message("userInfo", Fields(fields, skip=1).integer(), ""), now)


def _scanner_parameters(session: Session, _: list[str], now: float) -> None:
    session.send(message("scannerParameters", 1, "<ScanParameterResponse/>"), now)


def _nothing(_: Session, __: list[str], ___: float) -> None:
    """The real one does not answer these either."""


def _none_of(name: str) -> Handler:
    def handler(session: Session, _: list[str], now: float) -> None:
        session.send(message(name, 0), now)

    return handler


def _none_of_asked(name: str) -> Handler:
    def handler(session: Session, fields: list[str], now: float) -> None:
        session.send(message(name, Fields(fields, skip=1).integer(), 0), now)

    return handler


HANDLERS: dict[str, Handler] = {
    "reqCurrentTime": _time,
    "reqIds": _ids,
    "reqManagedAccts": _accounts,
    "reqFamilyCodes": _families,
    "requestFA": _advisor,
    "replaceFA": _advisor,
    "reqUserInfo": _user,
    "reqScannerParameters": _scanner_parameters,
    "reqNewsProviders": _none_of("newsProviders"),
    "reqMktDepthExchanges": _none_of("mktDepthExchanges"),
    "reqSmartComponents": _none_of_asked("smartComponents"),
    "reqSoftDollarTiers": _none_of_asked("softDollarTiers"),
    **dict.fromkeys(
        (
            "setServerLogLevel",
            "reqNewsBulletins",
            "cancelNewsBulletins",
            "cancelMktDepth",
            "cancelScannerSubscription",
            "cancelHistoricalData",
            "cancelRealTimeBars",
            "cancelFundamentalData",
            "cancelCalculateImpliedVolatility",
            "cancelCalculateOptionPrice",
            "unsubscribeFromGroupEvents",
            "cancelHistogramData",
            "cancelHeadTimeStamp",
            "cancelTickByTickData",
            "cancelWshMetaData",
            "cancelWshEventData",
        ),
        _nothing,
    ),
}
