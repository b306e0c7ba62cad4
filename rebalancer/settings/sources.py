"""What may stand under ``targets:``: weights, or one word that says where they are."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlsplit

from rebalancer.settings import targets
from rebalancer.settings.document import BadValueError, Item
from rebalancer.settings.kinds import Kind, boolean, gather, key, seconds, section, text

#: What a header says where the credential goes.
CREDENTIAL = "{credential}"
#: What a URL says where the strategy's name goes.
STRATEGY = "{strategy_name}"

_credential = text(
    "the name of a credential file: letters, digits, dots, dashes and underscores",
    pattern=r"[A-Za-z0-9_][A-Za-z0-9_.-]*",
)
_timeout = seconds(60)


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights written where they are used."""

    by_symbol: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Weights in a file of their own, read at each event."""

    path: str


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of other models, which are strategies by name."""

    parts: Mapping[str, Decimal]


def url(item: Item) -> str:
    """An http or https URL of a host, without a password in it."""
    expected = "a URL such as https://models.example.com/v1"
    value = item.text(expected)
    try:
        parts = urlsplit(value)
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise item.refuse(expected, found="an unreadable URL") from None
    if parts.username is not None or parts.password is not None:
        raise item.refuse("a URL without a password; `credential` names a file for it")
    if not fits or parts.fragment or not value.isascii() or re.search(r"\s", value):
        raise item.refuse(expected)
    return value


def json_path(item: Item) -> str:
    """A JSONPath (RFC 9535)."""
    import jsonpath  # noqa: PLC0415 - few files have one

    expected = "a JSONPath such as $.positions[*]"
    value = item.text(expected)
    try:
        jsonpath.compile(value)
    except (jsonpath.JSONPathError, RecursionError) as error:
        raise item.refuse(f"{expected} ({str(error).splitlines()[0]})") from None
    return value


def headers(item: Item) -> tuple[tuple[str, str], ...]:
    """Header names with their values."""
    entries = item.entries("a mapping from header names to values")
    words = gather(text("a header's value", pattern=r"[\x20-\x7e]+"), entries.values())
    wrong = [
        value.problem(f"the header '{name}'", "letters, digits and dashes")
        for name, value in entries.items()
        if not re.fullmatch(r"[A-Za-z0-9-]+", name)
    ]
    if wrong:
        raise BadValueError(*wrong)
    return tuple(zip(entries, words, strict=True))


@dataclass(frozen=True, slots=True)
class Api:
    """``GET {url}/{strategy_name}/allocations`` with the header ``x-api-key``."""

    url: str = key(url, about="Where the service is; its path goes on after this.")
    credential: str = key(_credential, default="", about="File with the key.")
    timeout_seconds: float = key(_timeout, default=10.0, about="For the whole answer.")
    allow_http: bool = key(boolean, default=False, about="Allow http beyond this machine.")


@dataclass(frozen=True, slots=True)
class Json:
    """``GET`` of any JSON document, with paths to what matters in it."""

    url: str = key(url, about="What to get; {strategy_name} in it is filled in.")
    items: str = key(json_path, about="JSONPath of the positions.")
    symbol: str = key(json_path, about="JSONPath of the symbol, from a position.")
    weight: str = key(json_path, about="JSONPath of the weight, from a position.")
    percent: bool = key(boolean, default=False, about="Weights are percentages: 25 is 0.25.")
    headers: tuple[tuple[str, str], ...] = key(
        headers, default=(), about="Headers to send; {credential} in one is filled in."
    )
    credential: str = key(_credential, default="", about="File with the secret for a header.")
    timeout_seconds: float = key(_timeout, default=10.0, about="For the whole answer.")
    allow_http: bool = key(boolean, default=False, about="Allow http beyond this machine.")


Source = Weights | ModelFile | Mix | Api | Json
H = TypeVar("H", Api, Json)


def _file(item: Item) -> ModelFile:
    expected = "a path that ends in .yaml, .yml or .csv"
    path = text(expected)(item)
    if not path.endswith((".yaml", ".yml", ".csv")):
        raise item.refuse(expected)
    return ModelFile(path)


def _models(item: Item) -> Mix:
    entries = item.entries("a mapping from strategy names to shares")
    if not entries:
        raise item.refuse("at least one strategy with its share", found="an empty mapping")
    shares = gather(targets.weight, entries.values())
    return Mix(MappingProxyType(dict(zip(entries, shares, strict=True))))


def _api(item: Item) -> Api:
    return _encrypted(item, section(Api)(item))


def _json(item: Item) -> Json:
    found = _encrypted(item, section(Json)(item))
    used = any(CREDENTIAL in value for _, value in found.headers)
    if used and not found.credential:
        place = item.at("headers")
        raise BadValueError(place.problem(CREDENTIAL, "a `credential` that is filled in"))
    if found.credential and not used:
        place = item.at("credential")
        raise BadValueError(
            place.problem("a credential that is not sent", f"{CREDENTIAL} in one of `headers`")
        )
    return found


def _encrypted(item: Item, found: H) -> H:
    parts = urlsplit(found.url)
    if parts.scheme == "http" and not (found.allow_http or loopback(parts.hostname or "")):
        place = item.at("url")
        raise place.refuse("https, or allow_http: true beside it; a secret goes along")
    return found


def loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


#: The words that say where weights are; symbols have no small letters.
_WORDS: Mapping[str, Callable[[Item], Source]] = {
    "file": _file,
    "models": _models,
    "api": _api,
    "json": _json,
}


def _one_of(words: Mapping[str, Callable[[Item], Source]]) -> Kind[Source]:
    def read(item: Item) -> Source:
        entries = item.entries("a mapping from symbols to weights")
        said = [name for name in entries if name in words]
        if not said:
            return Weights(targets.weights(item))
        if len(entries) > 1:
            others = ", ".join(name for name in entries if name != said[0])
            raise item.refuse(f"{said[0]} alone, or weights", found=f"{said[0]} with {others}")
        return words[said[0]](entries[said[0]])

    return read


#: What stands under ``targets:``.
source: Kind[Source] = _one_of(_WORDS)
#: What stands in a model file: a program that writes one must not choose where secrets go.
written: Kind[Source] = _one_of({"models": _models})
