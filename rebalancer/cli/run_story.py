"""One record of the history as a story: asked, seen, planned, checked, sent, ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click

from rebalancer.cli.output import moment, table
from rebalancer.cli.preview import decided, plan_table
from rebalancer.queue.records import Record, slippage

_ENDED = {
    "completed": "The event is complete.",
    "retrying": "It failed and was to be tried again",
    "delayed": "It was put off",
    "dead": "It failed for good and went to the dead letter",
    "released": "It was given back to the queue",
}


def tell(record: Record) -> None:
    """Print one run from signal to outcome."""
    event = record["event"]
    click.echo(
        f"Record {record['seq']}: {event['exec_command']} of {event['account_id']}, "
        f"event {event['event_id']}"
    )
    for heading, sentences in _before(record):
        _paragraph(heading, sentences)
    if record["plan"] is not None:
        plan_table(record["plan"], "")
    _paragraph("planned", planned(record))
    _paragraph("checked", _checks(record))
    _paragraph("sent", _sent(record))
    if record["orders"]:
        orders_table(record["orders"])
    _paragraph("earlier", _earlier(record))
    if record["earlier"]:
        orders_table(record["earlier"])
    _paragraph("cost", costs(record))
    _paragraph("ended", _ended(record))
    click.echo(f"hash      {record['hash']}")


def _paragraph(heading: str, sentences: Sequence[str]) -> None:
    for number, sentence in enumerate(sentences):
        click.echo(f"{'' if number else heading:<10}{sentence}")


def _before(record: Record) -> Iterator[tuple[str, list[str]]]:
    yield "signal", list(_signal(record))
    target = record["target"]
    if target is not None:
        weights = ", ".join(f"{s} {Decimal(w):.2%}" for s, w in target["weights"].items())
        yield "target", [f"From {target['source']} ({target['hash']}): {weights}."]
    if record["policy"] is not None:
        yield "rules", [_rules(record["policy"])]
    if record["snapshot"] is not None:
        yield "seen", list(_seen(record["snapshot"]))
        yield "decided", list(_decided(record))


def _signal(record: Record) -> Iterator[str]:
    event, run = record["event"], record["run"]
    merged = event["merged"]
    signals = "1 later signal was" if merged == 1 else f"{merged} later signals were"
    folded = f" {signals} folded into it." if merged else ""
    yield (
        f"From {event['source']} at {moment(event['received_at'])}, "
        f"{event['priority']} priority.{folded}"
    )
    if event["data"]:
        yield f"It carried {json.dumps(event['data'], ensure_ascii=False)}."
    waited = record["began_at"] - event["received_at"]
    took = record["at"] - record["began_at"]
    yield (
        f"Attempt {event['attempt'] + 1} began {waited:.1f} s later on {run['worker']} "
        f"and took {took:.1f} s."
    )
    if run["reclaims"]:
        yield (
            f"{run['reclaims']} earlier executions ended without a record: their worker died "
            f"or was cut off."
        )


def _rules(policy: Mapping[str, Any]) -> str:
    """The rules that matter for nearly every plan; all of them are in the JSON."""
    said = [
        f"reserve {Decimal(policy['cash_reserve']):.2%}",
        f"{policy['order_type']} within {Decimal(policy['slippage']):.2%} of the price",
        f"unlisted stocks: {policy['unlisted']}",
    ]
    if Decimal(policy["drift_band"]):
        said.append(f"band {Decimal(policy['drift_band']):.2%}")
    if policy["max_turnover"] is not None:
        said.append(f"turnover at most {Decimal(policy['max_turnover']):.0%}")
    if policy["bounds"]:
        said.append(f"bounds for {', '.join(policy['bounds'])}")
    return f"{'; '.join(said)}."


def _seen(account: Record) -> Iterator[str]:
    yield f"At {moment(account['taken_at'])} the account was worth {_worth(account)}."
    held = [f"{_number(p['quantity'])} {p['symbol']}" for p in account["positions"]]
    yield f"It held {', '.join(held)}." if held else "It held no positions."


def _decided(record: Record) -> Iterator[str]:
    """What was to be done, where it was not just to rebalance."""
    aim, condition = record.get("aim"), record.get("condition")
    currency = record["snapshot"]["currency"]
    mode, aside = (aim["mode"], aim["aside"]) if aim else ("full", "0")
    yield from decided(mode, Decimal(aside), condition, currency)
    for symbol, drift in (condition or {}).get("drift", {}).items():
        relative = drift["relative"]
        of_target = "" if relative is None else f", {Decimal(relative):+.2%} of its target"
        yield f"{symbol} was off by {Decimal(drift['absolute']):+.2%}{of_target}."
    if condition:
        yield f"Uninvested cash was {_percent(condition['uninvested_cash'])}."


def _worth(account: Record) -> str:
    currency = account["currency"]
    cash = _money(account["total_cash"])
    return f"{_money(account['net_liquidation'])} {currency}, {cash} of it in cash"


def planned(record: Record) -> list[str]:
    """What was planned, in sentences."""
    plan, replan = record["plan"], record["replan"]
    if plan is None:
        return []
    trades = sum(1 for line in plan["lines"] if line["trade"])
    kept = f"a reserve of {_money(plan['reserve'])} {plan['currency']}"
    drift = f"from {_percent(plan['drift_before'])} to {_percent(plan['drift_after'])}"
    said = [f"{_count(trades)} would bring the drift {drift} and keep {kept}; {plan['hash']}."]
    if not trades:
        said = [f"Nothing was worth an order: the drift was {_percent(plan['drift_before'])}."]
    if replan is not None:
        buys = ", ".join(f"{line['trade']:+d} {line['symbol']}" for line in replan["lines"])
        sold = any(line["trade"] < 0 for line in plan["lines"])
        after = "sells" if sold else "conversions"
        said.append(f"After the {after} it was planned again: {buys or 'nothing to buy'}.")
    return said


def _checks(record: Record) -> list[str]:
    """What failed, and of what passed the first look of each rail: that at the whole plan."""
    told: dict[str, Mapping[str, Any]] = {}
    for check in record["checks"]:
        rail = check["name"].split(" ")[0] if check["passed"] else check["name"]
        told.setdefault(f"{check['passed']} {rail}", check)
    return [
        f"{'passed' if check['passed'] else 'FAILED'}  {check['name']}: {check['figure']}, "
        f"limit {check['limit']} ({check['key']})"
        for check in told.values()
    ]


def _sent(record: Record) -> list[str]:
    said = [
        f"Cancelled {o['action']} {_number(o['remaining'])} {o['symbol']}, which was working."
        for o in record["cancelled"]
    ]
    orders = record["orders"]
    if orders:
        filled = sum(1 for order in orders if order["status"] == "filled")
        said.append(f"{_count(len(orders))}; {filled} filled.")
    else:
        said.append("No order.")
    return said


def _earlier(record: Record) -> list[str]:
    count = len(record["earlier"])
    if not count:
        return []
    return [f"{_count(count)} of earlier runs, whose end no record had told yet."]


def orders_table(orders: Sequence[Record]) -> None:
    """Print what became of each order."""
    columns = ("order", ">limit", ">filled", ">price", ">beyond plan", ">commission", "", "")
    rows = []
    for order in orders:
        beyond = slippage(order)
        commissions = [fill["commission"] for fill in order["fills"]]
        known = sum((Decimal(c) for c in commissions if c is not None), Decimal(0))
        rows.append(
            (
                f"{order['action']} {order['quantity']} {order['symbol']}",
                _price(order["limit_price"]) or "at market",
                _number(order["filled"]),
                _price(order["avg_price"]) if Decimal(order["filled"]) else "",
                "" if beyond is None else f"{beyond:+,.2f}",
                f"{known:,.2f}{'' if None not in commissions else ' so far'}",
                order["status"],
                order["reason"],
            )
        )
    table("", columns, rows)


def costs(record: Record) -> list[str]:
    """What the fills cost, in sentences."""
    if not any(order["fills"] for order in (*record["orders"], *record["earlier"])):
        return []
    known = record["costs"]
    paid = " and ".join(f"{_money(a)} {c}" for c, a in known["commission"].items())
    said = [f"Commissions of {paid or 'nothing'}."]
    if known["unreported"]:
        said.append(f"The commissions of {known['unreported']} fills were not reported yet.")
    beyond: dict[str, Decimal] = {}
    for order in record["orders"]:
        amount = slippage(order)
        if amount is not None:
            beyond[order["currency"]] = beyond.get(order["currency"], Decimal(0)) + amount
    for currency, amount in beyond.items():
        better = "better" if amount < 0 else "worse"
        said.append(f"Prices were {abs(amount):,.2f} {currency} {better} than planned with.")
    return said


def _ended(record: Record) -> list[str]:
    outcome, drift, after = record["outcome"], record["drift"], record["after"]
    until = f" until {moment(outcome['until'])}" if outcome["until"] is not None else ""
    reason = f": {outcome['reason']}" if outcome["reason"] else ""
    ended = _ENDED.get(outcome["status"], outcome["status"])
    said = [f"{ended.rstrip('.') if reason else ended}{until}{reason}"]
    if drift["after"] is not None:
        planned = f", {_percent(drift['planned'])} planned" if drift["planned"] else ""
        said.append(f"The drift was {_percent(drift['after'])} in the end{planned}.")
    if after is not None:
        said.append(f"The account was worth {_worth(after)}.")
    said[0] = f"{moment(record['at'])}  {said[0]}"
    return said


def _count(orders: int) -> str:
    return "1 order" if orders == 1 else f"{orders} orders"


def _number(text: str) -> str:
    return f"{Decimal(text).normalize():f}"


def _price(text: str | None) -> str:
    return "" if text is None else f"{Decimal(text):,.4f}".rstrip("0").rstrip(".")


def _percent(text: str) -> str:
    return f"{Decimal(text):.2%}"


def _money(text: str) -> str:
    return f"{Decimal(text):,.2f}"
