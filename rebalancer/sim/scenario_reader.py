"""Reading YAML strictly: every mistake is noted with its line and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any, TypeVar, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rebalancer.errors import ConfigError

T = TypeVar("T")
#: Reads one value: the reader, the node, the key's full name.
Field = Callable[["Reader", Node, str], Any]


@dataclass(slots=True)
class Reader:
    """Notes what is wrong with the file called ``name``, and goes on."""

    name: str
    _problems: set[tuple[int, str]] = field(default_factory=set)

    def wrong(self, node: Node, key: str, found: str, right: str) -> None:
        """Note one mistake."""
        line = node.start_mark.line + 1
        where = f"{self.name}:{line}: {key}" if key else f"{self.name}:{line}"
        self._problems.add((line, f"{where}: found {found}; {right}"))

    def check(self) -> None:
        """Raise ConfigError with everything that was noted, in the order of lines."""
        if self._problems:
            raise ConfigError("\n".join(text for _, text in sorted(self._problems)))

    def compose(self, text: str) -> Node | None:
        """The document's root, ``None`` for an empty one. Raises ConfigError."""
        try:
            return yaml.compose(text, Loader=yaml.CSafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(
                f"{self.name}:{line}: found no valid YAML ({error.problem}); mend the syntax"
            ) from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{self.name}:1: found no valid YAML ({error})") from error

    # Structure ---------------------------------------------------------------------------

    def entries(self, node: Node | None, key: str) -> Iterator[tuple[str, Node]]:
        """Keys and values of a mapping, each key once; nothing for a missing or empty one."""
        if node is None or _is_null(node):
            return
        if not isinstance(node, MappingNode):
            self.wrong(node, key, _shape(node), "write a mapping, 'name: value'")
            return
        seen: set[str] = set()
        for name, value in node.value:
            if not isinstance(name, ScalarNode):
                self.wrong(name, key, _shape(name), "write a plain key")
            elif name.value in seen:
                self.wrong(name, join(key, name.value), "the key twice", "keep one of them")
            else:
                seen.add(name.value)
                yield name.value, value

    def fields(self, node: Node | None, key: str, known: Collection[str]) -> dict[str, Node]:
        """The values of a mapping whose keys are all in ``known``."""
        found = {}
        for name, value in self.entries(node, key):
            if name in known:
                found[name] = value
                continue
            close = get_close_matches(name, known, n=1)
            right = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            self.wrong(value, join(key, name), "an unknown key", right)
        return found

    def items(self, node: Node | None, key: str) -> Iterator[tuple[str, Node]]:
        """A list's items, each with its own key for messages."""
        if node is None or _is_null(node):
            return
        if not isinstance(node, SequenceNode):
            self.wrong(node, key, _shape(node), "write a list, '- …'")
            return
        for number, item in enumerate(node.value):
            yield f"{key}[{number}]", item

    def into(self, base: T, node: Node | None, key: str, table: Mapping[str, Field]) -> T:
        """The dataclass ``base`` with the fields that the mapping gives."""
        found = self.fields(node, key, table)
        values = {
            name: table[name](self, value, join(key, name)) for name, value in found.items()
        }
        changed: T = replace(cast(Any, base), **values)
        return changed

    def scalar(
        self, node: Node, key: str, read: Callable[[str], T], right: str, default: T
    ) -> T:
        """What ``read`` makes of the value; ``default`` and a note if it raises ValueError."""
        if isinstance(node, ScalarNode) and not _is_null(node):
            try:
                return read(node.value)
            except (ValueError, InvalidOperation):
                self.wrong(node, key, repr(node.value), right)
                return default
        self.wrong(node, key, _shape(node), right)
        return default


# What a field may hold ----------------------------------------------------------------------


def number(
    *, above: int | None = None, at_least: int | None = None, whole: bool = False
) -> Field:
    """A finite Decimal within its bounds."""
    right = "write a whole number" if whole else "write a number"
    right += f" greater than {above}" if above is not None else ""
    right += f" of at least {at_least}" if at_least is not None else ""

    def read(text: str) -> Decimal:
        value = Decimal(text.replace("_", ""))
        if not value.is_finite() or (whole and value % 1):
            raise ValueError(text)
        if (above is not None and value <= above) or (
            at_least is not None and value < at_least
        ):
            raise ValueError(text)
        return value

    return lambda reader, node, key: reader.scalar(node, key, read, right, Decimal(1))


def real(*, above: int | None = None, at_least: int | None = None) -> Field:
    """The same as a float: seconds, rates of time."""
    exact = number(above=above, at_least=at_least)
    return lambda reader, node, key: float(exact(reader, node, key))


def numeral(
    *, above: int | None = None, at_least: int | None = None, whole: bool = False
) -> Field:
    """The same as a text, as the wire and faults carry it."""
    exact = number(above=above, at_least=at_least, whole=whole)
    return lambda reader, node, key: format(exact(reader, node, key), "f")


def whole(*, at_least: int = 0) -> Field:
    """An int."""
    exact = number(at_least=at_least, whole=True)
    return lambda reader, node, key: int(exact(reader, node, key))


def choice(choices: Collection[str]) -> Field:
    """One of a few words."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    right = f"write one of {', '.join(choices)}"
    first = next(iter(choices), "")
    return lambda reader, node, key: reader.scalar(node, key, read, right, first)


def word(right: str, fits: Callable[[str], bool]) -> Field:
    """A text that ``fits``."""

    def read(text: str) -> str:
        if not fits(text):
            raise ValueError(text)
        return text

    return lambda reader, node, key: reader.scalar(node, key, read, right, "")


#: A text that is not empty, and one that may be.
text_field = word("write a text", bool)
any_text = word("write a text", lambda _: True)


def boolean(reader: Reader, node: Node, key: str) -> bool:
    """True or false."""
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

    def read(text: str) -> bool:
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]

    return reader.scalar(node, key, read, "write true or false", default=False)


def table_of(value: Field) -> Field:
    """A mapping of any names to such values."""
    return lambda reader, node, key: {
        name: value(reader, item, join(key, name)) for name, item in reader.entries(node, key)
    }


def join(key: str, name: str) -> str:
    """A key's full name."""
    return f"{key}.{name}" if key else name


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _shape(node: Node) -> str:
    if _is_null(node):
        return "nothing"
    if isinstance(node, MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, SequenceNode) else repr(node.value)
