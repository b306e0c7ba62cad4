"""What a dropped file holds: JSON or YAML, read strictly, into plain values."""

from __future__ import annotations

import json
from typing import Any

import yaml

from rebalancer.errors import PermanentError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_JSON = (".json",)
_YAML = (".yaml", ".yml")


def parse(name: str, raw: bytes) -> object:
    """Return what a file of this name says.

    Raises:
        PermanentError: it is neither JSON nor YAML, or more than one reading of it is possible.
    """
    if not name.endswith(_JSON + _YAML):
        raise PermanentError("the name of a signal's file ends in .json, .yaml or .yml")
    try:
        text = raw.decode("utf-8-sig")
        return _from_json(text) if name.endswith(_JSON) else _from_yaml(text)
    except UnicodeDecodeError as error:
        raise PermanentError(f"not UTF-8: byte 0x{raw[error.start]:02x}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise PermanentError(f"unreadable: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise PermanentError("nested too deeply") from error


def _from_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


class _Strict(_Loader):  # type: ignore[misc] # whichever of two loaders PyYAML has
    """Refuses what says a thing twice."""

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        names = [key.value for key, _ in node.value]
        if len(set(names)) < len(names):
            raise ValueError(f"a key stands twice on line {node.start_mark.line + 1} or below")
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _from_yaml(text: str) -> object:
    # An alias can make much of little, and in a signal nobody needs one.
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader)):
        raise ValueError("aliases are not read")
    return yaml.load(text, _Strict)  # noqa: S506 - a safe loader made stricter
