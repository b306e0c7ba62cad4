"""The orders of a scenario that work before anybody connects."""

from __future__ import annotations

from typing import Any

from yaml.nodes import Node

from rebalancer.sim.scenario_market import instrument_name
from rebalancer.sim.scenario_reader import (
    Field,
    Reader,
    any_text,
    choice,
    join,
    number,
    whole,
)
from rebalancer.sim.world import Standing, World

_NEEDED = ("account", "symbol", "action", "quantity", "limit_price")


def orders(reader: Reader, world: World, node: Node) -> tuple[Standing, ...]:
    """The key ``orders``; those of the base are gone."""
    found = (_order(reader, world, item, key) for key, item in reader.items(node, "orders"))
    return tuple(order for order in found if order is not None)


def _order(reader: Reader, world: World, node: Node, key: str) -> Standing | None:
    named = {instrument_name(listing): listing.con_id for listing in world.listings}
    table: dict[str, Field] = {
        "account": choice(tuple(spec.account_id for spec in world.accounts)),
        "symbol": choice(tuple(named)),
        "action": choice(("BUY", "SELL")),
        "quantity": number(above=0),
        "limit_price": number(above=0),
        "client_id": whole(),
        "order_id": whole(),
        "order_ref": any_text,
    }
    found = reader.fields(node, key, table)
    missing = [name for name in _NEEDED if name not in found]
    for name in missing:
        reader.wrong(node, join(key, name), "nothing", "it is needed")
    values: dict[str, Any] = {
        name: table[name](reader, value, join(key, name)) for name, value in found.items()
    }
    if missing or values["symbol"] not in named:
        return None
    return Standing(con_id=named[values.pop("symbol")], **values)
