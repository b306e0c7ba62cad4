"""What can be said of targets before any event: sums, circles, model files, credentials.

What stands in accounts.yaml itself is an error there. A model file is written by somebody
else, and the next event reads it anew: what is wrong with one now is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rebalancer.errors import RebalancerError
from rebalancer.settings.accounts import AccountsFile, place_of
from rebalancer.settings.credentials import Credentials
from rebalancer.settings.document import Item
from rebalancer.settings.models import Definition, Node, NotFetchedError, grow
from rebalancer.settings.policy import PolicyKeys, SumRule
from rebalancer.settings.problems import InvalidSettingsError, Problem
from rebalancer.settings.sources import Weights
from rebalancer.settings.targets import wrong_sum


def wrong_sums(root: Item, listed: AccountsFile, defaults: PolicyKeys) -> list[Problem]:
    """Weights in the file itself that do not add up, each at its place."""
    checked: list[tuple[Item, Weights, SumRule]] = []
    strategies = dict(listed.strategies or {})
    own: set[str] = set()
    rule = defaults.targets_sum or "cash"
    for index, keys in enumerate(listed.accounts):
        if isinstance(keys.targets, Weights):
            place = place_of(root, index, "targets")
            checked.append((place, keys.targets, keys.targets_sum or rule))
        elif keys.targets is None and keys.targets_sum and keys.strategy_name in strategies:
            own.add(keys.strategy_name)
            model = strategies[keys.strategy_name].targets
            if isinstance(model, Weights):
                place = place_of(root, index, "targets_sum")
                checked.append((place, model, keys.targets_sum))
    for name, one in strategies.items():
        # Where accounts have a rule of their own for it, that was looked at.
        if isinstance(one.targets, Weights) and (one.targets_sum or name not in own):
            place = root.at("strategies", name, "targets")
            checked.append((place, one.targets, one.targets_sum or rule))
    return [
        place.problem(*wrong)
        for place, model, its in checked
        if (wrong := wrong_sum(model.by_symbol.values(), its)) is not None
    ]


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong with trees."""

    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def trees(
    root: Item,
    listed: AccountsFile,
    defaults: PolicyKeys,
    file: Path,
    environ: Mapping[str, str],
) -> Found:
    """Grow every tree as far as it goes without a network."""
    errors: dict[str, Problem] = {}
    warnings: dict[str, Problem] = {}
    credentials = Credentials.of(file.parent, environ)
    for place, definition in _definitions(root, listed, defaults, file):
        tree = grow(definition)
        for node in tree.walk():
            if node.error is None or node.kind == "inline":
                continue
            # Below the root are strategies, each of which is a root in its turn.
            if isinstance(node.error, NotFetchedError):
                if node is tree:
                    warnings |= {str(p): p for p in _credential(place, node, credentials)}
            elif node.kind == "file":
                warnings |= {str(p): p for p in _problems(place, node.error)}
            else:
                errors |= {str(p): p for p in _problems(place, node.error)}
    return Found(tuple(errors.values()), tuple(warnings.values()))


def _definitions(
    root: Item, listed: AccountsFile, defaults: PolicyKeys, file: Path
) -> Iterator[tuple[Item, Definition]]:
    strategies, rule = listed.strategies or {}, defaults.targets_sum or "cash"
    for index, keys in enumerate(listed.accounts):
        if keys.targets is not None:
            yield (
                place_of(root, index, "targets"),
                Definition(
                    name=f"account {keys.account_id}",
                    strategy_name=keys.strategy_name,
                    source=keys.targets,
                    rule=keys.targets_sum or rule,
                    strategies=strategies,
                    folder=file.parent,
                    file=file.name,
                ),
            )
    for name, strategy in strategies.items():
        yield (
            root.at("strategies", name, "targets"),
            Definition(
                name=f"strategy {name}",
                strategy_name=name,
                source=strategy.targets,
                rule=strategy.targets_sum or rule,
                strategies=strategies,
                folder=file.parent,
                file=file.name,
            ),
        )


def _problems(place: Item, error: RebalancerError) -> tuple[Problem, ...]:
    if isinstance(error, InvalidSettingsError):
        return error.problems
    return (place.problem(str(error), "targets that can be worked out"),)


def _credential(place: Item, node: Node, credentials: Credentials) -> Iterator[Problem]:
    name = "" if node.wanted is None else node.wanted.source.credential
    if name and not credentials.path(name).exists():
        said = f"credential {name} nowhere"
        yield place.problem(said, f"a file {credentials.path(name)}, or a systemd credential")
