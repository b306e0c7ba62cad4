"""The flags that say what a rebalance is to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from rebalancer.core.request import THRESHOLDS

F = TypeVar("F", bound=Callable[..., Any])


def ask_options(function: F) -> F:
    """``--buy-only``, ``--raise-cash`` and ``--when``."""
    buy_only = click.option(
        "--buy-only", is_flag=True, help="Invest the cash above the reserve; sell nothing."
    )
    raise_cash = click.option(
        "--raise-cash",
        metavar="AMOUNT",
        help="Have so much cash above the reserve: sell just enough, buy nothing.",
    )
    when = click.option(
        "--when",
        "conditions",
        multiple=True,
        metavar="THRESHOLD=PERCENT",
        help=f"Only if one is exceeded: {', '.join(THRESHOLDS)}.",
    )
    return buy_only(raise_cash(when(function)))


def asked(
    data: Mapping[str, Any],
    *,
    buy_only: bool,
    raise_cash: str | None,
    conditions: tuple[str, ...],
) -> dict[str, Any]:
    """``data`` with what those flags say. What it must not be, whoever accepts it says."""
    said: dict[str, Any] = {}
    if buy_only:
        said["mode"] = "buy-only"
    if raise_cash is not None:
        said["raise_cash"] = raise_cash
    if conditions:
        said["when"] = dict(map(_condition, conditions))
    if twice := said.keys() & data.keys():
        raise click.UsageError(f"{', '.join(sorted(twice))} stands in --data already")
    return {**data, **said}


def _condition(text: str) -> tuple[str, str]:
    name, sign, limit = text.partition("=")
    if not sign:
        raise click.UsageError(f"--when {text}: write it as drift_exceeds_percent=5")
    return name, limit.removesuffix("%")


def told(data: Mapping[str, Any]) -> str:
    """What the data of a signal ask for, in words; '' if nothing in particular."""
    if "asks" in data:
        return " and ".join(told(ask) or kind for kind, ask in data["asks"].items())
    said = []
    if data.get("mode", "full") != "full":
        said.append(str(data["mode"]))
    if "raise_cash" in data:
        said.append(f"raise_cash {data['raise_cash']}")
    if when := data.get("when"):
        limits = (f"{name.replace('_', ' ')} {limit}" for name, limit in when.items())
        said.append(f"if {' or '.join(limits)}")
    return " ".join(said)
