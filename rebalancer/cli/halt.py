"""``rebalancer halt``: no new orders from this moment on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from rebalancer.cli.options import Options, json_option, now, scope_options, scopes_of
from rebalancer.cli.output import emit, table
from rebalancer.errors import PermanentError, RetryableError
from rebalancer.queue import journal, moves

if TYPE_CHECKING:
    from rebalancer.queue.store import Queue
    from rebalancer.queue.values import Halt


@click.command()
@scope_options
@click.option("--reason", required=True, help="Why; shown wherever something is held up.")
@click.option(
    "--cancel-open",
    is_flag=True,
    help="Cancel working orders, too, and return once nothing is left.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(1, 3600),
    help="Seconds to wait for that.",
)
@json_option
@click.pass_obj
def command(
    options: Options,
    *,
    accounts: tuple[str, ...],
    symbols: tuple[str, ...],
    reason: str,
    cancel_open: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Stop new orders at once: all of them, or those of an account or a symbol.

    The halt holds until `rebalancer resume`. Orders at the exchange stay, unless they are to
    be cancelled: then the command ends with 0 only if a processor has seen that none is left.
    """
    with options.queue() as queue:
        at = now()
        position = queue.run(journal.last_id())
        halts = [
            queue.run(moves.halt(scope, now=at, reason=reason, cancel_open=cancel_open))
            for scope in scopes_of(accounts, symbols)
        ]
        if not as_json:
            for halt in halts:
                click.echo(f"halted {halt.scope}: {halt.reason}")
        answers = _answers(queue, halts, position, timeout) if cancel_open else {}
    if as_json:
        emit({"halts": halts, "open_orders": answers} if cancel_open else halts)
    if cancel_open:
        _conclude(halts, answers, timeout, as_json=as_json)


def _answers(
    queue: Queue, halts: Sequence[Halt], position: str, timeout: float
) -> dict[str, Mapping[str, Any]]:
    """By scope the processors' answer: the first that shows nothing left, else the last."""
    waiting = {halt.request: halt.scope for halt in halts}
    found: dict[str, Mapping[str, Any]] = {}
    ends = time.monotonic() + timeout
    while waiting and (left := ends - time.monotonic()) > 0:
        news = queue.watch(position, wait=min(left, 5.0))
        position = news[-1].id if news else position
        for entry in news:
            request = entry.data.get("request")
            if entry.kind == "open_cancelled" and request in waiting:
                found[waiting[request]] = entry.data
                if not entry.data["left"]:
                    del waiting[request]
    return found


def _conclude(
    halts: Sequence[Halt],
    answers: Mapping[str, Mapping[str, Any]],
    timeout: float,
    *,
    as_json: bool,
) -> None:
    """Print what became of the open orders.

    Raises:
        RetryableError: no processor answered for a scope.
        PermanentError: orders are left.
    """
    silent = [halt.scope for halt in halts if halt.scope not in answers]
    left: list[Mapping[str, Any]] = []
    for scope, answer in answers.items():
        left += answer["left"]
        if not as_json:
            none = "" if answer["left"] else "; nothing is left"
            click.echo(f"{scope}: {len(answer['cancelled'])} orders cancelled{none}")
    if left and not as_json:
        columns = ("symbol", "action", ">remaining", "type", "client", "permId")
        table("still working", columns, [_row(order) for order in left])
    if silent:
        raise RetryableError(
            f"halted, but no processor has answered for {', '.join(silent)} within "
            f"{timeout:g} s: whether orders are left is not known. It cancels them when it is "
            f"back; look at `systemctl status rebalancer-processor` and at the gateway's screen"
        )
    if left:
        raise PermanentError(
            f"halted, but {len(left)} orders still work: they belong to other API clients or "
            f"to TWS, or did not answer their cancel; cancel them at the gateway's screen"
        )


def _row(order: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("symbol", "action", "remaining", "order_type", "client_id", "perm_id")
    return tuple(str(order[name]) for name in names)
