"""A target as a tree: models of models, down to weights in a file, at a URL or right there.

``grow`` never raises. What is wrong with a model stands in its node, so that ``targets show``
can print all of the tree; ``target_of`` raises it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from rebalancer.core.target import Origin, Substitute, Target
from rebalancer.errors import ConfigError, PermanentError, RebalancerError
from rebalancer.settings import symbols, targets
from rebalancer.settings.model_files import read_model
from rebalancer.settings.policy import SumRule
from rebalancer.settings.sources import STRATEGY, Api, Json, Mix, ModelFile, Source, Weights

if TYPE_CHECKING:
    from rebalancer.settings.accounts import Strategy

#: Models in models: far beyond what anybody means.
_DEEPEST = 100


class Wanted(NamedTuple):
    """What is to be fetched: once for a tree, wherever it stands in it."""

    source: Api | Json
    strategy_name: str

    @property
    def url(self) -> str:
        """Where it is."""
        name = quote(self.strategy_name, safe="")
        if isinstance(self.source, Api):
            return f"{self.source.url.rstrip('/')}/{name}/allocations"
        return self.source.url.replace(STRATEGY, name)

    @property
    def shown(self) -> str:
        """Its URL without the query, where some services want their secrets."""
        place, question, _ = self.url.partition("?")
        return f"{place}?***" if question else place


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL answered."""

    weights: Mapping[str, Decimal]
    #: Twelve hex digits of the body.
    hash: str
    etag: str
    #: In words: ``200``, or ``304, as fetched before``.
    status: str


class NotFetchedError(PermanentError):
    """The weights are at a URL, and nobody has asked it here."""


@dataclass(frozen=True, slots=True)
class Definition:
    """Where an account's weights come from, as the files say."""

    #: ``account DU1`` or ``strategy global-60-40``.
    name: str
    strategy_name: str
    source: Source
    rule: SumRule
    strategies: Mapping[str, Strategy]
    #: The folder of accounts.yaml, and its name.
    folder: Path
    file: str
    replacement_set: str = ""
    replacements: Sequence[targets.Replacement] = ()
    #: What may be bought instead of what the wash-sale guard bars.
    instead: Sequence[targets.Replacement] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One model of a tree. Without weights, ``error`` says why."""

    name: str
    kind: str
    location: str
    #: Its share in the model above.
    share: Decimal = Decimal(1)
    #: By symbol, as its ``targets_sum`` leaves them.
    weights: Mapping[str, Decimal] = field(default_factory=dict)
    parts: tuple[Node, ...] = ()
    hash: str = ""
    etag: str = ""
    status: str = ""
    wanted: Wanted | None = None
    error: RebalancerError | None = field(default=None, compare=False)

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def origin(self) -> Origin:
        """The same for a record."""
        return Origin(self.kind, self.name, self.location, self.hash, self.etag, self.status)


Answers = Mapping[Wanted, Fetched | RebalancerError]


def grow(definition: Definition, answers: Answers = MappingProxyType({})) -> Node:
    """Read everything but URLs; of those, ``answers`` has what they said."""
    return _Grower(definition, answers).node(
        definition.name, definition.source, definition.rule, definition.strategy_name, ()
    )


def target_of(definition: Definition, root: Node) -> Target:
    """The target that a tree comes to, replacements applied.

    Raises:
        PermanentError, RetryableError: the first error in the tree; permanent ones first.
    """
    errors = [node.error for node in root.walk() if node.error is not None]
    errors.sort(key=lambda error: not isinstance(error, PermanentError))
    if errors:
        raise errors[0]
    weights, source = root.weights, f"{definition.file}, {definition.name}"
    if not isinstance(definition.source, Weights):
        source += f", {root.location}"
    if definition.replacement_set:
        weights = targets.replaced(weights, definition.replacements)
        source += f", replacement set {definition.replacement_set}"
    return Target(
        weights,
        source,
        origins=tuple(node.origin for node in root.walk() if node.kind != "models"),
        replacements={r.source: Substitute(r.target, r.scale) for r in definition.replacements},
        substitutes=_substitutes(weights, definition.instead),
    )


def _substitutes(
    weights: Mapping[str, Decimal], instead: Sequence[targets.Replacement]
) -> Mapping[str, Substitute]:
    by_source = {one.source: one for one in instead}
    sources = symbols.Names(by_source)
    found = {name: by_source[s] for name in weights if (s := sources.find(name)) is not None}
    return {name: Substitute(one.target, one.scale) for name, one in found.items()}


@dataclass(frozen=True, slots=True)
class _Grower:
    definition: Definition
    answers: Answers

    def node(
        self,
        name: str,
        source: Source,
        rule: SumRule,
        strategy: str,
        chain: tuple[str, ...],
    ) -> Node:
        bare = Node(name, _KINDS[type(source)], self._location(source, strategy))
        try:
            return self._filled(bare, source, rule, strategy, chain)
        except RebalancerError as error:
            return replace(bare, error=error)

    def _filled(
        self,
        bare: Node,
        source: Source,
        rule: SumRule,
        strategy: str,
        chain: tuple[str, ...],
    ) -> Node:
        match source:
            case Weights(by_symbol):
                weights = _held_to(by_symbol, rule, bare)
                return replace(bare, weights=weights, hash=_hash(by_symbol))
            case ModelFile(path):
                model, read_hash = read_model(self.definition.folder / Path(path).expanduser())
                found = self._filled(bare, model, rule, strategy, chain)
                return replace(found, hash=read_hash)
            case Mix(parts):
                return self._mixed(bare, parts, rule, chain)
            case Api() | Json():
                if not strategy and (isinstance(source, Api) or STRATEGY in source.url):
                    raise ConfigError(f"{bare.name}: the URL needs a strategy_name")
                wanted = Wanted(source, strategy)
                asked = replace(bare, wanted=wanted)
                match self.answers.get(wanted):
                    case Fetched() as answer:
                        return replace(
                            asked,
                            weights=_held_to(answer.weights, rule, bare),
                            hash=answer.hash,
                            etag=answer.etag,
                            status=answer.status,
                        )
                    case RebalancerError() as error:
                        return replace(asked, error=error)
                told = f"{bare.name}: the weights are at {wanted.shown}"
                return replace(asked, error=NotFetchedError(told))

    def _mixed(
        self,
        bare: Node,
        parts: Mapping[str, Decimal],
        rule: SumRule,
        chain: tuple[str, ...],
    ) -> Node:
        chain = (*chain, bare.name.removeprefix("strategy "))
        if len(chain) > _DEEPEST:
            raise ConfigError(f"{bare.name}: models more than {_DEEPEST} deep")
        nodes = []
        shares = _held_to(parts, rule, bare)
        for name, share in shares.items():
            if name in chain:
                circle = " > ".join((*chain[chain.index(name) :], name))
                raise ConfigError(f"{bare.name}: models in a circle: {circle}")
            strategy = self.definition.strategies.get(name)
            if strategy is None:
                known = ", ".join(self.definition.strategies) or "none"
                raise ConfigError(
                    f"{bare.name}: no strategy {name} in {self.definition.file}; there: {known}"
                )
            inner = strategy.targets_sum or rule
            grown = self.node(f"strategy {name}", strategy.targets, inner, name, chain)
            nodes.append(replace(grown, share=share))
        weights = _added(nodes)
        return replace(bare, parts=tuple(nodes), weights=weights, hash=_hash(weights))

    def _location(self, source: Source, strategy: str) -> str:
        match source:
            case ModelFile(path):
                return path
            case Api() | Json():
                return Wanted(source, strategy).shown
            case Mix(parts):
                return "models " + ", ".join(parts)
            case _:
                return self.definition.file


_KINDS: Mapping[type, str] = {
    Weights: "inline",
    ModelFile: "file",
    Mix: "models",
    Api: "api",
    Json: "json",
}


def _held_to(values: Mapping[str, Decimal], rule: SumRule, node: Node) -> Mapping[str, Decimal]:
    if wrong := targets.wrong_sum(values.values(), rule):
        found, expected = wrong
        place = f" ({node.location})" if node.kind != "inline" else ""
        raise ConfigError(f"{node.name}{place}: found {found}; expected {expected}")
    return targets.summed(values, rule)


def _added(nodes: Sequence[Node]) -> Mapping[str, Decimal]:
    """What the parts come to; one instrument in several of them adds up."""
    result: dict[str, Decimal] = {}
    there = symbols.Names()
    for node in nodes:
        for name, weight in node.weights.items():
            known = there.find(name)
            if known is None:
                known = name
                there.add(name)
            result[known] = result.get(known, Decimal(0)) + weight * node.share
    return MappingProxyType(result)


def _hash(weights: Mapping[str, Decimal]) -> str:
    text = ";".join(f"{name}={weight.normalize():f}" for name, weight in weights.items())
    return hashlib.sha256(text.encode()).hexdigest()[:12]
