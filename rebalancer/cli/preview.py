"""``rebalancer preview``: what a rebalance would do, and nothing done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from rebalancer.cli import completing
from rebalancer.cli.asking import ask_options, asked
from rebalancer.cli.findings import SILENCE
from rebalancer.cli.options import Options, json_option, now
from rebalancer.cli.output import emit, table
from rebalancer.errors import PermanentError, RetryableError
from rebalancer.ingest import accept
from rebalancer.queue import journal, moves

if TYPE_CHECKING:
    from rebalancer.queue.store import Queue
    from rebalancer.queue.values import Listed

#: Longest wait for one piece of news, in seconds.
PATIENCE = 5.0


@click.command()
@click.argument("account", shell_complete=completing.accounts)
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=click.FloatRange(1, 3600),
    help="Seconds.",
)
@ask_options
@json_option
@click.pass_obj
def command(
    options: Options, /, *, account: str, timeout: float, as_json: bool, **asks: Any
) -> None:
    """Ask the processor for ACCOUNT's plan at this moment's prices; no order is sent.

    With --when it shows what would be done if it were due, and whether it is.
    """
    with options.queue() as queue:
        result = _ask(queue, account, timeout, asked({}, **asks))
    if as_json:
        emit(result)
    else:
        show(result)


def _ask(
    queue: Queue, account: str, timeout: float, data: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Enqueue a print-rebalance ahead of everything else and wait for its result."""
    at = now()
    event = accept(account, "print-rebalance", now=at, source="cli", priority="high", data=data)
    position = queue.run(journal.last_id())
    answer = queue.run(moves.enqueue(event, now=at))
    event_id = answer.event_id
    if answer.status == "merged":
        click.echo(
            "another preview waits: the plan will be for all that is asked for", err=True
        )
    ends = time.monotonic() + timeout
    said = ""
    while (left := ends - time.monotonic()) > 0:
        news = queue.watch(position, wait=min(left, PATIENCE))
        position = news[-1].id if news else position
        if not any(entry.event_id == event_id for entry in news):
            continue
        found = queue.run(moves.show(event_id))
        if found is not None and found.state == "completed":
            outcome = found.outcome or {}
            result: Mapping[str, Any] = outcome.get("result", outcome)
            return result
        said = _refused(found, said)
        if found is not None and found.due_at is not None and found.due_at > now() + left:
            break  # the next attempt comes too late for us
    why = f"last said: {said}" if said else _silence(queue)
    raise RetryableError(f"no plan for {account} within {timeout:g} s; {why}")


def _silence(queue: Queue) -> str:
    """Why nobody took the event, as far as the processors' last signs of life tell."""
    processors = [d for d in queue.run(moves.daemons()).values() if d.name == "processor"]
    alive = [daemon for daemon in processors if now() - daemon.at < SILENCE]
    if alive:
        return f"the processor's state: {alive[0].info.get('status', 'unknown')}"
    return "no processor runs; start it: systemctl start rebalancer-processor"


def _refused(found: Listed | None, said: str) -> str:
    """Return what the latest attempt failed of. Raises when no other follows."""
    if found is None or found.state in {"removed", "merged"}:
        raise PermanentError("somebody removed the event while it waited")
    if found.state == "dead":
        why = ": ".join(filter(None, (found.reason, found.error)))
        raise PermanentError(f"the processor refuses: {why}")
    error = found.event.last_error if found.event else ""
    error = found.reason or found.error or error
    if error and error != said:
        click.echo(f"not yet: {error}", err=True)
    return error or said


def plan_table(plan: Mapping[str, Any], title: str) -> None:
    """Print a plan's lines."""
    columns = (
        "symbol",
        ">held",
        ">trade",
        ">price",
        ">limit",
        ">before",
        ">after",
        ">target",
        "",
    )
    table(title, columns, [_line(line) for line in plan["lines"]])


def show(result: Mapping[str, Any]) -> None:
    """Print a plan as a table with its figures below."""
    plan = result["plan"]
    currency = plan["currency"]
    title = f"{plan['account_id']}  {result['target']['source']}"
    plan_table(plan, title)
    trades = sum(1 for line in plan["lines"] if line["trade"])
    aside = Decimal(plan.get("aside", "0"))
    own = Decimal(plan["reserve"]) - aside
    for said in decided(plan.get("mode", "full"), aside, result.get("condition"), currency):
        click.echo(said)
    click.echo(
        f"{trades} orders; drift {_percent(plan['drift_before'])} -> "
        f"{_percent(plan['drift_after'])}, {_bps(plan['gap'])} from the best with fractions\n"
        f"net liquidation {_money(plan['net_liquidation'])} {currency}; "
        f"cash {_money(plan['cash_before'])} -> {_money(plan['cash_after'])}, "
        f"at worst {_money(plan['cash_worst'])}, reserve {own:,.2f}\n"
        f"estimated commission {_money(plan['est_commission'])} {currency}; plan {plan['hash']}"
    )
    for one in plan.get("conversions", ()):
        missing = f"{_money(one['missing'])} {one['got']}"
        click.echo(f"before the buys {missing} are converted from {one['given']}")
    _show_what_if(plan.get("what_if", ()))
    _show_checks(plan.get("checks", ()))


def decided(
    mode: str, aside: Decimal, condition: Mapping[str, Any] | None, currency: str
) -> Iterator[str]:
    """Say what a plan is bound to beside its target, and whether its condition holds."""
    if mode == "buy-only":
        yield "It only buys."
    if mode == "raise-cash":
        yield "It only raises cash, by selling just enough."
    if aside:
        yield f"{aside:,.2f} {currency} is to be there in cash above the reserve."
    if condition is not None:
        yield f"{'Due' if condition['due'] else 'Not due'}: {condition['says']}."


def _show_what_if(answers: Sequence[Mapping[str, Any]]) -> None:
    """Print what the gateway says each order would do, if it was asked."""
    if not answers:
        return
    columns = ("symbol", ">initial margin", ">maintenance", ">commission", "")
    rows = [
        (str(one["symbol"]), "", "", "", f"refused: {one['refused']}")
        if one["refused"]
        else (
            str(one["symbol"]),
            _money(one["initial_margin_change"]),
            _money(one["maintenance_margin_change"]),
            f"{_money(one['commission'])} {one['commission_currency']}"
            if one["commission"]
            else "not told",
            str(one["warning"]),
        )
        for one in answers
    ]
    table("what if: changes by each order alone", columns, rows)


def _show_checks(checks: Sequence[Mapping[str, Any]]) -> None:
    """Print the safety rails: what came closest to each, or what breaks it."""
    if not checks:
        return
    columns = ("rail", "symbol", ">figure", ">limit", "")
    rows = [
        (
            str(one["name"]),
            str(one["symbol"]),
            str(one["figure"]),
            str(one["limit"]),
            "ok" if one["passed"] else "REFUSED",
        )
        for one in checks
    ]
    table("safety rails", columns, rows)
    for one in checks:
        if not one["passed"]:
            click.echo(f"refused: {one['text']}")


def _line(line: Mapping[str, Any]) -> tuple[str, ...]:
    trade = int(line["trade"])
    return (
        str(line["symbol"]),
        _shares(line["held"]),
        f"{trade:+d}" if trade else "",
        _price(line["price"]),
        _price(line["limit_price"]) if trade else "",
        _percent(line["weight_before"]),
        _percent(line["weight_after"]),
        _percent(line["target_weight"]),
        str(line["note"]),
    )


def _shares(text: str) -> str:
    return format(Decimal(text).normalize(), "f")


def _price(text: str | None) -> str:
    return "" if text is None else f"{Decimal(text):,.4f}".rstrip("0").rstrip(".")


def _percent(text: str) -> str:
    return f"{Decimal(text):.2%}"


def _bps(text: str) -> str:
    return f"{Decimal(text) * 10_000:.2f} bps"


def _money(text: str) -> str:
    return f"{Decimal(text):,.2f}"
