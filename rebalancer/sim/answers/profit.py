"""Profit and loss, of an account or of one position of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rebalancer.sim.answers.accounts import Rows, nothing, subscribe
from rebalancer.sim.answers.common import Handler, invalid
from rebalancer.sim.protocol import accounts_out as out
from rebalancer.sim.protocol.fields import Fields
from rebalancer.sim.streams import Stream
from rebalancer.sim.vocabulary import PositionView

if TYPE_CHECKING:
    from rebalancer.sim.session import Session


def _pnl(session: Session, fields: list[str], now: float) -> None:
    request = Fields(fields, skip=1)
    req_id, account = request.integer(), request.text()
    exchange = session.hub.exchange
    if account not in exchange.accounts:
        invalid(session, req_id, f"Invalid account code '{account[:40]}'", now)
        return

    def rows() -> Rows:
        return {("pnl",): out.pnl(req_id, exchange.pnl(account))}

    subscribe(session, "reqPnL", req_id, Stream(frozenset({account}), rows), now)


def _pnl_single(session: Session, fields: list[str], now: float) -> None:
    request = Fields(fields, skip=1)
    req_id, account = request.integer(), request.text()
    request.text()
    con_id = request.integer()
    exchange = session.hub.exchange
    if account not in exchange.accounts:
        invalid(session, req_id, f"Invalid account code '{account[:40]}'", now)
        return

    def rows() -> Rows:
        for held in exchange.positions(account):
            if held.con_id == con_id:
                return {("pnl",): out.pnl_single(req_id, held, _daily(session, held))}
        none = nothing(("held", account, con_id))
        return {("pnl",): out.pnl_single(req_id, none, Decimal(0))} if none else {}

    subscribe(session, "reqPnLSingle", req_id, Stream(frozenset({account}), rows), now)


def _daily(session: Session, held: PositionView) -> Decimal:
    close = session.hub.exchange.quote(held.con_id, session.hub.now).close
    return (held.market_price - close) * held.quantity if close else Decimal(0)


def _cancel_pnl(name: str) -> Handler:
    def handler(session: Session, fields: list[str], _: float) -> None:
        session.subs.streams.pop((name, Fields(fields, skip=1).integer()), None)

    return handler


HANDLERS: dict[str, Handler] = {
    "reqPnL": _pnl,
    "cancelPnL": _cancel_pnl("reqPnL"),
    "reqPnLSingle": _pnl_single,
    "cancelPnLSingle": _cancel_pnl("reqPnLSingle"),
}
