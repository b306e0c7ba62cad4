"""A YAML file as text with places, before anybody decides what the text means.

PyYAML only composes here: it finds the structure and the lines, and never turns ``ON`` (a
ticker) into ``True``, ``15:30`` into 930 or ``0.1`` into a float. Quotes make no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from rebalancer.settings.problems import Problem

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: What a plain scalar may resolve to; anything else was tagged by hand (``!!python/…``).
_PLAIN = {
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge")
}
_STR = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_MAP = "tag:yaml.org,2002:map"
_MERGE = "tag:yaml.org,2002:merge"


class _FromEnvironment(yaml.ScalarNode):
    """A scalar that an environment variable put over the file's."""

    def __init__(self, variable: str, text: str) -> None:
        super().__init__(_STR, text)
        self.variable = variable


class BadValueError(Exception):
    """A value was refused; ``problems`` says everything that is wrong inside it."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("; ".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class Item:
    """One value in a file: a scalar's text, a mapping or a list, and where it stands."""

    node: yaml.Node
    file: str
    #: Line in the file, from 1: of the key where there is one; 0 is nowhere.
    line: int
    #: Dotted path from the root; '' is the root itself.
    key: str = ""

    def problem(self, found: str, expected: str) -> Problem:
        """Say what is wrong here, at this value's line or with its variable's name."""
        if isinstance(self.node, _FromEnvironment):
            return Problem("environment", 0, self.node.variable, found, expected)
        return Problem(self.file, self.line, self.key, found, expected)

    def refuse(self, expected: str, *, found: str | None = None) -> BadValueError:
        """The error to raise when this value is not ``expected``."""
        return BadValueError(self.problem(self.shown() if found is None else found, expected))

    def at(self, *path: str) -> Item:
        """The value at a path below, or the nearest thing above it that is there."""
        item = self
        for name in path:
            try:
                item = item.entries("")[name]
            except (BadValueError, KeyError):
                break
        return item

    def under(self, name: str) -> Item:
        """The place of a key of this mapping that is not there."""
        return replace(self, key=f"{self.key}.{name}" if self.key else name)

    def shown(self) -> str:
        """The value in a few words, for an error."""
        if isinstance(self.node, yaml.MappingNode):
            return "a mapping"
        if isinstance(self.node, yaml.SequenceNode):
            return "a list"
        if self.empty:
            return "nothing"
        # Wherever a URL was written by mistake, its password stays unsaid.
        text = re.sub(r"://.*@", "://***@", str(self.node.value))
        return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"

    @property
    def empty(self) -> bool:
        """Whether nothing was written: ``key:``, ``~`` or ``null``."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == _NULL

    @property
    def blank(self) -> bool:
        """Whether nothing was written, or an empty text."""
        return self.empty or (isinstance(self.node, yaml.ScalarNode) and not self.node.value)

    @property
    def is_list(self) -> bool:
        """Whether this is a list."""
        return isinstance(self.node, yaml.SequenceNode)

    def text(self, expected: str) -> str:
        """The scalar's text as written, without quotes; refuses anything else."""
        node = self.node
        if not isinstance(node, yaml.ScalarNode) or self.empty or node.tag not in _PLAIN:
            raise self.refuse(expected)
        return str(node.value)

    def elements(self, expected: str) -> Iterator[Item]:
        """The elements of a list; refuses anything else."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.refuse(expected)
        for index, node in enumerate(self.node.value):
            yield Item(node, self.file, _line(node), f"{self.key}[{index}]")

    def entries(self, expected: str, _inside: tuple[int, ...] = ()) -> dict[str, Item]:
        """The entries of a mapping by their keys' text; refuses duplicate keys.

        ``<<: *anchor`` is honoured: what stands in the mapping itself wins.
        """
        if id(self.node) in _inside:
            raise self.refuse("mappings that do not merge themselves", found="a circle")
        if not isinstance(self.node, yaml.MappingNode):
            raise self.refuse(expected)
        own: dict[str, Item] = {}
        merged: dict[str, Item] = {}
        problems: list[Problem] = []
        for key_node, value_node in self.node.value:
            key = Item(key_node, self.file, _line(key_node), self.key)
            if key_node.tag == _MERGE:
                several = value_node.value if isinstance(value_node, yaml.SequenceNode) else ()
                for node in several or (value_node,):
                    inside = (*_inside, id(self.node))
                    base = replace(key, node=node).entries("a mapping", inside)
                    merged = {**base, **merged}
                continue
            try:
                # `~: 1` and `null: 1` are keys spelled that way; a list is no key.
                name = str(key_node.value) if key.empty else key.text("a plain key")
            except BadValueError as bad:
                problems.extend(bad.problems)
                continue
            if name in own:
                again = f"it again (first on line {own[name].line})"
                problems.append(key.under(name).problem(again, "each key once"))
                continue
            own[name] = replace(key.under(name), node=value_node)
        if problems:
            raise BadValueError(*problems)
        return {**merged, **own}


#: An empty document.
NOTHING = Item(yaml.ScalarNode(_NULL, ""), "", 0)


def parse(text: str, file: str) -> Item:
    """The root of a document; ``.empty`` if nothing is there. Raises ``BadValueError``."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        said = error.problem or error.context or "broken YAML"
        raise BadValueError(_broken(file, line, said)) from None
    except yaml.YAMLError as error:  # a control character: no mark, but a position
        said = str(getattr(error, "reason", "broken YAML"))
        line = text.count("\n", 0, int(getattr(error, "position", 0) or 0)) + 1
        raise BadValueError(_broken(file, line, said)) from None
    except RecursionError:
        raise BadValueError(_broken(file, 0, "nested too deeply")) from None
    return Item(node, file, _line(node)) if node else replace(NOTHING, file=file)


def _broken(file: str, line: int, said: str) -> Problem:
    return Problem(file, line, "", f"a syntax error ({said})", "valid YAML")


def read(path: Path) -> Item:
    """``parse`` a file. Raises ``BadValueError`` also when it cannot be read."""
    shown = str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise BadValueError(Problem(shown, 0, "", said.lower(), "a readable file")) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        bad = f"byte 0x{raw[error.start]:02x}"
        raise BadValueError(Problem(shown, line, "", bad, "UTF-8 text")) from None
    return parse(text, shown)


def overlay(root: Item, values: Mapping[tuple[str, ...], tuple[str, str]]) -> Item:
    """Put environment variables over a document.

    Args:
        root: The document; an empty one counts as an empty mapping.
        values: (variable, text) by path: ``("redis", "url")`` or ``("trading_mode",)``.
    """
    node = yaml.MappingNode(_MAP, []) if root.empty else root.node
    for path, (variable, text) in values.items():
        node = _put(node, path, _FromEnvironment(variable, text))
    return Item(node, root.file, root.line)


def _put(node: yaml.Node, path: tuple[str, ...], value: yaml.Node) -> yaml.Node:
    if not isinstance(node, yaml.MappingNode):
        return node  # not a mapping: whoever reads it refuses it
    name, *rest = path
    entries = list(node.value)
    names = [key.value for key, _ in entries]
    if name not in names:
        absent = yaml.ScalarNode(_NULL, "", node.start_mark, node.end_mark)
        entries.append((yaml.ScalarNode(_STR, name, node.start_mark, node.end_mark), absent))
        names.append(name)
    place = names.index(name)  # a second one stays, to be refused
    key, old = entries[place]
    if rest:
        below = yaml.MappingNode(_MAP, []) if old.tag == _NULL else old
        value = _put(below, tuple(rest), value)
    entries[place] = (key, value)
    return yaml.MappingNode(_MAP, entries, node.start_mark, node.end_mark)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1 if node.start_mark else 0
