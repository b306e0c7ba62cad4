"""Weights as the operator wrote them, and the replacement sets that change them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, localcontext
from types import MappingProxyType

from rebalancer.settings import symbols
from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.kinds import gather, key, number, section
from rebalancer.settings.policy import SumRule
from rebalancer.settings.problems import Problem

#: Weights may miss 1 by so much through rounding when they were written.
TOLERANCE = Decimal("1e-6")

_WEIGHT = re.compile(r"(\d{1,3}(?:\.\d{0,20})?|\.\d{1,20})(\s*%)?", re.ASCII)


def symbol(item: Item) -> str:
    """An instrument's spelling, kept as written."""
    text = item.text(symbols.EXPECTED)
    if symbols.parse(text) is None:
        capitals = text.strip().upper()
        hint = f" (did you mean {capitals}?)" if symbols.parse(capitals) else ""
        raise item.refuse(symbols.EXPECTED + hint)
    return text


def weight(item: Item) -> Decimal:
    """A weight from 0 to 1, or in percent: ``0.25`` and ``25%`` are the same."""
    expected = "a weight from 0 to 1, such as 0.25 or 25%"
    text = item.text(expected)
    match = _WEIGHT.fullmatch(text)
    if match is None:
        raise item.refuse(expected)
    value = Decimal(match[1]) / (100 if match[2] else 1)
    if value > 1:
        percent = not match[2] and value <= 100
        raise item.refuse(expected + (f" (did you mean {match[1]}%?)" if percent else ""))
    return value


def weights(item: Item) -> Mapping[str, Decimal]:
    """A mapping from symbols to weights, whatever they add up to."""
    entries = item.entries("a mapping from symbols to weights")
    if not entries:
        raise item.refuse("at least one symbol with its weight", found="an empty mapping")
    return weights_of(entries)


def weights_of(entries: Mapping[str, Item]) -> Mapping[str, Decimal]:
    """The weights of entries by symbol, each instrument once."""
    problems = list(_misspelled(entries))
    try:
        values = gather(weight, entries.values())
    except BadValueError as bad:
        raise BadValueError(*problems, *bad.problems) from None
    if problems:
        raise BadValueError(*problems)
    return MappingProxyType(dict(zip(entries, values, strict=True)))


def wrong_sum(values: Iterable[Decimal], rule: SumRule) -> tuple[str, str] | None:
    """What a sum is and what it should be; ``None`` if ``rule`` has nothing against it."""
    total = sum(values, Decimal(0))
    found = f"a sum of {total.normalize():f}"
    match rule:
        case "cash" if total > 1 + TOLERANCE:
            return found, "weights that sum to at most 1"
        case "refuse" if abs(total - 1) > TOLERANCE:
            return found, "weights that sum to 1 (targets_sum: refuse)"
        case "normalise" if total <= 0:
            return found, "weights that sum to more than 0"
    return None


def summed(exact: Mapping[str, Decimal], rule: SumRule) -> Mapping[str, Decimal]:
    """Weights that sum to at most 1: as they are, or scaled to 1 where ``rule`` says so."""
    total = sum(exact.values(), Decimal(0))
    if total > 1 or (rule == "normalise" and total != 1):
        return MappingProxyType(_scaled_to_one(exact))
    return exact


def _misspelled(entries: Mapping[str, Item]) -> list[Problem]:
    problems: list[Problem] = []
    known = symbols.Names()
    for name, item in entries.items():
        if symbols.parse(name) is None:
            capitals = symbols.parse(name.strip().upper())
            hint = f" (did you mean {capitals.text}?)" if capitals else ""
            problems.append(item.problem(f"the symbol '{name}'", symbols.EXPECTED + hint))
            continue
        if same := known.find(name):
            again = f"{same} again" if same == name else f"{same} in other words"
            problems.append(item.problem(again, "each instrument once"))
        known.add(name)
    return problems


@dataclass(frozen=True, slots=True)
class Replacement:
    """Hold ``target`` where the model says ``source``, at ``scale`` times its weight."""

    source: str = key(symbol, about="Symbol in the model.")
    target: str = key(symbol, about="Symbol held instead.")
    scale: Decimal = key(
        number("a factor above 0 and at most 10", high="10", above=True),
        default=Decimal(1),
        about="Factor on the weight, such as 2 for a fund with half the leverage.",
    )


def replacement_set(item: Item) -> tuple[Replacement, ...]:
    """A list of replacements; each source once."""
    found = gather(section(Replacement), item.elements("a list of source, target and scale"))
    problems: list[Problem] = []
    seen: set[str] = set()
    for element, one in zip(item.elements(""), found, strict=True):
        if any(symbols.same(one.source, other) for other in seen):
            problems.append(element.problem(f"{one.source} again", "each source once"))
        seen.add(one.source)
    if problems:
        raise BadValueError(*problems)
    return found


def replaced(
    model: Mapping[str, Decimal], replacements: Sequence[Replacement]
) -> Mapping[str, Decimal]:
    """Apply a replacement set to a model.

    Weights that end up on one symbol add up. If all of them together come to more than 1
    (by scales above 1), all are scaled down alike so that they come to 1.
    """
    result: dict[str, Decimal] = {}
    by_source = {one.source: one for one in replacements}
    sources, there = symbols.Names(by_source), symbols.Names()
    for name, share in model.items():
        source = sources.find(name)
        one = by_source[source] if source is not None else Replacement(name, name)
        held = there.find(one.target)
        if held is None:
            held = one.target
            there.add(held)
        result[held] = result.get(held, Decimal(0)) + share * one.scale
    if sum(result.values(), Decimal(0)) > 1:
        result = _scaled_to_one(result)
    return MappingProxyType(result)


def _scaled_to_one(exact: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Scale down alike, rounded down so that the sum never exceeds 1."""
    total = sum(exact.values(), Decimal(0))
    with localcontext() as context:
        context.rounding = ROUND_DOWN
        step = Decimal("1e-12")
        return {name: (share / total).quantize(step) for name, share in exact.items()}
