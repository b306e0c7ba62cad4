"""From the operator's settings to what the daemon runs: plain values for each source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rebalancer.broker.calendars import Almanac
from rebalancer.broker.channel import Channel
from rebalancer.broker.channel_presets import Endpoint
from rebalancer.broker.clock import Clock
from rebalancer.broker.daemon import Source
from rebalancer.broker.rules import Cron, Rule, TradingDays, Weekly
from rebalancer.broker.schedule import Schedule
from rebalancer.broker.spool import Spool
from rebalancer.core.sessions import Offset
from rebalancer.ingest import Audience
from rebalancer.settings import AccountSettings, Settings
from rebalancer.settings import Schedule as ScheduleSettings

if TYPE_CHECKING:
    from rebalancer.settings.channels import ChannelKeys


def sources(
    settings: Settings, almanac: Almanac, *, starting: bool, secret: Callable[[str], Path]
) -> Sequence[Source]:
    """Every source that the settings ask for; ``secret`` says where a credential's file is."""
    found: list[Source] = [
        Clock(
            tuple(schedules(settings.traded())),
            settings.broker.grace_seconds,
            almanac,
            starting,
        )
    ]
    if settings.broker.spool_directory:
        directory = Path(settings.broker.spool_directory)
        keep = settings.broker.spool_keep_days * 86_400.0
        found.append(Spool(directory, audience(settings), keep))
    found += channels(settings, secret)
    return found


def channels(settings: Settings, secret: Callable[[str], Path]) -> list[Channel]:
    """Every stream that the settings ask for."""
    every = audience(settings)
    return [
        channel
        for keys in settings.broker.channels
        for channel in _channels(keys, every, secret)
    ]


def _channels(
    keys: ChannelKeys, every: Audience, secret: Callable[[str], Path]
) -> Iterator[Channel]:
    """The streams of one entry: at Ably one for each strategy, else one."""
    reached = _narrowed(every, keys)
    followed = sorted(set(filter(None, reached.strategies.values())))
    channel = Channel(
        keys.name,
        Endpoint(keys.preset, keys.place, keys.topic),
        reached,
        keys.topic if keys.topic in followed else "",
        secret(keys.credential) if keys.credential else None,
        keys.silence,
        keys.keeps,
    )
    if keys.preset != "ably":
        only = keys.strategies[0] if len(keys.strategies) == 1 else channel.strategy
        yield replace(channel, strategy=only)
        return
    for strategy in followed:
        # Who may publish there is decided channel by channel, so it may signal no other.
        own = [account for account, name in reached.strategies.items() if name == strategy]
        yield replace(
            channel,
            label=f"{keys.name}/{strategy}",
            endpoint=Endpoint(keys.preset, keys.place, strategy),
            audience=_only(reached, own, f"{keys.name}/{strategy}"),
            strategy=strategy,
        )


def _narrowed(every: Audience, keys: ChannelKeys) -> Audience:
    """Whom a channel may signal."""
    if not keys.strategies and not keys.accounts:
        return every
    allowed = [
        account
        for account, strategy in every.strategies.items()
        if strategy in keys.strategies or account in keys.accounts
    ]
    return _only(every, allowed, keys.name)


def _only(every: Audience, accounts: Sequence[str], channel: str) -> Audience:
    def why_not(account: str) -> str:
        if reason := every.why_not(account):
            return reason
        allowed = account in accounts
        return "" if allowed else f"channel {channel} may not signal account {account}"

    kept = {one: name for one, name in every.strategies.items() if one in accounts}
    return Audience(kept, why_not)


def audience(settings: Settings) -> Audience:
    """Whom signals may be for."""
    strategies = {one.account_id: one.strategy_name for one in settings.traded()}
    return Audience(strategies, settings.why_not_traded)


def schedules(accounts: Sequence[AccountSettings]) -> list[Schedule]:
    """The schedules of these accounts; one that stands there twice is one."""
    every = [
        Schedule(account.account_id, one.exec_command, _rule(one), one.data())
        for account in accounts
        for one in account.schedules
    ]
    return list({schedule.name: schedule for schedule in every}.values())


def _rule(one: ScheduleSettings) -> Rule:
    if one.cron:
        return Cron(one.cron, one.time_zone, one.calendar)
    if one.at is None:
        raise ValueError("a schedule without at and cron is refused when it is read")
    if one.calendar:
        at, period = one.at, one.of or "month"
        return TradingDays(at, one.time_zone, one.days, one.calendar, one.day, period)
    if isinstance(one.at, Offset):
        raise TypeError("an offset without a calendar is refused when it is read")
    return Weekly(one.at, one.time_zone, one.days)
