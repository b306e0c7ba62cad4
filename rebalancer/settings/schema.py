"""JSON Schemas of the operator's files, for editors, made of the classes that read them.

python -m rebalancer.settings.schema accounts > packaging/schemas/accounts.schema.json

A schema is what an editor completes and underlines by; it knows types and words, and less than
``rebalancer config check`` does. It never refuses what that accepts: where a class has a type
that is not known here, anything may stand.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from collections.abc import Mapping
from datetime import time
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from rebalancer.core.policy import Bounds
from rebalancer.core.windows import Window
from rebalancer.settings.accounts import AccountsFile, BoundsKeys
from rebalancer.settings.notify import NONE, ServiceKeys
from rebalancer.settings.rails import Switch
from rebalancer.settings.service import Service
from rebalancer.settings.sources import Api, Json, Mix, ModelFile, Weights
from rebalancer.settings.targets import Replacement
from rebalancer.settings.windows import WindowKeys

Schema = dict[str, Any]

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?$"
_TEXT: Schema = {"type": "string"}
_DAYS: Schema = {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}
_WEIGHT: Schema = {
    "type": ["number", "string"],
    "pattern": r"^(\d{1,3}(\.\d{0,20})?|\.\d{1,20})(\s*%)?$",
    "minimum": 0,
    "maximum": 1,
}
#: A spelling of an instrument: see ``symbols.py``.
_SYMBOL = r"^(conid:[1-9][0-9]{0,9}|[A-Z0-9][A-Z0-9.\- ]{0,30}(@[A-Z0-9.]{1,20})?(/[A-Z]{3})?)$"

#: What the classes name and import only when it is needed.
_LATE = {"ServiceKeys": ServiceKeys}


def _weights() -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "patternProperties": {_SYMBOL: _WEIGHT},
        "additionalProperties": False,
    }


def _alone(word: str, inner: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {word: inner},
        "required": [word],
        "additionalProperties": False,
    }


#: Types that one class cannot tell, each with how a file has it.
_SPECIAL: Mapping[Any, Any] = {
    bool: lambda: {"enum": [True, False, "yes", "no", "on", "off"]},
    int: lambda: {"type": ["integer", "string"], "pattern": r"^[+-]?\d{1,18}$"},
    float: lambda: {"type": ["number", "string"], "pattern": _NUMBER},
    Decimal: lambda: {"type": ["number", "string"], "pattern": _NUMBER},
    str: lambda: dict(_TEXT),
    time: lambda: {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"},
    ZoneInfo: lambda: dict(_TEXT),
    # PyYAML's older rules read a plain `off` as false; editors read a word.
    Switch: lambda: {"enum": ["off", False]},
    frozenset[int]: lambda: {"type": "array", "items": _DAYS, "minItems": 1},
    tuple[tuple[str, str], ...]: lambda: {"type": "object", "additionalProperties": _TEXT},
    tuple[Window, ...]: lambda: {
        "anyOf": [{"type": "array", "items": of_class(WindowKeys)}, {"const": "none"}]
    },
    Bounds: lambda: of_class(BoundsKeys),
    Weights: _weights,
    ModelFile: lambda: _alone("file", {"type": "string", "pattern": r"\.(yaml|yml|csv)$"}),
    Mix: lambda: _alone(
        "models", {"type": "object", "minProperties": 1, "additionalProperties": _WEIGHT}
    ),
    Api: lambda: _alone("api", of_class(Api)),
    Json: lambda: _alone("json", of_class(Json)),
    tuple[ServiceKeys, ...]: lambda: {
        "anyOf": [{"type": "array", "items": of_class(ServiceKeys)}, {"const": NONE}]
    },
}


def of_class(cls: type) -> Schema:
    """The schema of a mapping with the keys that ``cls`` declares."""
    hints = get_type_hints(cls, localns=_LATE)
    properties: Schema = {}
    required = []
    for field in _keys(cls):
        inner = of_type(hints[field.name])
        if field.default == "" or dataclasses.is_dataclass(field.default):
            inner = {"anyOf": [inner, {"type": "null"}]}
        about = field.metadata["about"]
        properties[field.name] = {**inner, "description": about} if about else inner
        if field.default is dataclasses.MISSING:
            required.append(field.name)
    found: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return {**found, "required": required} if required else found


def of_type(hint: Any) -> Schema:  # noqa: PLR0911 - one return for each kind
    """The schema of a value of a type; ``{}``, which takes anything, if it is not known."""
    if hint in _SPECIAL:
        found: Schema = _SPECIAL[hint]()
        return found
    origin, parts = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        several = [of_type(part) for part in parts if part is not type(None)]
        return several[0] if len(several) == 1 else {"anyOf": several}
    if origin is Literal:
        switches = [part for part in parts if isinstance(part, Switch)]
        return of_type(type(switches[0])) if switches else {"enum": list(parts)}
    if origin is tuple and parts[1:] == (Ellipsis,):
        one = of_type(parts[0])
        return {"anyOf": [{"type": "array", "items": one}, one]}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": of_type(parts[1])}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and _keys(hint):
        return of_class(hint)
    return {}


def _keys(cls: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(cls) if "kind" in field.metadata]


def accounts() -> Schema:
    """The schema of accounts.yaml."""
    whole = of_class(AccountsFile)
    listed = whole["properties"]["accounts"]["anyOf"][0]
    named = {"$ref": "#/$defs/accounts"}
    whole["properties"]["accounts"] = named
    # A file that is just the list is read, too.
    return _document("accounts.yaml", {"anyOf": [whole, named], "$defs": {"accounts": listed}})


def service() -> Schema:
    """The schema of rebalancer.yaml."""
    return _document("rebalancer.yaml", {"anyOf": [of_class(Service), {"type": "null"}]})


def replacement_sets() -> Schema:
    """The schema of replacement-sets.yaml."""
    one = {"type": "array", "items": of_class(Replacement)}
    named = {"type": "object", "additionalProperties": one}
    whole = _alone("replacement_sets", named)
    return _document("replacement-sets.yaml", {"anyOf": [whole, {"type": "null"}]})


SCHEMAS = {"accounts": accounts, "rebalancer": service, "replacement-sets": replacement_sets}


def written(name: str) -> str:
    """The text of a schema file."""
    return json.dumps(SCHEMAS[name](), indent=1, ensure_ascii=False) + "\n"


def _document(title: str, schema: Schema) -> Schema:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {**head, **schema}


if __name__ == "__main__":
    sys.stdout.write(written(sys.argv[1]))
