"""The accounts of a scenario: cash, positions, what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from yaml.nodes import Node, ScalarNode

from rebalancer.sim.scenario_market import instrument_name
from rebalancer.sim.scenario_reader import (
    Field,
    Reader,
    boolean,
    choice,
    join,
    number,
    table_of,
    text_field,
)
from rebalancer.sim.venue.ledger import multiplier
from rebalancer.sim.world import AccountSpec, Holding, Listing, World

_ACCOUNT: dict[str, Field] = {
    "currency": text_field,
    "kind": choice(("margin", "cash")),
    "read_only": boolean,
    "short_selling": boolean,
}
_HOLDING: dict[str, Field] = {"quantity": number(), "avg_cost": number(at_least=0)}


def accounts(reader: Reader, world: World, node: Node) -> tuple[AccountSpec, ...]:
    """The key ``accounts``; those of the base are gone."""
    named = {instrument_name(listing): listing for listing in world.listings}
    found = tuple(
        _account(reader, named, name, value) for name, value in reader.entries(node, "accounts")
    )
    if not found:
        reader.wrong(node, "accounts", "none", "name at least one")
    return found


def _account(
    reader: Reader, named: Mapping[str, Listing], name: str, node: Node
) -> AccountSpec:
    key, currency = join("accounts", name), "USD"
    for field, value in reader.entries(node, key):
        if field == "currency" and isinstance(value, ScalarNode):
            currency = value.value

    def cash(reader: Reader, node: Node, key: str) -> Mapping[str, Decimal]:
        if isinstance(node, ScalarNode):
            return {currency: number()(reader, node, key)}
        amounts: Mapping[str, Decimal] = table_of(number())(reader, node, key)
        return amounts

    def positions(reader: Reader, node: Node, key: str) -> tuple[Holding, ...]:
        holdings = (
            _holding(reader, named.get(name), value, join(key, name))
            for name, value in reader.entries(node, key)
        )
        return tuple(holding for holding in holdings if holding is not None)

    table = {**_ACCOUNT, "cash": cash, "positions": positions}
    found = reader.fields(node, key, table)
    values = {
        name: table[name](reader, value, join(key, name)) for name, value in found.items()
    }
    values["holdings"] = values.pop("positions", ())
    return AccountSpec(account_id=name, **values)


def _holding(reader: Reader, listing: Listing | None, node: Node, key: str) -> Holding | None:
    """A bare quantity was bought at the first price; else ``quantity`` and ``avg_cost``."""
    if listing is None:
        reader.wrong(node, key, "an unknown instrument", "add it to 'instruments'")
        return None
    holding = Holding(listing.con_id, Decimal(0), listing.price * multiplier(listing))
    if isinstance(node, ScalarNode):
        return Holding(listing.con_id, number()(reader, node, key), holding.avg_cost)
    holding = reader.into(holding, node, key, _HOLDING)
    if not holding.quantity:
        reader.wrong(node, join(key, "quantity"), "nothing", "say how many are held")
    return holding
