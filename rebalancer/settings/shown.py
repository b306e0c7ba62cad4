"""The settings in force, as they may be shown."""

from __future__ import annotations

import dataclasses
from typing import Any

from rebalancer.core.plain import plain
from rebalancer.errors import RebalancerError
from rebalancer.settings.accounts import AccountSettings
from rebalancer.settings.loading import Settings


def shown(settings: Settings) -> dict[str, Any]:
    """Return defaults, files and environment together, no secrets."""
    sections = {
        field.name: plain(getattr(settings, field.name))
        for field in dataclasses.fields(settings)
        if field.name not in {"accounts", "warnings", "defaults"}
    }
    sections["redis"]["url"] = settings.redis.shown
    sections["processor"]["worker"] = settings.worker
    accounts = [_account(account, settings) for account in settings.accounts.values()]
    return {**sections, "accounts": accounts}


def _account(account: AccountSettings, settings: Settings) -> dict[str, Any]:
    return {
        "account_id": account.account_id,
        "type": account.type,
        "traded": settings.why_not_traded(account.account_id) or True,
        "policy": plain(account.policy()),
        "target": _target(account),
        "schedule": [plain(schedule) for schedule in account.schedules],
    }


def _target(account: AccountSettings) -> dict[str, Any] | str:
    """The target as far as the files tell, or why they do not."""
    try:
        target = account.target()
    except RebalancerError as error:
        return account.lacks_target or str(error)
    return {"source": target.source, "hash": target.hash, "weights": plain(target.weights)}
