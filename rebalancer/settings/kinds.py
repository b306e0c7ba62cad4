"""Kinds of values: each turns an ``Item`` into a value or refuses it, saying what would do.

A kind is a function ``Item -> value`` that raises ``BadValueError``. ``section`` turns the
fields of a dataclass, each declared with ``key``, into a kind for a whole mapping; it gathers
every refusal inside before it raises.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.problems import Problem, any_of, did_you_mean

T = TypeVar("T")
Kind = Callable[[Item], T]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def key(
    kind: Kind[T], *, default: Any = dataclasses.MISSING, about: str = "", secret: bool = False
) -> T:
    """Declare a dataclass field as a key of the file; without ``default`` it is required.

    ``about`` is one sentence for people. A ``secret`` value is left out of every repr.
    """
    about = " ".join(about.split())
    declared: T = dataclasses.field(
        default=default, repr=not secret, metadata={"kind": kind, "about": about}
    )
    return declared


def text(expected: str = "a text", *, pattern: str = r"[^\n\r]+") -> Kind[str]:
    """One line of text that matches ``pattern`` as a whole."""
    shape = re.compile(pattern)

    def read(item: Item) -> str:
        value = item.text(expected)
        if not shape.fullmatch(value):
            raise item.refuse(expected)
        return value

    return read


def one_of(*choices: str) -> Kind[Any]:
    """One of a few words, spelled exactly."""

    def read(item: Item) -> str:
        value = item.text(any_of(choices))
        if value not in choices:
            raise item.refuse(any_of(choices) + did_you_mean(value, choices))
        return value

    return read


def boolean(item: Item) -> bool:
    """``true`` or ``false``; YAML's yes, no, on and off are understood."""
    value = item.text("true or false").casefold()
    if value not in _TRUTHS:
        raise item.refuse("true or false")
    return _TRUTHS[value]


def integer(low: int, high: int) -> Kind[int]:
    """A whole number from ``low`` to ``high``, both included."""
    expected = f"a whole number from {low} to {high}"

    def read(item: Item) -> int:
        value = item.text(expected)
        if not _INTEGER.fullmatch(value) or not low <= int(value) <= high:
            raise item.refuse(expected)
        return int(value)

    return read


def number(
    expected: str, *, low: str = "0", high: str = "1e15", above: bool = False
) -> Kind[Decimal]:
    """An exact number from ``low`` (or, with ``above``, strictly above it) to ``high``."""
    bottom, top = Decimal(low), Decimal(high)

    def read(item: Item) -> Decimal:
        value = item.text(expected)
        if not _NUMBER.fullmatch(value):
            raise item.refuse(expected)
        exact = Decimal(value)
        if exact < bottom or exact > top or (above and exact == bottom):
            raise item.refuse(expected)
        return exact

    return read


def seconds(high: int = 86_400) -> Kind[float]:
    """A duration above 0."""
    exact = number(f"seconds, above 0 and at most {high}", high=str(high), above=True)
    return lambda item: float(exact(item))


def hours(high: int) -> Kind[float]:
    """A number of hours above 0."""
    exact = number(f"hours, above 0 and at most {high}", high=str(high), above=True)
    return lambda item: float(exact(item))


def percent(high: str = "100") -> Kind[Decimal]:
    """A percentage as people write it: ``1.5`` is one and a half percent."""
    return number(f"a percentage from 0 to {high}, such as 1.5", high=high)


def gather(kind: Kind[T], items: Iterable[Item]) -> tuple[T, ...]:
    """Read every item, then raise everything that was refused at once."""
    values: list[T] = []
    problems: list[Problem] = []
    for item in items:
        try:
            values.append(kind(item))
        except BadValueError as bad:
            problems.extend(bad.problems)
    if problems:
        raise BadValueError(*problems)
    return tuple(values)


def one_or_more(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """A list of a kind, or just one without the list."""

    def read(item: Item) -> tuple[T, ...]:
        return gather(kind, item.elements("a list")) if item.is_list else (kind(item),)

    return read


def mapped(kind: Kind[T], expected: str) -> Kind[Mapping[str, T]]:
    """A mapping from any text to a kind."""

    def read(item: Item) -> Mapping[str, T]:
        entries = item.entries(expected)
        values = gather(kind, entries.values())
        return MappingProxyType(dict(zip(entries, values, strict=True)))

    return read


def section(cls: type[T]) -> Kind[T]:
    """A mapping with the keys that the dataclass ``cls`` declares, and no others."""
    declared = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    kinds = {name: field.metadata["kind"] for name, field in declared.items()}

    def read(item: Item) -> T:
        entries = item.entries(f"a mapping with keys such as {next(iter(kinds))}")
        problems: list[Problem] = []
        values: dict[str, Any] = {}
        for name, value in entries.items():
            if name not in kinds:
                known = did_you_mean(name, list(kinds)) or f": {any_of(kinds)}"
                problems.append(value.problem("an unknown key", f"a known key{known}"))
            elif not (value.blank and _may_be_blank(declared[name])):
                try:
                    values[name] = kinds[name](value)
                except BadValueError as bad:
                    problems.extend(bad.problems)
        for name, field in declared.items():
            if name not in entries and field.default is dataclasses.MISSING:
                problems.append(item.under(name).problem("no such key", "it to be there"))
        if problems:
            raise BadValueError(*problems)
        return cls(**values)

    return read


def _may_be_blank(field: dataclasses.Field[Any]) -> bool:
    """Whether ``key:`` with nothing after it is as good as no such key.

    It is for sections whose keys are all commented out, and for names that may be empty. Of
    anything else (``enabled:``) nobody can tell what was meant.
    """
    return field.default == "" or dataclasses.is_dataclass(field.default)
