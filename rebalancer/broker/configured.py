"""From the operator's settings to what the daemon runs: plain values for each source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rebalancer.broker.calendars import Almanac
from rebalancer.broker.clock import Clock
from rebalancer.broker.daemon import Source
from rebalancer.broker.rules import Cron, Rule, TradingDays, Weekly
from rebalancer.broker.schedule import Schedule
from rebalancer.broker.spool import Spool
from rebalancer.core.sessions import Offset
from rebalancer.ingest import Audience
from rebalancer.settings import AccountSettings, Settings
from rebalancer.settings import Schedule as ScheduleSettings


def sources(settings: Settings, almanac: Almanac, *, starting: bool) -> Sequence[Source]:
    """Every source that the settings ask for."""
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
    return found


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
