"""``accounts.yaml``: what is traded, towards what, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from rebalancer.core.policy import Bounds, OrderType, Policy
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError
from rebalancer.settings import symbols, targets
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
from rebalancer.settings.models import Definition, grow, target_of
from rebalancer.settings.policy import ORDER_TYPES, PolicyKeys, SumRule
from rebalancer.settings.problems import Problem
from rebalancer.settings.rails import symbol_list
from rebalancer.settings.schedules import Schedule, schedule
from rebalancer.settings.sources import Source, Weights, source


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
    targets: Source | None = key(
        source, default=None, about="Weights, or where they are, instead of the strategy's."
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

    targets: Source = key(source, about="Weights, or where they are.")
    targets_sum: SumRule | None = key(
        one_of("refuse", "cash", "normalise"),
        default=None,
        about="For this model, unless the account says; if not set, as in `defaults`.",
    )


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
    model = account.targets.by_symbol if isinstance(account.targets, Weights) else {}
    return [
        place.problem(f"{name} for {target}", f"the target's {target}")
        for place, name in named
        for target in model
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


def place_of(root: Item, index: int, *path: str) -> Item:
    """Where a key of the account with this index stands, or the nearest above it."""
    listed = root if root.is_list else root.at("accounts")
    return list(listed.elements(""))[index].at(*path)


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
    #: The target, where it comes from, or why there is none and what to do about it.
    _target: Target | Definition | str = field(repr=False)

    def policy(self) -> Policy:
        """How this account may be moved."""
        return self._policy

    @property
    def lacks_target(self) -> str:
        """What to do about a missing target; '' when there is one."""
        return self._target if isinstance(self._target, str) else ""

    def definition(self) -> Target | Definition:
        """Where its target comes from. Raises ``PermanentError`` if nobody said."""
        if isinstance(self._target, str):
            raise PermanentError(f"account {self.account_id} has no target: {self._target}")
        return self._target

    def target(self) -> Target:
        """What it should hold, read anew, without asking a URL.

        Raises:
            PermanentError: with the remedy if nobody said, the weights are wrong or at a URL.
            RetryableError: a model file cannot be read now.
        """
        found = self.definition()
        return found if isinstance(found, Target) else target_of(found, grow(found))


def resolve(
    account: AccountKeys,
    *,
    defaults: PolicyKeys,
    strategies: Mapping[str, Strategy],
    replacement_sets: Mapping[str, Sequence[targets.Replacement]],
    file: Path,
) -> AccountSettings:
    """Put an account together from its keys and what they refer to."""
    policy = account.over(defaults.over(Policy(bounds=_bounds(account))))
    return AccountSettings(
        account_id=account.account_id,
        type=account.type,
        enabled=account.enabled,
        strategy_name=account.strategy_name,
        replacement_set=account.replacement_set,
        schedules=account.schedule,
        _policy=policy,
        _target=_target(account, defaults, strategies, replacement_sets, file),
    )


def _bounds(account: AccountKeys) -> Mapping[str, Bounds]:
    bounds = dict(account.bounds or {})
    for name in account.no_sell:
        bounds[name] = replace(bounds.get(name, Bounds()), no_sell=True)
    return MappingProxyType(bounds)


def _target(
    account: AccountKeys,
    defaults: PolicyKeys,
    strategies: Mapping[str, Strategy],
    replacement_sets: Mapping[str, Sequence[targets.Replacement]],
    file: Path,
) -> Definition | str:
    name = account.strategy_name
    rule = account.targets_sum
    if account.targets is not None:
        model, said = account.targets, f"account {account.account_id}"
    elif name in strategies:
        model, said = strategies[name].targets, f"strategy {name}"
        rule = rule or strategies[name].targets_sum
    elif name:
        strategy = f"strategies: {{{name}: {{targets: …}}}}"
        return f"add `targets` to it, or `{strategy}`, in {file.name}"
    else:
        return f"add `targets` or `strategy_name` to it in {file.name}"
    if account.replacement_set and account.replacement_set not in replacement_sets:
        return f"replacement-sets.yaml with the set {account.replacement_set} is missing"
    chosen = account.wash_sale_set or account.replacement_set
    return Definition(
        name=said,
        strategy_name=name,
        source=model,
        rule=rule or defaults.targets_sum or "cash",
        strategies=strategies,
        folder=file.parent,
        file=file.name,
        replacement_set=account.replacement_set,
        replacements=replacement_sets.get(account.replacement_set, ()),
        instead=replacement_sets.get(chosen, ()),
    )
