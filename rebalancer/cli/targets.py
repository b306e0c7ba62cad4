"""``rebalancer targets``: where an account's weights come from, and how far it is from them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from rebalancer.cli.options import Options, json_option
from rebalancer.cli.output import emit, moment, table
from rebalancer.core.plain import plain
from rebalancer.errors import PermanentError

if TYPE_CHECKING:
    from rebalancer.settings import AccountSettings, Settings
    from rebalancer.targets.drift import Row


@click.group()
def command() -> None:
    """Show what accounts should hold, and how far they are from it."""


@command.command()
@click.argument("account")
@json_option
@click.pass_obj
def show(options: Options, *, account: str, as_json: bool) -> int:
    """Show where the weights of ACCOUNT come from, and what they are now.

    Files are read and URLs asked, as a rebalance would.
    """
    from rebalancer.settings.models import Definition
    from rebalancer.targets.resolve import Fetcher, tree
    from rebalancer.targets.story import story_json

    settings = options.settings()
    definition = _known(settings, account).definition()
    if not isinstance(definition, Definition):  # a replay pins its target, and has no command
        raise PermanentError(f"the target of {account} is fixed")
    root = asyncio.run(tree(definition, Fetcher(os.environ)))
    told = {"account_id": account, **story_json(definition, root)}
    if as_json:
        emit(told)
    else:
        for line in _described(told):
            click.echo(line)
    if told["error"]:
        click.echo(f"rebalancer: {told['error']}", err=True)
        return 1
    return 0


@command.command()
@click.argument("account")
@json_option
@click.pass_obj
def diff(options: Options, *, account: str, as_json: bool) -> None:
    """Compare the last snapshot of ACCOUNT with its target as it is now."""
    from rebalancer.queue import moves
    from rebalancer.rehearsal.replay import account_of
    from rebalancer.targets.drift import drift
    from rebalancer.targets.resolve import Fetcher, target

    settings = options.settings()
    known = _known(settings, account)
    wanted = asyncio.run(target(known, Fetcher(os.environ)))
    with options.queue(settings) as queue:
        seen = queue.run(moves.load_snapshot(account))
    if seen is None or not isinstance(seen.get("instruments"), Mapping):
        raise PermanentError(
            f"no snapshot of {account}: take one with `rebalancer preview {account}`"
        )
    found = drift(account_of({"snapshot": seen}), wanted, known.policy())
    told = {"source": wanted.source, "hash": wanted.hash}
    if as_json:
        head = {"account_id": account, "seen_at": seen["saved_at"], "target": told}
        emit({**head, "currency": seen["currency"], **plain(found)})
        return
    columns = ("symbol", ">held", ">now", ">target", ">off", ">band", "")
    rows = [
        (
            row.symbol,
            f"{row.held:f}",
            f"{row.weight:.2%}",
            f"{row.target_weight:.2%}",
            f"{row.off:+.2%}",
            f"{row.band:.2%}" if row.band else "-",
            _remark(row),
        )
        for row in found.rows
    ]
    rows.append(("cash", "", f"{found.cash_weight:.2%}", "", "", "", ""))
    table(f"{account}, seen {moment(seen['saved_at'])}, against {wanted.source}", columns, rows)
    click.echo(f"drift {found.drift:.3%} of {found.base:,.2f} {seen['currency']}")


def _known(settings: Settings, account_id: str) -> AccountSettings:
    if account_id not in settings.accounts:
        raise PermanentError(settings.why_not_traded(account_id))
    return settings.accounts[account_id]


def _remark(row: Row) -> str:
    said = (
        "inside band" if row.inside_band else "",
        f"counts as {row.counts_as}" if row.counts_as else "",
        row.note,
    )
    return ", ".join(filter(None, said))


def _described(told: Mapping[str, Any]) -> Iterator[str]:
    yield told["account_id"]
    yield from _tree(told["tree"], 1)
    for one in told["replacements"]:
        scale = "" if one["scale"] == "1" else f" at {one['scale']} times its weight"
        by = f"{one['source']} by {one['target']}{scale}"
        yield f"  replaced ({told['replacement_set']}): {by}"
    target = told["target"]
    if target is not None:
        yield f"target {target['hash']}"
        for symbol, weight in target["weights"].items():
            yield f"  {Decimal(weight):>8.3%}  {symbol}"
        yield f"  {Decimal(target['cash']):>8.3%}  cash"


def _tree(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    share = f"{Decimal(node['share']):.2%} " if depth > 1 else ""
    answer = " ".join(filter(None, (node["status"], node["etag"])))
    told = [node["name"], "" if node["parts"] else node["location"], answer, node["hash"]]
    yield "  " * depth + share + ", ".join(filter(None, told))
    if node["error"]:
        yield "  " * (depth + 1) + f"error: {node['error']}"
    elif not node["parts"]:
        weights = (f"{symbol} {Decimal(w):.2%}" for symbol, w in node["weights"].items())
        yield "  " * (depth + 1) + ", ".join(weights)
    for part in node["parts"]:
        yield from _tree(part, depth + 1)
