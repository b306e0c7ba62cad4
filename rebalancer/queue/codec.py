"""Events, intents and reports as the JSON that Redis holds.

The keys are the dataclasses' field names; Decimals are strings. Keys that a newer version
wrote are not understood here but survive: only the Lua scripts edit stored events, and they
replace single values without re-encoding the rest.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from rebalancer.core.event import Event
from rebalancer.core.order import Intent, Order, OrderReport
from rebalancer.errors import PermanentError
from rebalancer.queue.values import Unreadable

# The scripts paste these into JSON and split lists of them at spaces, so nothing in them may
# need quoting. ``lua/lib/event.lua`` holds foreign entries to the same rule.
_ID = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _plain(value: object) -> object:
    """Turn what JSON lacks into what it has: Decimals to strings, dataclasses to objects."""
    if isinstance(value, Decimal):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
)


def dumps(value: object) -> bytes:
    """Encode ``value`` compactly as UTF-8 JSON.

    Raises:
        PermanentError: it holds NaN, infinity, half a surrogate pair or a foreign type.
    """
    try:
        return _encoder.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PermanentError(f"not representable as JSON: {error}") from error


def loads(raw: bytes) -> dict[str, Any]:
    """Decode a JSON object; bytes that are not UTF-8 show as U+FFFD.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        value = json.loads(raw.decode(errors="replace"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the bytes are wrong, not a type
    return value


def stamp(at: float) -> str:
    """A time in Unix seconds as scripts take it, exact to the microsecond.

    Raises:
        ValueError: it is NaN or infinite.
    """
    if not math.isfinite(at):
        raise ValueError(f"{at} is not a time")
    return repr(float(at))


def check_name(what: str, value: str) -> None:
    """Refuse an account or command that could not be a part of a key.

    Raises:
        PermanentError: it is empty, too long, or has characters beyond letters, digits
            and ``._-``.
    """
    if not _NAME.fullmatch(value):
        raise PermanentError(
            f"{what} {value!r} must be 1 to 64 letters, digits, dots, dashes or underscores"
        )


def encode(event: Event) -> bytes:
    """Write ``event`` as the element that the list and the sorted sets hold.

    Raises:
        PermanentError: a name has characters that keys cannot hold, or ``data`` is no JSON.
    """
    if not _ID.fullmatch(event.event_id):
        raise PermanentError(
            f"event_id {event.event_id!r} must be 1 to 128 letters, digits or ._:@+-"
        )
    check_name("account_id", event.account_id)
    check_name("exec_command", event.exec_command)
    return dumps(
        {
            "event_id": event.event_id,
            "account_id": event.account_id,
            "exec_command": event.exec_command,
            "received_at": event.received_at,
            "priority": event.priority,
            "source": event.source,
            "attempt": event.attempt,
            "last_error": event.last_error,
            "merged": event.merged,
            "data": event.data,
        }
    )


def decode(raw: bytes) -> Event | Unreadable:
    """Read an element. Missing optional keys take their defaults; unknown ones are left."""
    try:
        return _event(json.loads(raw))
    except (ValueError, RecursionError) as error:
        return Unreadable(raw, str(error) or "not JSON")


def _event(found: object) -> Event:
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004
    take = _Taker(found)
    priority = take.text("priority", "normal")
    if priority not in ("normal", "high"):
        raise ValueError(f"priority is {priority!r}, not normal or high")
    data = found.get("data", {})
    if not isinstance(data, dict):
        raise ValueError("data is not an object")  # noqa: TRY004
    event = Event(
        event_id=take.text("event_id"),
        account_id=take.text("account_id"),
        exec_command=take.text("exec_command"),
        received_at=take.number("received_at"),
        data=data,
        priority="high" if priority == "high" else "normal",
        source=take.text("source", "cli"),
        attempt=take.count("attempt"),
        last_error=take.text("last_error", ""),
        merged=take.count("merged"),
    )
    if not _ID.fullmatch(event.event_id):
        raise ValueError("event_id has characters that keys cannot hold")
    if not (_NAME.fullmatch(event.account_id) and _NAME.fullmatch(event.exec_command)):
        raise ValueError("account_id or exec_command has characters that keys cannot hold")
    return event


@dataclasses.dataclass(frozen=True, slots=True)
class _Taker:
    """Takes values out of decoded JSON, naming the key that has the wrong kind."""

    found: Mapping[str, Any]

    def text(self, key: str, default: str | None = None) -> str:
        value = self.found.get(key, default)
        if not isinstance(value, str):
            raise ValueError(f"{key} is not a text")  # noqa: TRY004
        return value

    def number(self, key: str) -> float:
        value = self.found.get(key)
        # JSON's true is Python's 1; a time it is not.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{key} is not a number")  # noqa: TRY004
        if not math.isfinite(value):
            raise ValueError(f"{key} is not finite")
        return float(value)

    def count(self, key: str) -> int:
        value = self.found.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{key} is not a count")
        return value


def decode_intent(raw: bytes) -> Intent:
    """Read a stored intent.

    Raises:
        ValueError: it is unreadable.
    """
    try:
        found = loads(raw)
        # A newer version may have written more than is known here.
        order = {f.name: found["order"][f.name] for f in dataclasses.fields(Order)}
        limit = order["limit_price"]
        order["limit_price"] = None if limit is None else Decimal(limit)
        return Intent(
            order=Order(**order),
            event_id=found["event_id"],
            pass_number=found["pass_number"],
            recorded_at=found["recorded_at"],
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"not an intent: {error!r}") from error


def encode_report(report: OrderReport) -> bytes:
    """Write an order's end with its fills, as the journal keeps it."""
    return dumps(cast(object, report))
