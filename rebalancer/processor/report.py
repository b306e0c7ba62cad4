"""Results as JSON: decimals as plain strings, times as Unix seconds."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from rebalancer.core.account import Account
from rebalancer.core.forex import Conversion
from rebalancer.core.order import Fill, OpenOrder, OrderReport
from rebalancer.core.plan import Plan, PlanLine
from rebalancer.core.rails import Check


def text(value: Decimal | None) -> str | None:
    """A decimal in plain digits."""
    return None if value is None else format(value, "f")


def _line(line: PlanLine) -> dict[str, Any]:
    return {
        "symbol": line.symbol,
        "held": text(line.held),
        "trade": line.trade,
        "price": text(line.price),
        "limit_price": text(line.limit_price),
        "value_before": text(line.value_before),
        "value_after": text(line.value_after),
        "target_weight": text(line.target_weight),
        "weight_before": text(line.weight_before),
        "weight_after": text(line.weight_after),
        "ideal": text(line.ideal),
        "est_commission": text(line.est_commission),
        "note": line.note,
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan with its lines; ``hash`` names exactly this plan."""
    return {
        "account_id": plan.account_id,
        "currency": plan.currency,
        "net_liquidation": text(plan.net_liquidation),
        "base": text(plan.base),
        "reserve": text(plan.reserve),
        "mode": plan.aim.mode,
        "aside": text(plan.aside),
        "drift_before": text(plan.drift_before),
        "drift_after": text(plan.drift_after),
        "cash_before": text(plan.cash_before),
        "cash_after": text(plan.cash_after),
        "cash_worst": text(plan.cash_worst),
        "est_commission": text(plan.est_commission),
        "gap": text(plan.gap),
        "target_hash": plan.target_hash,
        "hash": plan.hash,
        "lines": [_line(line) for line in plan.lines],
    }


def conversion_json(wanted: Conversion, line: PlanLine | None = None) -> dict[str, Any]:
    """Return what is to be converted and why; ``line`` is the order, once there is one."""
    return {
        "pair": wanted.symbol,
        "given": wanted.given,
        "got": wanted.got,
        "missing": text(wanted.missing),
        "trade": line.trade if line else None,
        "price": text(line.price) if line else None,
        "limit_price": text(line.limit_price) if line else None,
    }


def checks_json(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Return what each safety rail found; ``text`` tells of a breach."""
    shown = ("name", "symbol", "figure", "limit", "passed", "key", "text")
    return [{name: getattr(check, name) for name in shown} for check in checks]


def account_json(account: Account) -> dict[str, Any]:
    """Return a snapshot: totals, cash by currency, positions with price and value."""
    positions = []
    for position in account.positions:
        quote = account.quotes.get(position.symbol)
        rate = account.rates.get(position.currency)
        valued = quote is not None and rate is not None and position.sec_type == "STK"
        positions.append(
            {
                "symbol": position.symbol,
                "con_id": position.con_id,
                "sec_type": position.sec_type,
                "currency": position.currency,
                "quantity": text(position.quantity),
                "avg_cost": text(position.avg_cost),
                "price": text(quote.price) if quote else None,
                "value": text(position.quantity * quote.price * rate)
                if valued and quote and rate
                else None,
            },
        )
    return {
        "account_id": account.account_id,
        "currency": account.currency,
        "net_liquidation": text(account.net_liquidation),
        "total_cash": text(account.total_cash),
        "cash": {currency: text(amount) for currency, amount in account.cash.items()},
        "positions": positions,
        "taken_at": account.taken_at,
    }


def fill_json(fill: Fill) -> dict[str, Any]:
    """Return one execution."""
    return {
        "exec_id": fill.exec_id,
        "symbol": fill.symbol,
        "action": fill.action,
        "quantity": text(fill.quantity),
        "price": text(fill.price),
        "currency": fill.currency,
        "commission": text(fill.commission),
        "at": fill.at,
    }


def reports_json(reports: Iterable[OrderReport]) -> list[dict[str, Any]]:
    """Return what became of each order."""
    return [
        {
            "order_ref": report.order_ref,
            "status": report.status,
            "filled": text(report.filled),
            "remaining": text(report.remaining),
            "avg_price": text(report.avg_price),
            "reason": report.reason,
            "fills": [fill_json(fill) for fill in report.fills],
        }
        for report in reports
    ]


def open_orders_json(orders: Iterable[OpenOrder]) -> list[dict[str, Any]]:
    """Return working orders."""
    return [
        {
            "symbol": order.symbol,
            "action": order.action,
            "quantity": text(order.quantity),
            "remaining": text(order.remaining),
            "order_type": order.order_type,
            "limit_price": text(order.limit_price),
            "status": order.status,
            "order_ref": order.order_ref,
            "perm_id": order.perm_id,
            "client_id": order.client_id,
        }
        for order in orders
    ]
