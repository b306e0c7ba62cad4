"""The history as a file: every record as JSON, or runs, orders or fills as rows of CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, TextIO

from rebalancer.queue.records import Record, all_orders

Row = Mapping[str, Any]


def moment_of(text: str, *, end: bool = False) -> float:
    """Read ``2026-01-31``, ``2026-01-31T15:30`` (UTC if no offset is said) or Unix seconds.

    A bare day is its beginning, or with ``end`` the beginning of the next one.

    Raises:
        ValueError: it is none of them.
    """
    if text.replace(".", "", 1).isdigit() and len(text) > 8:
        return float(text)
    if len(text) == len("2026-01-31"):
        day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
        return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def write_json(records: Iterable[Record], out: TextIO) -> int:
    """Write one array with a record on each line; return how many there were."""
    count = 0
    for record in records:
        out.write(",\n" if count else "[\n")
        # As it was hashed: `history verify --against` compares an export with the chain.
        out.write(json.dumps(record, sort_keys=True))
        count += 1
    out.write("\n]\n" if count else "[]\n")
    return count


def write_csv(records: Iterable[Record], out: TextIO, what: str) -> int:
    """Write the rows of ``what`` (of ``ROWS``) under a line of names; return how many."""
    names, rows_of = ROWS[what]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    count = 0
    for record in records:
        for row in rows_of(record):
            writer.writerow(row)
            count += 1
    return count


def _runs(record: Record) -> Iterator[Row]:
    event, plan, outcome = record["event"], record["plan"] or {}, record["outcome"]
    orders = all_orders(record)
    paid = record["costs"]["commission"]
    yield {
        "record": record["seq"],
        "ended_at": _when(record["at"]),
        "began_at": _when(record["began_at"]),
        "account_id": event["account_id"],
        "event_id": event["event_id"],
        "command": event["exec_command"],
        "source": event["source"],
        "attempt": event["attempt"] + 1,
        "status": outcome["status"],
        "reason": outcome["reason"],
        "target": (record["target"] or {}).get("hash", ""),
        "plan": plan.get("hash", ""),
        "net_liquidation": plan.get("net_liquidation", ""),
        "currency": plan.get("currency", ""),
        "orders": len(orders),
        "filled": sum(1 for order in orders if order["status"] == "filled"),
        "commission": ";".join(paid.values()),
        "commission_currency": ";".join(paid),
        "drift_before": record["drift"]["before"],
        "drift_planned": record["drift"]["planned"],
        "drift_after": record["drift"]["after"],
        "hash": record["hash"],
    }


def _orders(record: Record) -> Iterator[Row]:
    for order in all_orders(record):
        yield {
            "record": record["seq"],
            "sent_at": _when(order["sent_at"]),
            "account_id": record["event"]["account_id"],
            **{name: order[name] for name in _ORDER},
        }


def _fills(record: Record) -> Iterator[Row]:
    for order in all_orders(record):
        for fill in order["fills"]:
            yield {
                "record": record["seq"],
                "filled_at": _when(fill["at"]),
                "account_id": record["event"]["account_id"],
                **{name: order[name] for name in ("event_id", "symbol", "con_id", "action")},
                **{name: fill[name] for name in _FILL},
                "order_ref": order["order_ref"],
            }


def _when(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat()


_RUN = (
    *("record", "ended_at", "began_at", "account_id", "event_id", "command", "source"),
    *("attempt", "status", "reason", "target", "plan", "net_liquidation", "currency"),
    *("orders", "filled", "commission", "commission_currency"),
    *("drift_before", "drift_planned", "drift_after", "hash"),
)
_ORDER = (
    *("event_id", "symbol", "con_id", "action", "quantity", "order_type", "limit_price"),
    *("currency", "reference", "status", "filled", "remaining", "avg_price", "reason"),
    "order_ref",
)
_FILL = ("quantity", "price", "currency", "commission", "exec_id")

#: What a row may be: the columns, and the rows that a record comes to.
ROWS = {
    "runs": (_RUN, _runs),
    "orders": (("record", "sent_at", "account_id", *_ORDER), _orders),
    "fills": (
        (
            *("record", "filled_at", "account_id", "event_id", "symbol", "con_id", "action"),
            *(*_FILL, "order_ref"),
        ),
        _fills,
    ),
}
