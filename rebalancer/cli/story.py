"""One line of the journal in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rebalancer.cli.asking import told
from rebalancer.cli.output import moment
from rebalancer.core.plain import plain
from rebalancer.queue.holds import described


def tell(kind: str, data: Mapping[str, Any]) -> str:
    """Return what an entry says beyond its kind; '' when the kind says it all.

    A kind without words of its own, or data of another shape than ours, is shown as JSON.
    """
    try:
        words = _WORDS[kind](data) if kind in _WORDS else _raw(data)
    except (KeyError, TypeError, ValueError, AttributeError):
        words = _raw(data)
    return " ".join(words.split())


def _raw(data: Mapping[str, Any]) -> str:
    return json.dumps(plain(data), ensure_ascii=False) if data else ""


def _nothing_more(_data: Mapping[str, Any]) -> str:
    return ""


def _queued(data: Mapping[str, Any]) -> str:
    urgent = "high priority, " if data["priority"] == "high" else ""
    command = f"{data['exec_command']} {told(data.get('data', {}))}".rstrip()
    return f"{command}, {urgent}from {data['source']}"


def _planned(data: Mapping[str, Any]) -> str:
    count = sum(1 for line in data["lines"] if line["trade"])
    before, after = float(data["drift_before"]), float(data["drift_after"])
    broken = [check["name"] for check in data.get("checks", ()) if not check["passed"]]
    refused = f"; refused by {', '.join(dict.fromkeys(broken))}" if broken else ""
    return f"{count} orders, drift {before:.2%} -> {after:.2%}{refused}"


def _converting(data: Mapping[str, Any]) -> str:
    missing = f"{float(data['missing']):,.2f} {data['got']}"
    return f"{data['trade']:+d} {data['pair']} at {data['price']}, as {missing} are missing"


def _intents(data: Mapping[str, Any]) -> str:
    orders = [intent["order"] for intent in data["intents"]]
    return ", ".join(f"{o['action']} {o['quantity']} {o['symbol']}" for o in orders)


def _settled(data: Mapping[str, Any]) -> str:
    order = data["intent"]["order"]
    price = f" at {float(data['avg_price']):,.4f}" if float(data["filled"]) else ""
    part = "" if data["status"] == "filled" else f", {data['filled']} filled"
    why = f" ({data['reason']})" if data["reason"] else ""
    said = f"{order['action']} {order['quantity']} {order['symbol']}"
    return f"{said} {data['status']}{part}{price}{why}"


def _completed(data: Mapping[str, Any]) -> str:
    if data.get("command") != "rebalance":
        return str(data.get("command", ""))
    if "nothing_due" in data:
        return str(data["nothing_due"])
    before, reached = float(data["drift_before"]), float(data["drift_reached"])
    return f"{len(data['orders'])} orders, drift {before:.2%} -> {reached:.3%}"


def _partially_done(data: Mapping[str, Any]) -> str:
    left = [one for one in data["orders"] if one["status"] != "filled"]
    return "; ".join(f"{o['order_ref']} {o['status']}, {o['remaining']} left" for o in left)


def _open_cancelled(data: Mapping[str, Any]) -> str:
    return f"{data['scope']}: {len(data['cancelled'])} cancelled, {len(data['left'])} left"


def _alert(data: Mapping[str, Any]) -> str:
    return f"{data['title']}: {data['text']} {data['remedy']}"


def _reconciled(data: Mapping[str, Any]) -> str:
    said = f"{data['shown']} orders shown, {data['remembered']} remembered"
    return f"{said}; held: {', '.join(data['held'])}" if data["held"] else said


def _held(data: Mapping[str, Any]) -> str:
    return "; ".join(described(row) for row in data["differences"])


def _reloaded(data: Mapping[str, Any]) -> str:
    waiting = ", ".join(data["needs_restart"])
    return f"{data['program']}{waiting and f'; waiting for a restart: {waiting}'}"


def _problem(one: Mapping[str, Any]) -> str:
    return f"{one['file']}:{one['line']}: {one['key']}: found {one['found']}"


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "queued": _queued,
    "rerun": _queued,
    "leased": _nothing_more,
    "declined": lambda data: f"plan {data['plan']}",
    "unparked": _nothing_more,
    "released": _nothing_more,
    "parked": lambda data: f"behind {data['behind']}: one command of an account at a time",
    "merged": lambda data: f"into {data['into']}",
    "planned": _planned,
    "replanned": _planned,
    "converting": _converting,
    "pass": lambda data: str(data["pass"]),
    "intents": _intents,
    "settled": _settled,
    "halted": lambda data: "; ".join(f"{k}: {v}" for k, v in data["orders"].items()),
    "refused": lambda data: "; ".join(f"{k}: {w} {v}" for k, (w, v) in data["orders"].items()),
    "retrying": lambda data: (
        f"attempt {data['attempt']} failed, again {moment(data['due_at'])}: {data['error']}"
    ),
    "delayed": lambda data: f"until {moment(data['until'])}: {data['reason']}",
    "promoted": lambda data: f"from {data['from']}",
    "reclaimed": lambda data: f"from {data['worker'] or 'nobody'}",
    "dead": lambda data: f"{data['reason']}: {data['error']}",
    "completed": _completed,
    "alert": _alert,
    "proposed": lambda data: f"plan {data['plan']}, until {moment(data['expires_at'])}",
    "approved": lambda data: f"plan {data['plan_hash']} by {data['by']}",
    "halt": lambda data: f"{data['scope']}: {data['halt']['reason']}",
    "resume": lambda data: str(data["scope"]),
    "removed": lambda data: f"it was {data['state']}",
    "requeued": _nothing_more,
    "repaired": lambda data: f"{data['what']}: {data['why']}",
    "partially_done": _partially_done,
    "open_cancelled": _open_cancelled,
    "reconciled": _reconciled,
    "rejected": lambda data: f"from {data['source']}: {data['reason']}",
    "missed": lambda data: f"{data['schedule']}, due {moment(data['last'])}",
    "gap": lambda data: f"{data['source']} since {moment(data['since'])}: {data['reason']}",
    "reloaded": _reloaded,
    "not_reloaded": lambda data: f"{data['program']}: {_problem(data['problems'][0])}",
    "held": _held,
    "accepted": lambda data: f"{data['reason']} ({_held(data['hold'])})",
}
