"""A target with its whole tree as JSON: for ``targets show``, and whoever else shows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rebalancer.core.target import Target
from rebalancer.errors import RebalancerError
from rebalancer.settings.models import Definition, Node, target_of


def story_json(definition: Definition, root: Node) -> dict[str, Any]:
    """Return the tree, replacements and final weights; ``error`` says why there are none."""
    try:
        target: Target | None = target_of(definition, root)
        error = ""
    except RebalancerError as wrong:
        target, error = None, str(wrong)
    return {
        "target": target and _target(target),
        "error": error,
        "targets_sum": definition.rule,
        "tree": _node(root),
        "replacement_set": definition.replacement_set,
        "replacements": [
            {"source": one.source, "target": one.target, "scale": _text(one.scale)}
            for one in definition.replacements
        ],
    }


def _target(target: Target) -> dict[str, Any]:
    total = sum(target.weights.values(), Decimal(0))
    return {
        "source": target.source,
        "hash": target.hash,
        "weights": {symbol: _text(weight) for symbol, weight in target.weights.items()},
        "cash": _text(max(1 - total, Decimal(0))),
    }


def _node(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "kind": node.kind,
        "location": node.location,
        "share": _text(node.share),
        "hash": node.hash,
        "etag": node.etag,
        "status": node.status,
        "error": str(node.error or ""),
        "weights": {symbol: _text(weight) for symbol, weight in node.weights.items()},
        "parts": [_node(part) for part in node.parts],
    }


def _text(value: Decimal) -> str:
    return format(value.normalize(), "f")
