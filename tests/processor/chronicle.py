"""What must hold of the history whatever happened: one chain, and every fill told once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rebalancer.core.chain import Verifier
from rebalancer.queue import history
from tests.processor.system import System

Record = Mapping[str, Any]


async def read(system: System) -> tuple[list[Record], list[str]]:
    """All records, oldest first, and everything that is wrong with them."""
    ends = await system.queue.run(history.ends())
    links = await system.queue.run(history.oldest(limit=10_000))
    verifier = Verifier(ends.start)
    wrong = [fault for link in links if (fault := verifier.fault(link))]
    if fault := verifier.end(ends.head):
        wrong.append(fault)
    records = [link.record for link in links if link.record is not None]
    runs = Counter((r["event"]["event_id"], r["run"]["token"]) for r in records)
    wrong += [f"run {run} has {count} records" for run, count in runs.items() if count > 1]
    told: Counter[str] = Counter()
    for record in records:
        for order in (*record["orders"], *record["earlier"]):
            for fill in order["fills"]:
                told[order["order_ref"]] += Decimal(fill["quantity"])  # type: ignore[assignment]
    done: Counter[str] = Counter()
    for fill in system.sim.exchange.fills:
        done[fill.order_ref] += fill.shares  # type: ignore[assignment]
    wrong += [
        f"the history tells {told[ref]} shares of {ref}, the exchange {done[ref]}"
        for ref in sorted(told.keys() | done.keys())
        if told[ref] != done[ref]
    ]
    return records, wrong
