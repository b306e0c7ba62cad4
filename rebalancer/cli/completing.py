"""What a shell offers where an account, an event or a plan is expected.

It is asked at each TAB, so it is quick or says nothing: the files are only skimmed, Redis has
half a second, and whatever goes wrong offers nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rebalancer.errors import RebalancerError

if TYPE_CHECKING:
    import click

    from rebalancer.cli.options import Options
    from rebalancer.queue.store import Queue

#: Seconds that Redis has for each answer.
PATIENCE = 0.5
#: Events, or records, that are offered at most.
MOST = 50


def accounts(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the ids of accounts.yaml."""
    from rebalancer.settings.document import BadValueError, read

    try:
        listed = read(_options(ctx).files().accounts).entries("")["accounts"].elements("")
        found = [one.entries("")["account_id"].text("") for one in listed]
    except (BadValueError, KeyError):
        return []
    return _fitting(found, incomplete)


def events(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the events that are on their way, the dead ones last."""
    from rebalancer.queue.desk import LISTABLE

    return _fitting(_events(ctx, LISTABLE), incomplete)


def dead(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the events of the dead letter."""
    return _fitting(_events(ctx, ("dead",)), incomplete)


def runs(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the events of the latest records."""
    from rebalancer.queue import history

    try:
        with _queue(ctx) as queue:
            found = [link.event_id for link in queue.run(history.newest(limit=MOST))]
    except RebalancerError:
        return []
    return _fitting(found, incomplete)


def waiting(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the accounts whose plan waits for a person."""
    return _fitting((account for account, _ in _plans(ctx)), incomplete)


def plans(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the plan that waits of the account that is named already."""
    account = ctx.params.get("account")
    return _fitting((name for of, name in _plans(ctx) if of == account), incomplete)


def _plans(ctx: click.Context) -> list[tuple[str, str]]:
    from rebalancer.queue import approvals

    try:
        with _queue(ctx) as queue:
            found = queue.run(approvals.pending())
    except RebalancerError:
        return []
    return [(account, one.proposal.plan_hash) for account, one in found.items()]


def _events(ctx: click.Context, states: Iterable[str]) -> list[str]:
    from rebalancer.queue import moves

    try:
        with _queue(ctx) as queue:
            pages = [queue.run(moves.list_events(name, limit=MOST)) for name in states]
    except RebalancerError:
        return []
    return [item.event_id for page in pages for item in page.items]


def _options(ctx: click.Context) -> Options:
    from rebalancer.cli.options import Options

    # While completing no command runs, and the root has made no options.
    given = ctx.find_root().params
    return Options(given.get("config"), given.get("accounts"))


def _queue(ctx: click.Context) -> Queue:
    from rebalancer.queue.store import Queue

    redis = _options(ctx).service().redis
    return Queue(redis.url, timeout=min(PATIENCE, redis.timeout_seconds))


def _fitting(found: Iterable[str], incomplete: str) -> list[str]:
    return list(dict.fromkeys(name for name in found if name.startswith(incomplete)))
