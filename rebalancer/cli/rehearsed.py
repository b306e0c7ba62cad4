"""What came of a rehearsal, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from rebalancer.cli.output import emit, moment
from rebalancer.cli.preview import plan_table
from rebalancer.cli.run_story import costs, orders_table, planned
from rebalancer.queue.records import Record, all_orders
from rebalancer.rehearsal import replay

if TYPE_CHECKING:
    from rebalancer.rehearsal.play import Played
    from rebalancer.rehearsal.prepare import Rehearsal
    from rebalancer.rehearsal.setting import Setting
    from rebalancer.rehearsal.starts import Start


def emit_outcome(
    rehearsal: Rehearsal,
    setting: Setting,
    played: Sequence[Played],
    *,
    scenario: str | None,
    seconds: float,
) -> None:
    """Print everything as JSON."""
    starts = {start.account_id: start for start in rehearsal.starts}
    accounts = []
    for one in played:
        start = starts[one.account_id]
        whole = _whole(one)
        accounts.append(
            {
                "account_id": one.account_id,
                "start": {"kind": start.kind, "at": start.at, "left_out": start.left_out},
                "verdict": one.verdict,
                "reason": one.reason,
                "mishaps": one.mishaps,
                "attempts": len(one.records),
                "plan": whole["plan"],
                "orders": whole["orders"],
                "costs": whole["costs"],
                "drift": whole["drift"],
                "records": one.records,
            }
        )
    emit(
        {
            "ok": all(one.verdict == "on target" for one in played),
            "scenario": scenario,
            "made_up_prices": setting.made_up,
            "seconds": round(seconds, 1),
            "replay": _compared(rehearsal.record, played[0]) if rehearsal.record else None,
            "accounts": accounts,
        }
    )


def show_outcome(
    rehearsal: Rehearsal,
    setting: Setting,
    played: Sequence[Played],
    *,
    scenario: str | None,
    seconds: float,
) -> None:
    """Print each account's plan, orders, costs and verdict."""
    starts = {start.account_id: start for start in rehearsal.starts}
    for one in played:
        _show(one, starts[one.account_id])
    if setting.made_up:
        click.echo(f"Prices made up by the scenario: {', '.join(setting.made_up)}.")
    if rehearsal.record is not None:
        for sentence in _comparison(_compared(rehearsal.record, played[0])):
            click.echo(sentence)
    for one in played:
        why = f": {one.reason}" if one.reason else ""
        click.echo(f"{one.account_id}  {one.verdict.upper()}{why}")
    under = f" under the scenario {scenario}" if scenario else ""
    click.echo(f"Rehearsed{under} in {seconds:.1f} s. Nothing real was touched.")


def _show(one: Played, start: Start) -> None:
    whole = _whole(one)
    click.echo(f"{one.account_id}, from {_began(start)}")
    if start.left_out:
        click.echo(f"Left out: {', '.join(start.left_out)}.")
    if whole["plan"] is not None:
        plan_table(whole["plan"], "")
    sentences = [*planned(whole)]
    for sentence in sentences:
        click.echo(sentence)
    if whole["orders"]:
        orders_table(whole["orders"])
    for sentence in (*costs(whole), *one.mishaps):
        click.echo(sentence)
    drift = whole["drift"]
    if drift["before"] is not None and drift["after"] is not None:
        before, after = Decimal(drift["before"]), Decimal(drift["after"])
        click.echo(f"Drift {before:.2%} -> {after:.2%}.")
    click.echo()


def _began(start: Start) -> str:
    if start.at is None:
        amounts = ", ".join(f"{a:,.2f} {c}" for c, a in start.cash.items())
        return f"{amounts} in cash"
    kind = "its snapshot" if start.kind == "snapshot" else "the record of a run"
    return f"{kind} of {moment(start.at)}"


def _whole(one: Played) -> dict[str, Any]:
    """All attempts of one account as if they were one run.

    Its plan is the first one made. An order that an attempt left open is told by a later one.
    """
    plans = [record for record in one.records if record["plan"] is not None]
    orders = [
        order
        for record in one.records
        for order in all_orders(record)
        if order["status"] != "unsettled"
    ]
    first: Mapping[str, Any] = plans[0] if plans else {}
    drifts = [record["drift"] for record in plans]
    return {
        "plan": first.get("plan"),
        "replan": first.get("replan"),
        "orders": orders,
        "earlier": [],
        "costs": _costs(one.records),
        "drift": {
            "before": drifts[0]["before"] if drifts else None,
            "planned": drifts[0]["planned"] if drifts else None,
            "after": drifts[-1]["after"] if drifts else None,
        },
    }


def _costs(records: Sequence[Record]) -> dict[str, Any]:
    paid: dict[str, Decimal] = {}
    for record in records:
        for currency, amount in record["costs"]["commission"].items():
            paid[currency] = paid.get(currency, Decimal(0)) + Decimal(amount)
    return {
        "commission": {currency: format(amount, "f") for currency, amount in paid.items()},
        "unreported": sum(record["costs"]["unreported"] for record in records),
    }


# A replay ---------------------------------------------------------------------------------


def _compared(record: Record, one: Played) -> dict[str, Any]:
    """The recorded run beside the one that was played."""
    plan = _whole(one)["plan"]
    before, now = replay.trades(record["plan"]), replay.trades(plan)
    return {
        "record": record["seq"],
        "event_id": record["event"]["event_id"],
        "plan_recorded": record["plan"]["hash"],
        "plan_played": plan["hash"] if plan else None,
        "plan_made_again": replay.planned_again(record),
        "same_plan": plan is not None and plan["hash"] == record["plan"]["hash"],
        "same_trades": before == now,
        "trades": {
            symbol: {"recorded": before.get(symbol, 0), "played": now.get(symbol, 0)}
            for symbol in sorted(before.keys() | now.keys())
            if before.get(symbol, 0) != now.get(symbol, 0)
        },
    }


def _comparison(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"Replayed record {found['record']}, event {found['event_id']}."
    if found["same_plan"]:
        yield f"The plan is the same, {found['plan_recorded']}."
    elif found["same_trades"]:
        yield (
            f"The trades planned are the same; the plan is {found['plan_played']}, and was "
            f"{found['plan_recorded']}, for the balances differ a little."
        )
    else:
        others = ", ".join(
            f"{symbol} {both['played']:+d} instead of {both['recorded']:+d}"
            for symbol, both in found["trades"].items()
        )
        yield f"Other trades were planned: {others}."
    if found["plan_made_again"] == found["plan_recorded"]:
        yield "Planned again on exactly what the run saw, today's planner makes the same plan."
    else:
        yield (
            f"Planned again on exactly what the run saw, today's planner makes another plan: "
            f"{found['plan_made_again']}."
        )
