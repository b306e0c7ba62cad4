"""``rebalancer rehearse``: your own accounts on a simulated gateway, to see what happens."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rebalancer.cli.options import Options, json_option
from rebalancer.errors import PermanentError, QueueError

if TYPE_CHECKING:
    from rebalancer.rehearsal.play import Played
    from rebalancer.rehearsal.prepare import Rehearsal, Snapshots
    from rebalancer.rehearsal.setting import Setting
    from rebalancer.settings import Settings


def _prices(
    _context: click.Context, _option: click.Parameter, given: Sequence[str]
) -> Mapping[str, Decimal]:
    prices: dict[str, Decimal] = {}
    for text in given:
        symbol, _, number = text.rpartition("=")
        try:
            price = Decimal(number)
        except InvalidOperation:
            price = Decimal(0)
        if not symbol or not price.is_finite() or price <= 0:
            raise click.BadParameter(f"{text!r} is no price; write SPY=512.30")
        prices[symbol] = price
    return prices


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed."""

    accounts: tuple[str, ...]
    accounts_file: Path | None
    #: ``None``: with what there is.
    from_snapshot: bool | None
    cash: int
    prices: Mapping[str, Decimal]
    scenario: str | None
    #: To be replayed.
    event: str | None
    timeout: float
    verbose: bool
    as_json: bool


@click.command()
@click.argument("accounts", nargs=-1)
@click.option(
    "--accounts",
    "accounts_file",
    type=click.Path(path_type=Path),
    help="accounts.yaml to rehearse, instead of the one in force.",
)
@click.option(
    "--from-snapshot/--from-cash",
    "from_snapshot",
    default=None,
    help="Begin with the last snapshots, or with cash alone. Default: with what there is.",
)
@click.option(
    "--cash",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="What an account without a snapshot begins with.",
)
@click.option(
    "--price",
    "prices",
    multiple=True,
    callback=_prices,
    metavar="SYMBOL=PRICE",
    help="A price that no snapshot knows, or another one.",
)
@click.option("--scenario", help="A scenario of the simulator: a name or a file.")
@click.option("--replay", "event", help="Do a recorded run again: an event, or a number.")
@click.option(
    "--timeout",
    default=120.0,
    show_default=True,
    type=click.FloatRange(1, 3600),
    help="Seconds.",
)
@click.option("--verbose", "-v", is_flag=True, help="Show what the processor logs.")
@json_option
@click.pass_obj
def command(options: Options, /, **given: Any) -> int:
    """Rebalance ACCOUNTS (default: all that are traded) on a simulated gateway.

    The real Redis is only read, and the real gateway never spoken to. Exit code 0: every
    account ended on target.
    """
    from rebalancer.cli.rehearsed import emit_outcome, show_outcome
    from rebalancer.rehearsal.setting import build

    wish = Wish(**given)
    rehearsal = _prepared(options, wish)
    setting = build(
        rehearsal.starts,
        rehearsal.symbols(),
        prices=wish.prices,
        scenario=wish.scenario,
        market=rehearsal.market,
    )
    _set_up_logs(verbose=wish.verbose)
    began = time.monotonic()
    played = _play(rehearsal, setting, wish.timeout)
    seconds = time.monotonic() - began
    show = emit_outcome if wish.as_json else show_outcome
    show(rehearsal, setting, played, scenario=wish.scenario, seconds=seconds)
    return 0 if all(one.verdict == "on target" for one in played) else 1


def _prepared(options: Options, wish: Wish) -> Rehearsal:
    from rebalancer.rehearsal import prepare

    if wish.accounts_file is not None:
        options = replace(options, accounts=wish.accounts_file)
    if wish.event is not None:
        if wish.accounts or wish.from_snapshot is not None:
            raise click.UsageError("--replay begins with what was recorded: name nothing else")
        today = options.settings() if wish.accounts_file is not None else None
        return prepare.recorded(options.service(), _record(options, wish.event), today)
    settings = options.settings()
    return prepare.own(
        settings,
        wish.accounts,
        _snapshots(options, settings, needed=wish.from_snapshot is not False),
        from_snapshot=wish.from_snapshot,
        cash=Decimal(wish.cash),
    )


def _snapshots(options: Options, settings: Settings, *, needed: bool) -> Snapshots:
    """Read the last snapshot of every account; none if Redis is away and none is needed."""
    from rebalancer.queue import moves

    try:
        with options.queue(settings) as queue:
            return {name: queue.run(moves.load_snapshot(name)) for name in settings.accounts}
    except QueueError as error:
        if needed:
            kind = type(error)
            raise kind(
                f"{error}. Without snapshots: rebalancer rehearse --from-cash"
            ) from error
        return {}


def _record(options: Options, event: str) -> Mapping[str, Any]:
    """The record that EVENT means: the one with this number, or its first with a plan."""
    from rebalancer.queue.records import named

    with options.queue() as queue:
        records = [link.record for link in named(queue, event) if link.record is not None]
    if not records:
        raise PermanentError(f"no record of {event}; `rebalancer history` lists them")
    return next((record for record in records if record["plan"] is not None), records[0])


def _play(rehearsal: Rehearsal, setting: Setting, timeout: float) -> list[Played]:
    from rebalancer.demo.stage import redis_stage
    from rebalancer.rehearsal.play import play

    with (
        tempfile.TemporaryDirectory(prefix="rebalancer-rehearsal-") as folder,
        redis_stage(Path(folder)) as it,
    ):
        it.wait_for_port("redis", it.redis_port)
        playing = play(
            rehearsal.settings,
            setting.world,
            rehearsal.parts,
            redis_url=it.redis_url,
            deadline=timeout,
        )
        return asyncio.run(playing)


def _set_up_logs(*, verbose: bool) -> None:
    from rebalancer import logs

    if verbose:
        logs.setup()
    else:
        # What went wrong is in the outcome; the rest would only hide it.
        logging.getLogger().addHandler(logging.NullHandler())
