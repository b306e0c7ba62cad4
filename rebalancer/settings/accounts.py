"""``accounts.yaml``: what is traded, towards what, and when."""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from decimal import Decimal
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

from rebalancer.core.event import COMMANDS
from rebalancer.core.policy import Bounds, OrderType, Policy
from rebalancer.core.sessions import Offset, Period, Which
from rebalancer.core.target import Substitute, Target
from rebalancer.errors import PermanentError
from rebalancer.settings import symbols, targets, times
from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.kinds import (
    boolean,
    gather,
    key,
    mapped,
    one_of,
    one_or_more,
    percent,
    section,
    text,
)
from rebalancer.settings.policy import ORDER_TYPES, PolicyKeys
from rebalancer.settings.problems import Problem, did_you_mean
from rebalancer.settings.rails import symbol_list

EVERY_DAY = frozenset(range(7))
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def time_zone(item: Item) -> ZoneInfo:
    """An IANA time zone."""
    expected = "a time zone such as America/New_York"
    name = item.text(expected)
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        close = did_you_mean(name, sorted(zoneinfo.available_timezones()))
        raise item.refuse(expected + close) from None


def weekdays(item: Item) -> frozenset[int]:
    """A list of days; Monday is 0."""
    days = gather(one_of(*_DAYS), item.elements(f"a list of {', '.join(_DAYS)}"))
    if not days:
        raise item.refuse("at least one day", found="an empty list")
    return frozenset(_DAYS.index(day) for day in days)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to signal a command for an account by the clock."""

    at: time | Offset | None = key(
        times.moment,
        default=None,
        about="""Local time of day; with calendar also such as `30 minutes before close` or
            `5 minutes after open`. Required, unless there is cron.""",
    )
    cron: str = key(
        times.cron,
        default="",
        about="Instead of at and days: a cron expression of five fields.",
    )
    time_zone: ZoneInfo = key(
        time_zone, default=ZoneInfo("America/New_York"), about="Whose local time."
    )
    days: frozenset[int] = key(
        weekdays,
        default=frozenset(range(5)),
        about="On which days; if not set Monday to Friday, or with calendar all its days.",
    )
    calendar: str = key(
        times.calendar,
        default="",
        about="Only on the trading days of this exchange, such as XNYS.",
    )
    day: Which = key(
        one_of("every", "first", "last"),
        default="every",
        about="Which of the calendar's trading days: every, or the first or last of a period.",
    )
    of: Period | Literal[""] = key(
        one_of("week", "month", "quarter", "year"),
        default="",
        about="The period for day: week, month, quarter or year.",
    )
    exec_command: str = key(one_of(*COMMANDS), default="rebalance", about="What to do.")


def schedule(item: Item) -> Schedule:
    """One schedule, its keys held against one another."""
    read: Schedule = section(Schedule)(item)
    if problems := tuple(times.contradictions(item, read)):
        raise BadValueError(*problems)
    if read.calendar and "days" not in item.entries(""):
        return replace(read, days=EVERY_DAY)
    return read


@dataclass(frozen=True, slots=True)
class BoundsKeys:
    """What must not be done with one symbol."""

    no_buy: bool = key(boolean, default=False, about="Never buy it.")
    no_sell: bool = key(boolean, default=False, about="Never sell it.")
    drift_band_percent: Decimal | None = key(
        percent(), default=None, about="Its own band instead of the account's."
    )
    order_type: OrderType | None = key(
        one_of(*ORDER_TYPES), default=None, about="Its own way to be worked."
    )

    def bounds(self) -> Bounds:
        """The same with fractions."""
        band = None if self.drift_band_percent is None else self.drift_band_percent / 100
        return Bounds(self.no_buy, self.no_sell, band, self.order_type)


def bounds(item: Item) -> Mapping[str, Bounds]:
    """Bounds by symbol."""
    entries = item.entries("a mapping from symbols to bounds")
    strange = [
        value.problem(f"the symbol '{name}'", symbols.EXPECTED)
        for name, value in entries.items()
        if symbols.parse(name) is None
    ]
    if strange:
        raise BadValueError(*strange)
    read = mapped(section(BoundsKeys), "bounds")(item)
    return MappingProxyType({name: one.bounds() for name, one in read.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountKeys(PolicyKeys):
    """One entry of ``accounts``."""

    account_id: str = key(
        text("an IBKR account such as U123456", pattern=r"[A-Z]{1,4}[0-9]{1,12}"),
        about="The account, as IBKR names it.",
    )
    type: Literal["paper", "live"] = key(
        one_of("paper", "live"), about="Traded only when trading_mode is the same."
    )
    enabled: bool = key(boolean, default=True, about="false: leave this account alone.")
    strategy_name: str = key(text(), default="", about="Whose targets it follows.")
    replacement_set: str = key(
        text(), default="", about="Set in replacement-sets.yaml applied to the targets."
    )
    targets: Mapping[str, Decimal] | None = key(
        targets.weights, default=None, about="Weights by symbol, instead of the strategy's."
    )
    bounds: Mapping[str, Bounds] | None = key(
        bounds,
        default=None,
        about="Per symbol: no_buy, no_sell, drift_band_percent, order_type.",
    )
    no_sell: tuple[str, ...] = key(
        symbol_list, default=(), about="Symbols never sold: short for a bound on each."
    )
    wash_sale_set: str = key(
        text(),
        default="",
        about="""Set in replacement-sets.yaml with what to buy instead while wash_sale_guard
            bars a symbol; if not set, the replacement_set.""",
    )
    schedule: tuple[Schedule, ...] = key(
        one_or_more(schedule), default=(), about="Signals by the clock; one or a list."
    )


@dataclass(frozen=True, slots=True)
class Strategy:
    """A model that several accounts may follow."""

    targets: Mapping[str, Decimal] = key(targets.weights, about="Weights by symbol.")


def _accounts(item: Item) -> tuple[AccountKeys, ...]:
    elements = list(item.elements("a list of accounts"))
    problems: list[Problem] = []
    first: dict[str, Item] = {}
    for element in elements:
        named = element.at("account_id")
        if named is element or named.empty or named.is_list:
            continue
        name = named.shown()
        if name in first:
            again = f"{name} again (first on line {first[name].line})"
            problems.append(named.problem(again, "each account once"))
        first.setdefault(name, named)
    try:
        found = gather(section(AccountKeys), elements)
    except BadValueError as bad:
        raise BadValueError(*bad.problems, *problems) from None
    problems += [
        problem
        for element, account in zip(elements, found, strict=True)
        for problem in _misspelled_bounds(element, account)
    ]
    if problems:
        raise BadValueError(*problems)
    return found


def _misspelled_bounds(element: Item, account: AccountKeys) -> list[Problem]:
    """A bound that names a target in other words would bind nothing."""
    named = [(element.at("bounds", name), name) for name in account.bounds or ()]
    named += [(element.at("no_sell"), name) for name in account.no_sell]
    if isinstance(account.allowed_symbols, tuple):
        named += [(element.at("allowed_symbols"), name) for name in account.allowed_symbols]
    return [
        place.problem(f"{name} for {target}", f"the target's {target}")
        for place, name in named
        for target in account.targets or ()
        if name != target and symbols.same(name, target)
    ]


@dataclass(frozen=True, slots=True)
class AccountsFile:
    """The whole file, or just the list under ``accounts``."""

    accounts: tuple[AccountKeys, ...] = key(_accounts, about="The accounts.")
    strategies: Mapping[str, Strategy] | None = key(
        mapped(section(Strategy), "a mapping from strategy names to their targets"),
        default=None,
        about="Models by name.",
    )


def accounts_file(item: Item) -> AccountsFile:
    """Read the root of accounts.yaml."""
    if item.is_list:
        return AccountsFile(_accounts(item))
    return section(AccountsFile)(item)


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One account, with defaults, strategy and replacements applied."""

    account_id: str
    type: Literal["paper", "live"]
    enabled: bool
    strategy_name: str
    replacement_set: str
    schedules: tuple[Schedule, ...]
    _policy: Policy = field(repr=False)
    #: The target, or why there is none and what to do about it.
    _target: Target | str = field(repr=False)
    #: What may be bought instead of a target that the wash-sale guard bars.
    substitutes: Mapping[str, Substitute] = field(default_factory=dict, repr=False)

    def policy(self) -> Policy:
        """How this account may be moved."""
        return self._policy

    @property
    def lacks_target(self) -> str:
        """What to do about a missing target; '' when there is one."""
        return self._target if isinstance(self._target, str) else ""

    def target(self) -> Target:
        """What it should hold. Raises ``PermanentError`` with the remedy if nobody said."""
        if isinstance(self._target, str):
            raise PermanentError(f"account {self.account_id} has no target: {self._target}")
        return self._target


def resolve(
    account: AccountKeys,
    *,
    defaults: PolicyKeys,
    strategies: Mapping[str, Strategy],
    replacement_sets: Mapping[str, Sequence[targets.Replacement]],
    file: str,
) -> AccountSettings:
    """Put an account together from its keys and what they refer to."""
    policy = account.over(defaults.over(Policy(bounds=_bounds(account))))
    target = _target(account, strategies, replacement_sets, file)
    chosen = account.wash_sale_set or account.replacement_set
    return AccountSettings(
        account_id=account.account_id,
        type=account.type,
        enabled=account.enabled,
        strategy_name=account.strategy_name,
        replacement_set=account.replacement_set,
        schedules=account.schedule,
        _policy=policy,
        _target=target,
        substitutes=_substitutes(target, replacement_sets.get(chosen, ())),
    )


def _bounds(account: AccountKeys) -> Mapping[str, Bounds]:
    bounds = dict(account.bounds or {})
    for name in account.no_sell:
        bounds[name] = replace(bounds.get(name, Bounds()), no_sell=True)
    return MappingProxyType(bounds)


def _substitutes(
    target: Target | str, replacements: Sequence[targets.Replacement]
) -> Mapping[str, Substitute]:
    found = {
        name: Substitute(one.target, one.scale)
        for name in (() if isinstance(target, str) else target.weights)
        for one in replacements
        if symbols.same(one.source, name)
    }
    return MappingProxyType(found)


def _target(
    account: AccountKeys,
    strategies: Mapping[str, Strategy],
    replacement_sets: Mapping[str, Sequence[targets.Replacement]],
    file: str,
) -> Target | str:
    name = account.strategy_name
    if account.targets is not None:
        model, source = account.targets, f"{file}, account {account.account_id}"
    elif name in strategies:
        model, source = strategies[name].targets, f"{file}, strategy {name}"
    elif name:
        return f"add `targets` to it, or `strategies: {{{name}: {{targets: …}}}}`, in {file}"
    else:
        return f"add `targets` or `strategy_name` to it in {file}"
    if account.replacement_set:
        if account.replacement_set not in replacement_sets:
            return f"replacement-sets.yaml with the set {account.replacement_set} is missing"
        model = targets.replaced(model, replacement_sets[account.replacement_set])
        source += f", replacement set {account.replacement_set}"
    return Target(model, source)
