"""What the gateway says of accounts: their values, positions, profit and loss."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from rebalancer.sim.protocol.messages_out import Message, contract_fields, message
from rebalancer.sim.protocol.wire import Value
from rebalancer.sim.vocabulary import AccountValueView, ContractView, PnlView, PositionView


def account_value(account: str, row: AccountValueView) -> Message:
    """One row of reqAccountUpdates."""
    return message("updateAccountValue", 2, row.tag, row.value, row.currency, account)


def account_update_multi(req_id: int, account: str, row: AccountValueView) -> Message:
    """One row of reqAccountUpdatesMulti."""
    return message(
        "accountUpdateMulti", 1, req_id, account, "", row.tag, row.value, row.currency
    )


def account_summary(req_id: int, account: str, row: AccountValueView) -> Message:
    """One row of reqAccountSummary."""
    return message("accountSummary", 1, req_id, account, row.tag, row.value, row.currency)


def portfolio(held: PositionView, contract: ContractView) -> Message:
    """One position of reqAccountUpdates, with its value."""
    return message(
        "updatePortfolio",
        8,
        contract.con_id,
        contract.symbol,
        contract.sec_type,
        contract.expiry,
        contract.strike,
        contract.right or "0",
        contract.multiplier,
        contract.primary_exchange,
        contract.currency,
        contract.local_symbol,
        contract.trading_class,
        held.quantity,
        held.market_price,
        held.market_value,
        held.avg_cost,
        held.unrealized_pnl,
        held.realized_pnl,
        held.account,
    )


def position(held: PositionView, contract: ContractView) -> Message:
    """One row of reqPositions. Only shares carry their listing exchange."""
    return message("position", 3, held.account, *_position(held, contract))


def position_multi(req_id: int, held: PositionView, contract: ContractView) -> Message:
    """One row of reqPositionsMulti."""
    return message("positionMulti", 1, req_id, held.account, *_position(held, contract), "")


def _position(held: PositionView, contract: ContractView) -> tuple[Value, ...]:
    exchange = contract.primary_exchange if contract.sec_type == "STK" else ""
    return (*contract_fields(contract, exchange), held.quantity, held.avg_cost)


def pnl(req_id: int, view: PnlView) -> Message:
    """Profit and loss of an account."""
    return message("pnl", req_id, view.daily, view.unrealized, view.realized)


def pnl_single(req_id: int, held: PositionView, daily: Decimal) -> Message:
    """Profit and loss of one position."""
    return message(
        "pnlSingle",
        req_id,
        held.quantity,
        daily,
        held.unrealized_pnl,
        held.realized_pnl,
        held.market_value,
    )


def account_time(now: float) -> Message:
    """When account values were last brought up to date."""
    return message("updateAccountTime", 1, f"{datetime.fromtimestamp(now, UTC):%H:%M}")
