"""The parts of a record as JSON, beyond what ``report.py`` says of accounts, plans and orders.

Everything here can be written down whatever it is: a run must never fail to end because its
record has no form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from rebalancer.core.account import Account
from rebalancer.core.order import Fill, Intent
from rebalancer.core.plain import plain
from rebalancer.core.plan import Plan
from rebalancer.core.target import Target
from rebalancer.processor.report import account_json, plan_json

#: Names in a signal's data whose values nobody should find in a file of ten years.
_SECRET = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|credential|authorization|cookie|(api|private)_?key",
    re.IGNORECASE,
)
#: The password in a URL, wherever in a text the URL stands.
_PASSWORD = re.compile(r"(://[^:/@\s]*):[^@\s]+@")


def text(value: Decimal | None) -> str | None:
    """Return a decimal as a plain string, never ``1E+2``."""
    return None if value is None else format(value, "f")


def masked(value: Any) -> Any:
    """Return a signal's data without what looks like a secret."""
    if isinstance(value, Mapping):
        return {
            str(name): "***" if _SECRET.search(str(name)) else masked(item)
            for name, item in value.items()
        }
    if isinstance(value, str):
        return unspoilt(value)
    return [masked(i) for i in value] if isinstance(value, list | tuple) else plain(value)


def unspoilt(words: str) -> str:
    """Return a text without the passwords in its URLs."""
    return _PASSWORD.sub(r"\1:***@", words)


def named_json(target: Target) -> dict[str, Any]:
    """Return where the weights came from, and what names them."""
    return {"source": target.source, "hash": target.hash, "origins": plain(target.origins)}


def target_json(target: Target) -> dict[str, Any]:
    """The same with the weights, and what holdings count towards them."""
    weights = {symbol: text(weight) for symbol, weight in target.weights.items()}
    return {
        **named_json(target),
        "weights": weights,
        "replacements": plain(target.replacements),
    }


def seen_json(account: Account) -> dict[str, Any]:
    """Return a snapshot with all that a plan is made on, so that it can be made again."""
    instruments = {}
    for symbol, quote in account.quotes.items():
        instrument = account.instruments.get(symbol)
        if instrument is not None:
            instruments[symbol] = {
                "con_id": instrument.con_id,
                "local_symbol": instrument.local_symbol,
                "currency": instrument.currency,
                "primary_exchange": instrument.primary_exchange,
                "min_tick": text(instrument.min_tick),
                "price": text(quote.price),
                "bid": text(quote.bid),
                "ask": text(quote.ask),
                "kind": quote.kind,
            }
    return {
        **account_json(account),
        "rates": plain(account.rates),
        "working": plain(account.working),
        "instruments": instruments,
    }


def orders_json(plan: Plan) -> dict[str, Any]:
    """Return a plan with the lines that trade, for what stays untouched is told already."""
    full = plan_json(plan)
    return {**full, "lines": [line for line in full["lines"] if line["trade"]]}


def unsettled_json(intent: Intent, reference: Decimal | None) -> dict[str, Any]:
    """Return an order that was written down to be sent and whose end is not known."""
    order = intent.order
    return {
        "order_ref": order.order_ref,
        "event_id": intent.event_id,
        "pass": intent.pass_number,
        "symbol": order.symbol,
        "con_id": order.con_id,
        "action": order.action,
        "quantity": str(order.quantity),
        "order_type": order.order_type,
        "limit_price": text(order.limit_price),
        "currency": intent.currency,
        "sent_at": intent.recorded_at,
        "reference": text(reference),
        "status": "unsettled",
        "filled": "0",
        "remaining": str(order.quantity),
        "avg_price": "0",
        "reason": "what became of it was not known when the run ended; a later record tells",
        "fills": [],
    }


def ended_json(
    order_ref: str,
    outcome: Mapping[str, Any],
    reference: Decimal | None = None,
    newest: Sequence[Fill] = (),
) -> dict[str, Any]:
    """Return an order whose end was put down as ``outcome``: the report with its intent.

    ``newest`` are its fills as far as they are known by now; their commissions come late.
    """
    intent = outcome.get("intent")
    intent = intent if isinstance(intent, Mapping) else {}
    order = intent.get("order")
    order = order if isinstance(order, Mapping) else {}
    fills = [_fill(plain(fill)) for fill in newest] or list(map(_fill, _listed(outcome)))
    return {
        "order_ref": order_ref,
        "event_id": intent.get("event_id", ""),
        "pass": intent.get("pass_number", 0),
        "symbol": order.get("symbol", ""),
        "con_id": order.get("con_id", 0),
        "action": order.get("action", ""),
        "quantity": str(order.get("quantity", "")),
        "order_type": order.get("order_type", ""),
        "limit_price": _decimal(order.get("limit_price")),
        "currency": intent.get("currency", ""),
        "sent_at": intent.get("recorded_at"),
        "reference": text(reference),
        "status": str(outcome.get("status", "unreadable")),
        "filled": _decimal(outcome.get("filled")) or "0",
        "remaining": _decimal(outcome.get("remaining")) or "0",
        "avg_price": _decimal(outcome.get("avg_price")) or "0",
        "reason": str(outcome.get("reason", outcome.get("unreadable", ""))),
        "fills": fills,
    }


def costs_json(orders: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the commissions by currency, and how many fills have none reported yet."""
    commissions: dict[str, Decimal] = {}
    missing = 0
    for fill in (fill for order in orders for fill in order["fills"]):
        amount = _decimal(fill["commission"])
        if amount is None:
            missing += 1
        else:
            currency = fill["commission_currency"]
            commissions[currency] = commissions.get(currency, Decimal(0)) + Decimal(amount)
    return {"commission": plain(commissions), "unreported": missing}


def _listed(outcome: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    fills = outcome.get("fills")
    return [f for f in fills if isinstance(f, Mapping)] if isinstance(fills, list) else []


def _fill(fill: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "exec_id": str(fill.get("exec_id", "")),
        "quantity": _decimal(fill.get("quantity")) or "0",
        "price": _decimal(fill.get("price")) or "0",
        "currency": str(fill.get("currency", "")),
        "commission": _decimal(fill.get("commission")),
        "commission_currency": str(fill.get("commission_currency") or fill.get("currency", "")),
        "at": fill.get("at"),
    }


def _decimal(found: object) -> str | None:
    """A stored decimal as a plain string; ``None`` when it is none."""
    if found is None:
        return None
    try:
        return text(Decimal(str(found)))
    except InvalidOperation:
        return None
