"""The faults of a scenario, each checked against the table of kinds."""

from __future__ import annotations

from yaml.nodes import Node

from rebalancer.sim.faults import FAULTS, FaultKind
from rebalancer.sim.scenario_market import is_offset
from rebalancer.sim.scenario_reader import (
    Field,
    Reader,
    choice,
    join,
    numeral,
    text_field,
    whole,
    word,
)
from rebalancer.sim.vocabulary import Fault
from rebalancer.sim.world import World

#: Arguments that are not just texts.
_ARGUMENTS: dict[str, Field] = {
    "seconds": numeral(at_least=0),
    "later": numeral(at_least=0),
    "price": numeral(above=0),
    "shares": numeral(above=0),
    "code": numeral(at_least=1, whole=True),
    "end": choice(("1101", "1102")),
    "to": numeral(at_least=1, whole=True),
    "action": choice(("BUY", "SELL")),
    "then": choice(("rest", "cancel")),
    "after": choice(("done",)),
    "instead": choice(("yes",)),
    "keep": choice(("yes",)),
    "silent": choice(("yes",)),
    "used": choice(("yes",)),
    "ratio": numeral(above=0),
}
_MESSAGE_OR_TIME = "write a message such as placeOrder, or +SECONDS after the start"


def faults(reader: Reader, world: World, node: Node) -> tuple[Fault, ...]:
    """The key ``faults``; those of the base are gone."""
    found = (_fault(reader, world, item, key) for key, item in reader.items(node, "faults"))
    return tuple(fault for fault in found if fault is not None)


def _fault(reader: Reader, world: World, node: Node, key: str) -> Fault | None:
    given = dict(reader.entries(node, key))
    if "kind" not in given:
        reader.wrong(node, join(key, "kind"), "nothing", f"write one of {', '.join(FAULTS)}")
        return None
    name = choice(tuple(FAULTS))(reader, given["kind"], join(key, "kind"))
    kind = FAULTS[name]
    table = {"kind": text_field, "when": _when(kind), "count": whole(), **_table(kind, world)}
    found = reader.fields(node, key, table)
    needed = [(arg, kind.args[arg]) for arg in kind.required]
    if kind.when == "any":
        needed.append(("when", "write a message or +SECONDS"))
    for arg, meaning in needed:
        if arg not in found:
            reader.wrong(node, join(key, arg), "nothing", f"it is needed: {meaning}")
    values = {arg: table[arg](reader, value, join(key, arg)) for arg, value in found.items()}
    when = "+0" if kind.when == "time" else kind.when
    return Fault(
        kind=name,
        when=values.get("when", when),
        count=values.get("count", 1),
        args=tuple((arg, values[arg]) for arg in kind.args if arg in values),
    )


def _table(kind: FaultKind, world: World) -> dict[str, Field]:
    symbols = tuple(dict.fromkeys(listing.symbol for listing in world.listings))
    names = {
        **_ARGUMENTS,
        "symbol": choice(symbols),
        "account": choice(tuple(spec.account_id for spec in world.accounts)),
    }
    return {arg: names.get(arg, text_field) for arg in kind.args}


def _when(kind: FaultKind) -> Field:
    if kind.when == "any":
        return word(_MESSAGE_OR_TIME, lambda text: is_offset(text) or text.isalpha())
    if kind.when == "time":
        return word("write +SECONDS after the start", is_offset)
    return choice((kind.when,))
