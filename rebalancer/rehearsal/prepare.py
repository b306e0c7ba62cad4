"""What is to be rehearsed: the operator's accounts as they are, or a run that was recorded."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rebalancer.core import request
from rebalancer.errors import PermanentError, RebalancerError
from rebalancer.gateway.identity import mode_of
from rebalancer.rehearsal import replay
from rebalancer.rehearsal.play import Part
from rebalancer.rehearsal.replay import Record
from rebalancer.rehearsal.starts import Start, from_cash, from_seen
from rebalancer.settings import AccountSettings, Service, Settings
from rebalancer.settings.models import NotFetchedError
from rebalancer.targets import resolve
from rebalancer.targets.resolve import Fetcher

Snapshots = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Whose accounts, from where they begin, and what they do."""

    settings: Settings
    starts: tuple[Start, ...]
    parts: tuple[Part, ...]
    #: Snapshots of which only the market is believed.
    market: tuple[Start, ...] = ()
    #: The record that is replayed, if one is.
    record: Record | None = None

    def symbols(self) -> list[str]:
        """Everything that a target names."""
        found: dict[str, None] = {}
        for start in self.starts:
            account = self.settings.accounts[start.account_id]
            with contextlib.suppress(RebalancerError):  # the processor will say so
                found |= dict.fromkeys(account.target().weights)
        return list(found)


def own(
    settings: Settings,
    names: Sequence[str],
    snapshots: Snapshots,
    *,
    from_snapshot: bool | None,
    cash: Decimal,
) -> Rehearsal:
    """Rehearse the accounts ``names``, or all that are traded.

    Each begins with its snapshot if ``from_snapshot``, with ``cash`` if that is false, and with
    whatever there is if it is ``None``.

    Raises:
        PermanentError: an account is not traded, or its snapshot is missing or unreadable.
    """
    chosen = list(names) or [account.account_id for account in settings.traded()]
    for name in chosen:
        if reason := settings.why_not_traded(name):
            raise PermanentError(reason)
    if not chosen:
        raise PermanentError(
            f"no enabled account of type {settings.trading_mode} in accounts.yaml"
        )
    starts: list[Start] = []
    for name in dict.fromkeys(chosen):
        seen = snapshots.get(name)
        if from_snapshot and seen is None:
            raise PermanentError(
                f"no snapshot of {name}: take one with `rebalancer preview {name}`, or leave "
                f"--from-snapshot out"
            )
        if seen is None or from_snapshot is False:
            starts.append(from_cash(name, cash))
        else:
            starts.append(from_seen(name, seen, "snapshot"))
    return Rehearsal(
        settings=_fetched(settings, starts),
        starts=tuple(starts),
        parts=tuple(Part(start.account_id) for start in starts),
        market=tuple(_readable(snapshots)),
    )


def _fetched(settings: Settings, starts: Iterable[Start]) -> Settings:
    """The settings with the weights that are at URLs, asked once for all of the rehearsal."""
    accounts = dict(settings.accounts)
    fetcher = Fetcher(os.environ)
    for name in (start.account_id for start in starts):
        try:
            accounts[name].target()
        except NotFetchedError:
            with contextlib.suppress(RebalancerError):
                target = asyncio.run(resolve.target(accounts[name], fetcher))
                accounts[name] = dataclasses.replace(accounts[name], _target=target)
        except RebalancerError:
            continue
    return dataclasses.replace(settings, accounts=accounts)


def _readable(snapshots: Snapshots) -> Iterable[Start]:
    for name, seen in snapshots.items():
        if seen is not None:
            try:
                yield from_seen(name, seen, "snapshot")
            except PermanentError:
                continue  # another account's; that of one in play was refused already


def recorded(service: Service, record: Record, own_settings: Settings | None) -> Rehearsal:
    """Rehearse a recorded run, with its target and rules, or with today's ``own_settings``.

    Raises:
        PermanentError: the run came to no plan, its rules are unknown, or the account is not
            traded by today's settings.
    """
    replay.require_replayable(record)
    event = record["event"]
    name = event["account_id"]
    if own_settings is None:
        account = AccountSettings(
            account_id=name,
            type=mode_of(name),
            enabled=True,
            strategy_name="",
            replacement_set="",
            schedules=(),
            _policy=replay.policy_of(record),
            _target=replay.target_of(record),
        )
        values = {f.name: getattr(service, f.name) for f in dataclasses.fields(Service)}
        values["trading_mode"] = account.type
        settings = Settings(**values, accounts={name: account})
    else:
        settings = own_settings
        if reason := settings.why_not_traded(name):
            raise PermanentError(reason)
    data = request.data_of(replay.aim_of(record))
    part = Part(name, data=data, spent=replay.spent_before(record))
    start = from_seen(name, record["snapshot"], "record")
    return Rehearsal(settings, (start,), (part,), record=record)
