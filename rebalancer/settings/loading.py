"""Read everything, or refuse everything: an error in one file never hides one in another."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rebalancer.settings import accounts as accounts_yaml
from rebalancer.settings import targets_check
from rebalancer.settings.accounts import AccountSettings, AccountsFile, place_of
from rebalancer.settings.document import NOTHING, BadValueError, Item, read
from rebalancer.settings.files import Files
from rebalancer.settings.kinds import Kind, mapped
from rebalancer.settings.problems import InvalidSettingsError, Problem, did_you_mean
from rebalancer.settings.service import Service
from rebalancer.settings.service_file import read_service
from rebalancer.settings.targets import Replacement, replacement_set


@dataclass(frozen=True, slots=True)
class Settings(Service):
    """Everything in all the files."""

    accounts: Mapping[str, AccountSettings] = dataclasses.field(default_factory=dict)
    #: What is suspicious but allowed; ``rebalancer config check`` prints it.
    warnings: tuple[Problem, ...] = ()

    def why_not_traded(self, account_id: str) -> str:
        """Why an account is not traded, with the remedy; '' if it is."""
        account = self.accounts.get(account_id)
        if account is None:
            near = did_you_mean(account_id, list(self.accounts))
            return f"account {account_id} is not in accounts.yaml{near}"
        if not account.enabled:
            return f"account {account_id} has `enabled: false` in accounts.yaml"
        if account.type != self.trading_mode:
            return (
                f"account {account_id} is of type {account.type}, "
                f"and trading_mode is {self.trading_mode}"
            )
        return ""

    def traded(self) -> tuple[AccountSettings, ...]:
        """The accounts that are traded."""
        every = self.accounts.values()
        return tuple(a for a in every if not self.why_not_traded(a.account_id))


def load(files: Files, environ: Mapping[str, str] | None = None) -> Settings:
    """Read all the files and the environment.

    Raises:
        InvalidSettingsError: with everything that is wrong in any of them.
    """
    environ = os.environ if environ is None else environ
    problems: list[Problem] = []
    service, listed, sets = Service(), AccountsFile(()), {}
    root = NOTHING
    try:
        service = read_service(files, environ)
    except BadValueError as bad:
        problems.extend(bad.problems)
    try:
        root = read(files.accounts)
        listed = accounts_yaml.accounts_file(root)
    except BadValueError as bad:
        problems.extend(bad.problems)
    try:
        sets = dict(_replacement_sets(files))
    except BadValueError as bad:
        problems.extend(bad.problems)
    else:
        problems.extend(_unknown_sets(root, listed, sets, files))
    problems.extend(targets_check.wrong_sums(root, listed, service.defaults))
    found = targets_check.trees(root, listed, service.defaults, files.accounts, environ)
    problems.extend(found.errors)
    if problems:
        raise InvalidSettingsError(problems)
    resolved = {
        keys.account_id: accounts_yaml.resolve(
            keys,
            defaults=service.defaults,
            strategies=listed.strategies or {},
            replacement_sets=sets,
            file=files.accounts,
        )
        for keys in listed.accounts
    }
    if contradictions := _contradictions(root, resolved):
        raise InvalidSettingsError(contradictions)
    settings = Settings(
        **{f.name: getattr(service, f.name) for f in dataclasses.fields(Service)},
        accounts=MappingProxyType(resolved),
    )
    warnings = (*_warnings(settings, files, root), *found.warnings)
    return dataclasses.replace(settings, warnings=warnings)


def _replacement_sets(files: Files) -> Mapping[str, tuple[Replacement, ...]]:
    path = files.replacement_sets
    if not files.replacement_sets_named and not path.exists():
        return {}
    root = read(path)
    if root.empty:
        return {}
    kind: Kind[Any] = mapped(replacement_set, "a mapping from names to replacement sets")
    entries = root.entries("a mapping with replacement_sets")
    strange = [
        value.problem("an unknown key", "only replacement_sets")
        for name, value in entries.items()
        if name != "replacement_sets"
    ]
    if strange:
        raise BadValueError(*strange)
    found: Mapping[str, tuple[Replacement, ...]] = (
        kind(entries["replacement_sets"]) if "replacement_sets" in entries else {}
    )
    return found


def _unknown_sets(
    root: Item,
    listed: AccountsFile,
    sets: Mapping[str, tuple[Replacement, ...]],
    files: Files,
) -> list[Problem]:
    # Without the file only target() refuses: an old accounts.yaml still loads.
    named_in = ("replacement_set", "wash_sale_set") if sets else ("wash_sale_set",)
    return [
        place_of(root, index, key).problem(
            f"'{named}'",
            f"a set of {files.replacement_sets.name}"
            + (did_you_mean(named, list(sets)) or f": {', '.join(sets) or 'none is there'}"),
        )
        for index, keys in enumerate(listed.accounts)
        for key in named_in
        if (named := getattr(keys, key)) and named not in sets
    ]


def _contradictions(root: Item, resolved: Mapping[str, AccountSettings]) -> list[Problem]:
    """Keys that are right one by one and wrong together, defaults included."""
    return _rails_in_the_way(root, resolved) + [
        place_of(root, index, "extended_hours").problem(
            f"extended_hours with order_type {account.policy().order_type} "
            f"for {account.account_id}",
            "order_type LMT: outside regular hours a gateway holds all others back",
        )
        for index, account in enumerate(resolved.values())
        if account.policy().extended_hours and account.policy().order_type != "LMT"
    ]


def _rails_in_the_way(root: Item, resolved: Mapping[str, AccountSettings]) -> list[Problem]:
    """Rails that every order would break, or that nobody would look at."""
    problems: list[Problem] = []
    for index, account in enumerate(resolved.values()):
        policy, limits = account.policy(), account.policy().limits
        most, least = limits.max_price_deviation, limits.min_margin_cushion
        if most is not None and policy.slippage > most:
            place = place_of(root, index, "max_price_deviation_percent")
            found = f"{(most * 100).normalize():f} for {account.account_id}"
            slippage = (policy.slippage * 100).normalize()
            expected = f"off, or at least slippage_percent ({slippage:f})"
            problems.append(place.problem(found, expected))
        if least and not policy.what_if:
            place = place_of(root, index, "min_margin_cushion_percent")
            found = f"it without what_if for {account.account_id}"
            problems.append(place.problem(found, "what_if: on, by which it is known"))
    return problems


def _warnings(settings: Settings, files: Files, root: Item) -> tuple[Problem, ...]:
    warnings: list[Problem] = []
    if not files.config.exists():
        built_in = "rebalancer.yaml, or these built-in defaults to be meant"
        warnings.append(Problem(str(files.config), 0, "", "no such file", built_in))
    if not settings.traded():
        none = f"an enabled account of type {settings.trading_mode}, or nothing is traded"
        warnings.append(Problem(str(files.accounts), 0, "accounts", "no such account", none))
    for service in settings.notify.services:
        # Whoever is told about an account that is spelled wrong is told nothing.
        for name in service.accounts:
            if name not in settings.accounts:
                near = did_you_mean(name, list(settings.accounts))
                found = f"account {name} of {service.name}"
                expected = f"one of accounts.yaml{near}"
                config = str(files.config)
                warnings.append(Problem(config, 0, "notify.services", found, expected))
    for index, account in enumerate(settings.accounts.values()):
        paper = account.account_id.startswith(("DU", "DF"))
        if paper != (account.type == "paper"):
            place = place_of(root, index, "type")
            shape = "DU… or DF… for paper, others for live; the gateway will refuse this one"
            warnings.append(place.problem(f"{account.type} for {account.account_id}", shape))
        if account.lacks_target and not settings.why_not_traded(account.account_id):
            place = place_of(root, index)
            warnings.append(place.problem("no target", f"one: {account.lacks_target}"))
    return tuple(warnings)
