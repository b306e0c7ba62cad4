"""From the body of an answer to weights. What is not exactly as agreed is refused."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, NoReturn

from rebalancer.errors import PermanentError
from rebalancer.settings import symbols
from rebalancer.settings.sources import Api, Json


class BodyError(PermanentError):
    """An answer that is no model; the text says where and why."""


def weights_in(raw: bytes, source: Api | Json) -> Mapping[str, Decimal]:
    """Read a body. Raises ``BodyError``."""
    document = _document(raw)
    rows = _allocations(document) if isinstance(source, Api) else _matched(document, source)
    found: dict[str, Decimal] = {}
    there = symbols.Names()
    for place, symbol, weight in rows:
        if not isinstance(symbol, str) or symbols.parse(symbol) is None:
            raise BodyError(f"{place}: found {_said(symbol)}; expected {symbols.EXPECTED}")
        if other := there.find(symbol):
            raise BodyError(f"{place}: {symbol} is there already, as {other}")
        there.add(symbol)
        found[symbol] = _weight(place, weight, percent=_percent(source))
    if not found:
        raise BodyError("no positions; expected at least one")
    return MappingProxyType(found)


def _document(raw: bytes) -> Any:
    try:
        return json.loads(
            raw.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_constant=_no_constant,
            object_pairs_hook=_once,
        )
    except UnicodeDecodeError:
        raise BodyError("the body is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BodyError(f"the body is no JSON: {error}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


Row = tuple[str, Any, Any]


def _allocations(document: Any) -> Iterable[Row]:
    if not isinstance(document, dict) or document.get("status") != "success":
        said = document.get("status") if isinstance(document, dict) else document
        raise BodyError(f"status: found {_said(said)}; expected 'success'")
    data = document.get("data")
    listed = data.get("allocations") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise BodyError(f"data.allocations: found {_said(listed)}; expected a list")
    for index, one in enumerate(listed):
        place = f"data.allocations[{index}]"
        if not isinstance(one, dict):
            raise BodyError(f"{place}: found {_said(one)}; expected symbol and allocation")
        yield place, one.get("symbol"), one.get("allocation")


def _matched(document: Any, source: Json) -> Iterable[Row]:
    import jsonpath  # noqa: PLC0415 - few accounts need it

    try:
        for match in jsonpath.finditer(source.items, document):
            position: Any = match.obj
            named = [
                _only(jsonpath.findall(path, position), f"{match.path}: {path}")
                for path in (source.symbol, source.weight)
            ]
            yield match.path, named[0], named[1]
    except (jsonpath.JSONPathError, TypeError) as error:
        raise BodyError(f"{source.items}: {error}") from None


def _only(values: list[Any], place: str) -> Any:
    if len(values) != 1:
        raise BodyError(f"{place}: found {len(values)} values; expected one")
    return values[0]


def _percent(source: Api | Json) -> bool:
    return isinstance(source, Json) and source.percent


def _weight(place: str, found: Any, *, percent: bool) -> Decimal:
    expected = "a percentage from 0 to 100" if percent else "a weight from 0 to 1"
    refused = BodyError(f"{place}: found {_said(found)}; expected {expected}")
    if isinstance(found, bool) or not isinstance(found, int | Decimal | str):
        raise refused
    try:
        value = Decimal(found) / (100 if percent else 1)
    except InvalidOperation:
        raise refused from None
    if not value.is_finite() or not 0 <= value <= 1:
        raise refused
    return value


def _said(found: Any) -> str:
    match found:
        case None:
            return "nothing"
        case dict():
            return "an object"
        case list():
            return "a list"
    return repr(str(found))[:60]
