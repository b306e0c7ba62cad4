"""Values to JSON and back: dataclasses, decimals, tuples and maps, by their annotations.

The simulator's state is one tree of dataclasses; this is all that dumping and loading needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints


def to_plain(value: Any) -> Any:
    """The JSON-able form; a decimal becomes its text, so nothing is rounded."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if is_dataclass(value):
        return {
            name: to_plain(getattr(value, name)) for name in _names(cast(type, type(value)))
        }
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    raise TypeError(f"no plain form for {type(value).__name__}")


def from_plain(kind: Any, data: Any) -> Any:
    """The value of type ``kind`` that ``to_plain`` turned into ``data``.

    Raises ValueError when the data has another form.
    """
    try:
        return _build(kind, data)
    except (TypeError, KeyError, AttributeError, ArithmeticError, ValueError) as error:
        raise ValueError(f"not a saved {getattr(kind, '__name__', kind)}: {error}") from error


def _build(kind: Any, data: Any) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        (inner,) = (arg for arg in args if arg is not NoneType)
        return None if data is None else _build(inner, data)
    if origin is not None:
        return _build_many(origin, args, data)
    if is_dataclass(kind):
        hints = _hints(cast(type, kind))
        make = cast(Callable[..., Any], kind)
        return make(**{key: _build(hints[key], item) for key, item in data.items()})
    if kind in {Decimal, float} and isinstance(data, str if kind is Decimal else int):
        return kind(data)
    if not isinstance(data, kind):
        raise TypeError(f"{data!r} is no {kind.__name__}")
    return data


def _build_many(origin: Any, args: tuple[Any, ...], data: Any) -> Any:
    if origin is Literal:
        if data not in args:
            raise ValueError(f"{data!r} is none of {args}")
        return data
    if origin is dict:
        key_kind, item_kind = args
        return {key_kind(key): _build(item_kind, item) for key, item in data.items()}
    if origin is tuple and args[-1] is not Ellipsis:
        return tuple(_build(arg, item) for arg, item in zip(args, data, strict=True))
    return origin(_build(args[0], item) for item in data)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
