"""Scenario files: a world as YAML.

A file states what differs from the scenario it ``extends`` (``default`` if it does not say,
``empty`` for nothing at all): instruments are merged field by field, accounts and faults
replace the base's, everything else overrides single fields. docs/reference/simulator.md
describes every key; ``faults.FAULTS`` is the table of fault kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from yaml.nodes import Node

from rebalancer.errors import ConfigError
from rebalancer.sim import (
    scenario_accounts,
    scenario_faults,
    scenario_market,
    scenario_orders,
)
from rebalancer.sim.scenario_reader import (
    Reader,
    choice,
    join,
    number,
    real,
    table_of,
    text_field,
)
from rebalancer.sim.venue.pairs import pairs
from rebalancer.sim.world import World

_EMPTY = World(listings=(), accounts=())
_SHIPPED = files("rebalancer.sim") / "scenarios"
_Part = Callable[[Reader, World, Node], Any]


def _rates(reader: Reader, world: World, node: Node) -> Mapping[str, Any]:
    return {**world.rates, **table_of(number(above=0))(reader, node, "rates")}


def _latencies(reader: Reader, world: World, node: Node) -> Mapping[str, Any]:
    return {**world.latencies, **table_of(real(at_least=0))(reader, node, "latencies")}


#: The world's field that a key fills, and how; a part may use those before it.
_PARTS: dict[str, tuple[str, _Part]] = {
    "clock": ("clock", scenario_market.clock),
    "habits": ("habits", scenario_market.habits),
    "fill_after": (
        "fill_after",
        lambda reader, _, node: real(at_least=0)(reader, node, "fill_after"),
    ),
    "rates": ("rates", _rates),
    "latencies": ("latencies", _latencies),
    "calendars": ("calendars", scenario_market.calendars),
    "instruments": ("listings", scenario_market.listings),
    "accounts": ("accounts", scenario_accounts.accounts),
    "orders": ("orders", scenario_orders.orders),
    "faults": ("faults", scenario_faults.faults),
}


def shipped() -> tuple[str, ...]:
    """The names of the scenarios that come along, those of a folder as ``FOLDER/NAME``."""
    return tuple(sorted(_names(_SHIPPED)))


def _names(folder: Traversable, prefix: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.name.endswith(".yaml"):
            yield prefix + entry.name.removesuffix(".yaml")
        elif entry.is_dir():
            yield from _names(entry, f"{prefix}{entry.name}/")


def default_world() -> World:
    """About 25 liquid US ETFs, Apple, and two paper accounts."""
    return load_world("default")


def load_world(source: str | Path) -> World:
    """The world of a shipped scenario (by name) or of a file.

    Raises ConfigError that names every mistake with file, line, key, what was found and what
    would be right.
    """
    if str(source) in shipped():
        text = (_SHIPPED / f"{source}.yaml").read_text(encoding="utf-8")
        return parse(text, f"{source}.yaml")
    path = Path(source)
    if not path.suffix and not path.exists():
        names = ", ".join(shipped())
        raise ConfigError(f"{source}: found no such scenario; give a file or one of {names}")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); give a readable file") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> World:
    """The world that ``text`` describes; ``name`` is the file's, for messages.

    Raises ConfigError as ``load_world`` does.
    """
    reader = Reader(name)
    root = reader.compose(text)
    found = reader.fields(root, "", ("extends", "description", *_PARTS))
    if "description" in found:
        text_field(reader, found["description"], "description")
    world = base = _base(reader, found.get("extends"))
    for key, (field, part) in _PARTS.items():
        if key in found:
            world = replace(world, **{field: part(reader, world, found[key])})
    world = _with_pairs(world, base)
    if root is not None:
        _check_rates(reader, world, found.get("accounts") or found.get("instruments") or root)
    reader.check()
    return world


def _base(reader: Reader, node: Node | None) -> World:
    if node is None:
        return _EMPTY if reader.name == "default.yaml" else load_world("default")
    name = choice((*shipped(), "empty"))(reader, node, "extends")
    if f"{name}.yaml" == reader.name:
        reader.wrong(node, "extends", "the scenario itself", "name another one")
        return _EMPTY
    return _EMPTY if name == "empty" else load_world(name)


def _with_pairs(world: World, base: World) -> World:
    """The world with a pair for any two of its currencies, where the file names none itself."""
    stale = set(pairs(base.rates))
    kept = [listing for listing in world.listings if listing not in stale]
    named = {listing.con_id for listing in kept}
    more = (pair for pair in pairs(world.rates) if pair.con_id not in named)
    return replace(world, listings=(*kept, *more))


def _check_rates(reader: Reader, world: World, node: Node) -> None:
    """Every currency that is used needs a rate."""
    used = {listing.currency for listing in world.listings}
    for account in world.accounts:
        used |= {account.currency, *account.cash}
    for currency in sorted(used - world.rates.keys() - {"USD"}):
        right = "say how many US dollars one is worth"
        reader.wrong(node, join("rates", currency), "nothing", right)
