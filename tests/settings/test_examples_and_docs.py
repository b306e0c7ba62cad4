"""The examples load, and the reference names every key with its default and its variable."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from rebalancer.core.policy import Policy
from rebalancer.settings import load, load_service, locate
from rebalancer.settings.accounts import AccountKeys, BoundsKeys
from rebalancer.settings.asks import WhenKeys
from rebalancer.settings.environment import variables
from rebalancer.settings.notify import ServiceKeys
from rebalancer.settings.policy import KEYS, PolicyKeys
from rebalancer.settings.rails import RAIL_KEYS, RailKeys
from rebalancer.settings.schedules import Schedule
from rebalancer.settings.service import Service
from rebalancer.settings.sources import Api, Json
from rebalancer.settings.targets import Replacement
from rebalancer.settings.windows import WindowKeys

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "packaging" / "examples"
REFERENCE = ROOT / "docs" / "reference"


def test_the_examples_load() -> None:
    settings = load(locate({}, config=EXAMPLES / "rebalancer.yaml"), {})
    assert settings.warnings == ()
    assert [account.account_id for account in settings.traded()] == ["DU1234567"]
    assert settings.accounts["U7654321"].target().weights["AGG"] == Decimal("0.28")


def test_the_example_shows_the_defaults() -> None:
    files = locate({}, config=EXAMPLES / "rebalancer.yaml")
    shown = load_service(files, {})
    built_in = load_service(
        dataclasses.replace(files, config=Path("/nowhere"), config_named=False), {}
    )
    assert dataclasses.replace(shown, defaults=PolicyKeys()) == built_in
    assert shown.defaults.over(Policy()) == Policy()


def _value(value: Any) -> str:
    if value in ("", (), None):
        return "-"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`"


_BUILT_IN: dict[tuple[str, ...], str] = {
    ("gateway", "port"): "-",
    ("gateway", "windows"): "IBKR's",
}


def service_table() -> str:
    lines = ["| key | variable | default | meaning |", "|---|---|---|---|"]
    for variable, path in variables().items():
        if path[0] == "defaults":
            continue
        owner: Any = Service()
        for name in path[:-1]:
            owner = getattr(owner, name)
        [field] = [f for f in dataclasses.fields(owner) if f.name == path[-1]]
        default = _BUILT_IN.get(path) or _value(field.default)
        about = field.metadata["about"]
        lines.append(f"| `{'.'.join(path)}` | `{variable}` | {default} | {about} |")
    return "\n".join(lines)


def keys_table(kind: Any, but: tuple[str, ...] = ()) -> str:
    lines = ["| key | default | meaning |", "|---|---|---|"]
    policy = Policy()
    for field in dataclasses.fields(kind):
        if field.name in but:
            continue
        if field.name in KEYS and issubclass(kind, RailKeys):
            owner: Any = policy.limits if field.name in RAIL_KEYS else policy
            value = getattr(owner, field.name.removesuffix("_percent"))
            if field.name.endswith("_percent") and value is not None:
                value = (value * 100).normalize() + 0
            default = _value(str(value).lower() if isinstance(value, bool) else value)
        elif field.default is dataclasses.MISSING:
            default = "required"
        elif field.default == ():
            default = "-"
        elif shown := _SHOWN.get(f"{kind.__name__}.{field.name}") or _SHOWN.get(field.name):
            default = shown
        else:
            default = _value(field.default)
        lines.append(f"| `{field.name}` | {default} | {field.metadata['about']} |")
    return "\n".join(lines)


_SHOWN = {
    "enabled": "`true`",
    "PolicyKeys.targets_sum": "`cash`",
    "AccountKeys.targets_sum": "`cash`",
    "no_buy": "`false`",
    "no_sell": "`false`",
    "time_zone": "`America/New_York`",
    "days": "`[mon, tue, wed, thu, fri]`",
    "WindowKeys.days": "every day",
    "login": "`false`",
    "percent": "`false`",
    "allow_http": "`false`",
    "levels": "all",
}


@pytest.mark.parametrize(
    ("file", "table"),
    [
        ("settings.md", service_table()),
        ("settings.md", keys_table(WindowKeys)),
        ("settings.md", keys_table(ServiceKeys)),
        ("accounts.md", keys_table(PolicyKeys, RAIL_KEYS)),
        ("accounts.md", keys_table(RailKeys)),
        ("accounts.md", keys_table(Schedule)),
        ("accounts.md", keys_table(WhenKeys)),
        ("accounts.md", keys_table(BoundsKeys)),
        ("accounts.md", keys_table(Replacement)),
        ("accounts.md", keys_table(Api)),
        ("accounts.md", keys_table(Json)),
    ],
    ids=[
        "service",
        "windows",
        "services",
        "policy",
        "rails",
        "schedule",
        "when",
        "bounds",
        "replacement",
        "api",
        "json",
    ],
)
def test_the_reference_has_the_table(file: str, table: str) -> None:
    assert table in (REFERENCE / file).read_text()


def test_the_reference_has_the_accounts_keys() -> None:
    text = (REFERENCE / "accounts.md").read_text()
    for line in keys_table(AccountKeys).splitlines():
        assert line in text
