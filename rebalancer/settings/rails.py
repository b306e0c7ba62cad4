"""The keys of the safety rails, in ``defaults`` and in every account.

``off`` takes a rail away, which is not the same as a key that is not written.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, TypeVar

from rebalancer.core.limits import Limits
from rebalancer.settings import symbols
from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.kinds import Kind, integer, key, number, percent, seconds

T = TypeVar("T")


class Switch(Enum):
    """What may stand in a figure's place."""

    OFF = "off"


Off = Literal[Switch.OFF]


def or_off(kind: Kind[T]) -> Kind[T | Off]:
    """A kind, or the word ``off``."""

    def read(item: Item) -> T | Off:
        try:
            if item.text("").casefold() == Switch.OFF.value:
                return Switch.OFF
        except BadValueError:
            pass
        try:
            return kind(item)
        except BadValueError as bad:
            told = (replace(one, expected=f"{one.expected}, or off") for one in bad.problems)
            raise BadValueError(*told) from None

    return read


def symbol_list(item: Item) -> tuple[str, ...]:
    """A list of symbols; in a variable, which holds no list, they stand between commas."""
    expected = "a list of symbols such as SPY, BRK B, VWCE@IBIS2/EUR or conid:756733"
    if item.is_list:
        named = [(one, one.text(expected)) for one in item.elements(expected)]
    else:
        named = [(item, part.strip()) for part in item.text(expected).split(",")]
    wrong = [
        one.problem(f"the symbol '{text}'", symbols.EXPECTED)
        for one, text in named
        if symbols.parse(text) is None
    ]
    if not named:
        raise item.refuse("at least one symbol", found="an empty list")
    if wrong:
        raise BadValueError(*wrong)
    return tuple(text for _, text in named)


def zone_name(item: Item) -> str:
    """The name of an IANA time zone."""
    import zoneinfo  # noqa: PLC0415 - the sweeper, which starts every few seconds, needs none

    expected = "a time zone such as America/New_York"
    name = item.text(expected)
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise item.refuse(expected) from None
    return name


@dataclass(frozen=True, slots=True)
class RailKeys:
    """What no order may exceed; ``None`` is not written. Percentages as in ``PolicyKeys``."""

    max_order_value: Decimal | Off | None = key(
        or_off(number("an amount above 0", above=True)),
        default=None,
        about="Most that one order may be worth, in the account's currency.",
    )
    max_order_percent: Decimal | Off | None = key(
        or_off(percent("1000")),
        default=None,
        about="Most that one order may be worth, of NetLiquidation.",
    )
    max_orders: int | Off | None = key(
        or_off(integer(1, 10_000)), default=None, about="Most orders of one run."
    )
    turnover_limit_per_run_percent: Decimal | Off | None = key(
        or_off(percent("10000")),
        default=None,
        about="A run that would buy and sell more together, of NetLiquidation, is refused.",
    )
    turnover_limit_per_day_percent: Decimal | Off | None = key(
        or_off(percent("10000")),
        default=None,
        about="The same for all runs of a trading day; what is above waits for the next.",
    )
    turnover_day_time_zone: str | None = key(
        zone_name, default=None, about="Whose midnight begins a trading day."
    )
    max_price_deviation_percent: Decimal | Off | None = key(
        or_off(percent()),
        default=None,
        about="Farthest that market and limit may be from the plan's reference price.",
    )
    max_close_deviation_percent: Decimal | Off | None = key(
        or_off(percent("1000")),
        default=None,
        about="Farthest that a price may be from yesterday's close.",
    )
    max_price_age_seconds: float | Off | None = key(
        or_off(seconds(3600)), default=None, about="Longest since a price was last heard of."
    )
    min_equity: Decimal | Off | None = key(
        or_off(number("an amount of at least 0")),
        default=None,
        about="NetLiquidation below which nothing is traded.",
    )
    allowed_symbols: tuple[str, ...] | Off | None = key(
        or_off(symbol_list),
        default=None,
        about="Only these are traded; if not set, whatever is targeted or held.",
    )
    min_margin_cushion_percent: Decimal | Off | None = key(
        or_off(percent()),
        default=None,
        about="Least equity free of initial margin after the orders; needs what_if.",
    )

    def limits_over(self, base: Limits) -> Limits:
        """Return ``base`` with every key that was written put over it."""
        written: dict[str, Any] = {}
        for name in RAIL_KEYS:
            value = getattr(self, name)
            if value is Switch.OFF:
                written[name.removesuffix("_percent")] = None
            elif value is not None:
                share = name.endswith("_percent")
                written[name.removesuffix("_percent")] = value / 100 if share else value
        return replace(base, **written)


RAIL_KEYS = tuple(declared.name for declared in fields(RailKeys))
