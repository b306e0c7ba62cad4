"""Account data: values, summary, positions; each a stream once asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from rebalancer.sim.answers.common import Handler, invalid, refuse
from rebalancer.sim.protocol import accounts_out as out
from rebalancer.sim.protocol.fields import Fields
from rebalancer.sim.protocol.messages_out import Message, message
from rebalancer.sim.streams import REFRESH, Key, Stream
from rebalancer.sim.vocabulary import PositionView

if TYPE_CHECKING:
    from rebalancer.sim.session import Session

#: As the real one allows at a time.
_MAX_SUMMARIES = 2
#: What reqAccountUpdatesMulti still shows when only ledger and NetLiquidation are asked for.
_LEDGER = frozenset(
    {
        "AccruedCash",
        "CashBalance",
        "Currency",
        "ExchangeRate",
        "NetLiquidation",
        "NetLiquidationByCurrency",
        "RealizedPnL",
        "StockMarketValue",
        "TotalCashBalance",
        "UnrealizedPnL",
    }
)
Rows = Mapping[Key, Message]


def subscribe(session: Session, name: str, req_id: int, stream: Stream, now: float) -> None:
    """Send everything a stream shows, and from then on what changes."""
    session.send_all(stream.everything(), now)
    subs = session.subs
    subs.streams[name, req_id] = stream
    if subs.refresh_at is None:
        subs.refresh_at = now + REFRESH


def _unsubscribe(name: str) -> Handler:
    def handler(session: Session, fields: list[str], _: float) -> None:
        session.subs.streams.pop((name, Fields(fields, skip=2).integer()), None)

    return handler


def _chosen(session: Session, req_id: int, wanted: str, now: float) -> tuple[str, ...]:
    """The accounts a request means; none, and an error as its answer, if there is no such."""
    accounts = session.hub.exchange.accounts
    if wanted in {"", "All"}:
        return accounts
    if wanted in accounts:
        return (wanted,)
    invalid(session, req_id, f"Invalid account code '{wanted[:40]}'", now)
    return ()


# Values -------------------------------------------------------------------------------------


def _updates(session: Session, fields: list[str], now: float) -> None:
    request = Fields(fields, skip=2)
    wanted = request.flag()
    session.subs.streams.pop(("reqAccountUpdates", 0), None)
    if not wanted:
        return
    chosen = _chosen(session, -1, request.text(), now)
    if chosen:
        account = chosen[0]
        stream = Stream(frozenset({account}), _update_rows(session, account))
        stream.gone = _gone_from_portfolio(session)
        subscribe(session, "reqAccountUpdates", 0, stream, now)
        session.send(out.account_time(now), now)
        session.send(message("accountDownloadEnd", 1, account), now)


def _update_rows(session: Session, account: str) -> Callable[[], Rows]:
    hub = session.hub

    def rows() -> Rows:
        shown: dict[Key, Message] = {
            ("value", row.tag, row.currency): out.account_value(account, row)
            for row in hub.exchange.account_values(account)
        }
        for held in hub.exchange.positions(account):
            shown["held", account, held.con_id] = out.portfolio(held, hub.contract(held.con_id))
        return shown

    return rows


def _gone_from_portfolio(session: Session) -> Callable[[Key], Message | None]:
    def gone(key: Key) -> Message | None:
        held = nothing(key)
        return out.portfolio(held, session.hub.contract(held.con_id)) if held else None

    return gone


def nothing(key: Key) -> PositionView | None:
    """What is shown of a position that is no more; ``None`` if the key is no position's."""
    match key:
        case ("held", str(account), int(con_id)):
            zero = Decimal(0)
            return PositionView(account, con_id, zero, zero, zero, zero, zero, zero)
    return None


def _updates_multi(session: Session, fields: list[str], now: float) -> None:
    request = Fields(fields, skip=2)
    req_id, wanted = request.integer(), request.text()
    request.text()
    ledger_only = request.flag()
    accounts = _chosen(session, req_id, wanted, now)
    if not accounts:
        return
    hub = session.hub

    def rows() -> Rows:
        return {
            ("value", account, row.tag, row.currency): out.account_update_multi(
                req_id, account, row
            )
            for account in accounts
            for row in hub.exchange.account_values(account)
            if not ledger_only or row.tag in _LEDGER
        }

    subscribe(session, "reqAccountUpdatesMulti", req_id, Stream(frozenset(accounts), rows), now)
    session.send(message("accountUpdateMultiEnd", 1, req_id), now)


def _summary(session: Session, fields: list[str], now: float) -> None:
    request = Fields(fields, skip=2)
    req_id, group = request.integer(), request.text()
    tags = [tag for tag in request.text().split(",") if tag]
    running = [key for key in session.subs.streams if key[0] == "reqAccountSummary"]
    if len(running) >= _MAX_SUMMARIES and ("reqAccountSummary", req_id) not in running:
        text = "Error processing request.-'sim' : cause - Maximum number of account summary "
        refuse(session, req_id, 322, text + "requests exceeded", now)
        return
    accounts = _chosen(session, req_id, group, now)
    if not accounts:
        return
    hub = session.hub

    def rows() -> Rows:
        return {
            ("value", account, row.tag, row.currency): out.account_summary(req_id, account, row)
            for account in accounts
            for row in hub.exchange.account_summary(account, tags)
        }

    subscribe(session, "reqAccountSummary", req_id, Stream(frozenset(accounts), rows), now)
    session.send(message("accountSummaryEnd", 1, req_id), now)


# Positions ----------------------------------------------------------------------------------


def _positions(session: Session, _: list[str], now: float) -> None:
    hub = session.hub

    def show(held: PositionView) -> Message:
        return out.position(held, hub.contract(held.con_id))

    stream = _position_stream(session, hub.exchange.accounts, show)
    subscribe(session, "reqPositions", 0, stream, now)
    session.send(message("positionEnd", 1), now)


def _positions_multi(session: Session, fields: list[str], now: float) -> None:
    request = Fields(fields, skip=2)
    req_id, wanted = request.integer(), request.text()
    accounts = _chosen(session, req_id, wanted, now)
    if not accounts:
        return
    hub = session.hub

    def show(held: PositionView) -> Message:
        return out.position_multi(req_id, held, hub.contract(held.con_id))

    stream = _position_stream(session, accounts, show)
    subscribe(session, "reqPositionsMulti", req_id, stream, now)
    session.send(message("positionMultiEnd", 1, req_id), now)


def _position_stream(
    session: Session, accounts: tuple[str, ...], show: Callable[[PositionView], Message]
) -> Stream:
    exchange = session.hub.exchange

    def rows() -> Rows:
        return {
            ("held", account, held.con_id): show(held)
            for account in accounts
            for held in exchange.positions(account)
        }

    def gone(key: Key) -> Message | None:
        held = nothing(key)
        return show(held) if held else None

    return Stream(frozenset(accounts), rows, gone)


def _cancel_positions(session: Session, _: list[str], __: float) -> None:
    session.subs.streams.pop(("reqPositions", 0), None)


HANDLERS: dict[str, Handler] = {
    "reqAccountUpdates": _updates,
    "reqAccountUpdatesMulti": _updates_multi,
    "cancelAccountUpdatesMulti": _unsubscribe("reqAccountUpdatesMulti"),
    "reqAccountSummary": _summary,
    "cancelAccountSummary": _unsubscribe("reqAccountSummary"),
    "reqPositions": _positions,
    "cancelPositions": _cancel_positions,
    "reqPositionsMulti": _positions_multi,
    "cancelPositionsMulti": _unsubscribe("reqPositionsMulti"),
}


# Updates ------------------------------------------------------------------------------------


def moved(session: Session, account: str, con_ids: frozenset[int], now: float) -> None:
    """Cash or positions of an account changed: tell who subscribed."""
    for (name, _), stream in session.subs.streams.items():
        if account in stream.accounts:
            changes = stream.changes(con_ids)
            session.send_all(changes, now)
            if changes and name == "reqAccountUpdates":
                session.send(out.account_time(now), now)


def ticked(session: Session, now: float) -> None:
    """Prices changed: profit and loss follows within a second."""
    subs = session.subs
    if subs.pnl_at is None and any(name.startswith("reqPnL") for name, _ in subs.streams):
        subs.pnl_at = now + session.hub.rate


def refresh(session: Session, now: float) -> None:
    """Bring up to date what was due."""
    subs = session.subs
    if subs.pnl_at is not None and now >= subs.pnl_at:
        subs.pnl_at = None
        for (name, _), stream in subs.streams.items():
            if name.startswith("reqPnL"):
                session.send_all(stream.changes(), now)
    if subs.refresh_at is not None and now >= subs.refresh_at:
        subs.refresh_at = now + REFRESH if subs.streams else None
        for stream in subs.streams.values():
            session.send_all(stream.changes(), now)
