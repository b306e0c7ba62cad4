"""Reading the history: from either end, a page at a time, and what one record comes to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from rebalancer.queue import history

if TYPE_CHECKING:
    from rebalancer.core.chain import Link
    from rebalancer.queue.store import Queue

#: Records read at once; one may have some hundred kilobytes.
PAGE = 100

Record = Mapping[str, Any]


def newest_first(queue: Queue, before: int | None = None) -> Iterator[Link]:
    """Every record below number ``before``, or every one."""
    while page := queue.run(history.newest(before=before, limit=PAGE)):
        yield from page
        before = page[-1].seq


def oldest_first(queue: Queue) -> Iterator[Link]:
    """Every record, in order."""
    after = 0
    while page := queue.run(history.oldest(after=after, limit=PAGE)):
        yield from page
        after = page[-1].seq


def of_event(queue: Queue, event_id: str, *, furthest: int | None = None) -> list[Link]:
    """Every record about the event, oldest first.

    These are the records of its own attempts, and those of other events that tell how its
    orders ended. Reading stops at what is older than the event, and after ``furthest`` records.
    """
    found: list[Link] = []
    began: float | None = None
    for link in islice(newest_first(queue), furthest):
        record = link.record or {}
        if began is not None and record.get("at", began) < began:
            break
        if link.event_id == event_id:
            began = record.get("event", {}).get("received_at", began)
            found.append(link)
        elif any(order["event_id"] == event_id for order in record.get("earlier", ())):
            found.append(link)
    return found[::-1]


def named(queue: Queue, name: str, *, furthest: int | None = None) -> list[Link]:
    """The records that a person means by an event's id or by a record's number.

    An event is looked for in the latest ``furthest`` records, or in all of them.
    """
    links = of_event(queue, name, furthest=furthest)
    if not links and name.isdigit():
        number = int(name)
        at = queue.run(history.newest(before=number + 1, limit=1))
        links = [link for link in at if link.seq == number]
    return links


@dataclass(frozen=True, slots=True)
class Summary:
    """A record on one line. Money is text, by currency; times are Unix seconds."""

    seq: int
    at: float
    account_id: str
    event_id: str
    command: str
    source: str
    attempt: int
    orders: int
    filled: int
    commission: Mapping[str, str]
    drift_before: str | None
    drift_after: str | None
    status: str
    reason: str


def summary(link: Link) -> Summary:
    """Return the record on one line; an unreadable one says so."""
    record = link.record
    if record is None:
        unreadable = "run: rebalancer history verify"
        filed = (link.seq, 0.0, link.account_id, link.event_id)
        return Summary(*filed, "?", "?", 0, 0, 0, {}, None, None, "unreadable", unreadable)
    event, outcome = record["event"], record["outcome"]
    orders = all_orders(record)
    return Summary(
        seq=link.seq,
        at=record["at"],
        account_id=event["account_id"],
        event_id=event["event_id"],
        command=event["exec_command"],
        source=event["source"],
        attempt=event["attempt"],
        orders=len(orders),
        filled=sum(1 for order in orders if order["status"] == "filled"),
        commission=record["costs"]["commission"],
        drift_before=record["drift"]["before"],
        drift_after=record["drift"]["after"],
        status=outcome["status"],
        reason=outcome["reason"],
    )


def all_orders(record: Record) -> Sequence[Record]:
    """The orders that a record tells of: the run's own, then those of earlier runs."""
    return [*record["orders"], *record["earlier"]]


def slippage(order: Record) -> Decimal | None:
    """What the fills cost beyond the price planned with, in the order's currency.

    ``None`` when nothing was filled, or the order was planned in a run without a record.
    """
    filled = Decimal(order["filled"])
    if order["reference"] is None or not filled:
        return None
    beyond = Decimal(order["avg_price"]) - Decimal(order["reference"])
    return filled * (beyond if order["action"] == "BUY" else -beyond)
