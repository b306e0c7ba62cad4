"""docs/reference/accounts-keys.md, made of the classes that read the files.

python -m rebalancer.settings.reference > docs/reference/accounts-keys.md
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin, get_type_hints

from rebalancer.core.policy import Policy
from rebalancer.settings.accounts import (
    AccountKeys,
    AccountsFile,
    BoundsKeys,
    Strategy,
)
from rebalancer.settings.asks import WhenKeys
from rebalancer.settings.policy import KEYS, PolicyKeys
from rebalancer.settings.rails import RAIL_KEYS, RailKeys
from rebalancer.settings.schedules import Schedule
from rebalancer.settings.sources import Api, Json
from rebalancer.settings.targets import Replacement

_HEAD = """\
# Every key of accounts.yaml, with an example

Made of the classes in `rebalancer/settings/` by
`python -m rebalancer.settings.reference > docs/reference/accounts-keys.md`; to change this
page, change them. What the keys are for is told in [accounts.md](accounts.md). Editors that
understand JSON Schema complete and check the files with `packaging/schemas/*.schema.json`: a
first line `# yaml-language-server: $schema=PATH` says which.
"""
_SHARED = "In an account, or for all of them in `defaults` of rebalancer.yaml."
_SECTIONS: tuple[tuple[str, str, type], ...] = (
    ("The file", "", AccountsFile),
    ("An account", "Each entry of `accounts`.", AccountKeys),
    (
        "How it may be moved",
        _SHARED,
        PolicyKeys,
    ),
    ("Safety rails", "In the same places; `off` takes a rail away.", RailKeys),
    ("Bounds of one symbol", "Under `bounds: {SYMBOL: …}`.", BoundsKeys),
    ("A schedule", "Under `schedule`, one or a list.", Schedule),
    ("A condition", "Under `when` of a schedule: rebalance only then.", WhenKeys),
    ("A strategy", "Under `strategies: {NAME: …}`.", Strategy),
    ("Weights of an API", "Under `targets: {api: …}`.", Api),
    ("Weights in any JSON", "Under `targets: {json: …}`.", Json),
    ("A replacement", "Each entry of a set in replacement-sets.yaml.", Replacement),
)
#: Where a default or the words that are allowed make no good example: by class and key, or key.
EXAMPLES: Mapping[str, str] = {
    "AccountsFile.accounts": "[{account_id: DU1234567, type: paper, strategy_name: mix}]",
    "AccountsFile.strategies": "{mix: {targets: {VTI: 60%, BND: 40%}}}",
    "account_id": "U1234567",
    "strategy_name": "global-60-40",
    "replacement_set": "retirement",
    "wash_sale_set": "harvest",
    "AccountKeys.targets": "{VTI: 60%, BND: 40%}",
    "Strategy.targets": "{models: {equity: 70%, bonds: 30%}}",
    "bounds": "{BND: {no_sell: true}}",
    "AccountKeys.no_sell": "[GLD, BND]",
    "schedule": '{at: "15:30", days: [mon]}',
    "at": '"15:30"',
    "time_zone": "Europe/Berlin",
    "days": "[mon, thu]",
    "cron": '"30 15 * * fri"',
    "calendar": "XNYS",
    "day": "first",
    "of": "month",
    "exec_command": "print-rebalance",
    "mode": "buy-only",
    "raise_cash": "5000",
    "when": "{drift_exceeds_percent: 5, uninvested_cash_exceeds_percent: 2}",
    "drift_exceeds_percent": "5",
    "drift_exceeds_relative_percent": "25",
    "uninvested_cash_exceeds_percent": "2",
    "cash_reserve_percent": "2",
    "reprice_times": "3",
    "slippage_percent": "0.3",
    "min_order_value": "250",
    "max_turnover_percent": "40",
    "drift_band_percent": "1.5",
    "approval_expires_minutes": "120",
    "approval_tolerance_percent": "0.5",
    "max_order_value": "50000",
    "max_order_percent": "25",
    "max_orders": "40",
    "turnover_limit_per_run_percent": "120",
    "turnover_limit_per_day_percent": "150",
    "turnover_day_time_zone": "Europe/Berlin",
    "max_price_deviation_percent": "2",
    "max_close_deviation_percent": "10",
    "max_price_age_seconds": "30",
    "min_equity": "5000",
    "allowed_symbols": "[VTI, BND]",
    "min_margin_cushion_percent": "20",
    "Api.url": "https://models.example.com/v1",
    "Json.url": "https://example.com/{strategy_name}.json",
    "credential": "model_key",
    "timeout_seconds": "5",
    "items": '"$.positions[*]"',
    "Json.symbol": '"$.ticker"',
    "Json.weight": '"$.share"',
    "headers": '{Authorization: "Bearer {credential}"}',
    "source": "VTI",
    "target": "ITOT",
    "scale": "0.5",
}
_SHOWN: Mapping[str, str] = {
    "time_zone": "`America/New_York`",
    "days": "`[mon, tue, wed, thu, fri]`",
    "targets_sum": "`cash`",
    "Strategy.targets_sum": "-",
}


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    for title, where, cls in _SECTIONS:
        parts.append(f"## {title}\n")
        if where:
            parts.append(f"{where}\n")
        rows = (
            (f"`{field.name}`", _default(cls, field), _cell(example(cls, field)), _about(field))
            for field in fields(cls)
        )
        parts += [_table(("key", "default", "example", "meaning"), rows), ""]
    return "\n".join(parts)


def fields(cls: type) -> list[dataclasses.Field[Any]]:
    """The keys that a class declares itself; those it inherits are told elsewhere."""
    inherited = {
        field.name
        for base in cls.__mro__[1:]
        if dataclasses.is_dataclass(base)
        for field in dataclasses.fields(base)
    }
    return [f for f in dataclasses.fields(cls) if f.name not in inherited]


def example(cls: type, field: dataclasses.Field[Any]) -> str:
    """Return a value as it may stand in the file.

    Raises:
        LookupError: ``EXAMPLES`` has none, and none can be made up.
    """
    given = EXAMPLES.get(f"{cls.__name__}.{field.name}", EXAMPLES.get(field.name))
    if given is not None:
        return given
    for hint in _inner(get_type_hints(cls)[field.name]):
        if hint is bool:
            return "false" if field.default is True else "true"
        if get_origin(hint) is Literal and isinstance(get_args(hint)[-1], str):
            return str(get_args(hint)[-1])
        if isinstance(field.default, int | float | Decimal):
            return f"{field.default}"
    raise LookupError(f"rebalancer/settings/reference.py: EXAMPLES lacks {field.name}")


def _inner(hint: Any) -> tuple[Any, ...]:
    parts = get_args(hint)
    union = get_origin(hint) is not Literal and parts and type(None) in parts
    return parts if union else (hint,)


def _default(cls: type, field: dataclasses.Field[Any]) -> str:
    shown = _SHOWN.get(f"{cls.__name__}.{field.name}", _SHOWN.get(field.name))
    if shown is not None:
        return shown
    if field.default is dataclasses.MISSING:
        return "required"
    value: Any = field.default
    if cls in {PolicyKeys, RailKeys} and field.name in KEYS:
        policy = Policy()
        owner: Any = policy.limits if field.name in RAIL_KEYS else policy
        value = getattr(owner, field.name.removesuffix("_percent"))
        if field.name.endswith("_percent") and value is not None:
            value = (value * 100).normalize() + 0
    if value is None or value in {"", ()}:
        return "-"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _about(field: dataclasses.Field[Any]) -> str:
    return str(field.metadata["about"])


def _cell(text: str) -> str:
    return f"`{text}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    written = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join((written[0], "|---" * len(head) + "|", *written[1:]))


if __name__ == "__main__":
    sys.stdout.write(page())
