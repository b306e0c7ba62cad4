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
from rebalancer.core.trades import Trade
from rebalancer.errors import PermanentError
from rebalancer.queue.values import Unreadable

# The scripts paste these into JSON and split lists of them at spaces, so nothing in them may
# need quoting. ``lua/lib/event.lua`` holds foreign entries to the same rule.
_ID = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PRIORITIES = ("normal", "high")


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
_decoder = json.JSONDecoder()
# JSONEncoder makes the C encoder anew for each value, which costs more than most values do.
_make = json.encoder.c_make_encoder  # type: ignore[attr-defined]
_quoted = json.encoder.encode_basestring
_chunks = _make and _make(None, _plain, _quoted, None, ":", ",", False, False, False)


def _json(value: object) -> str:
    return "".join(_chunks(value, 0)) if _chunks else _encoder.encode(value)


def _from_json(text: str) -> object:
    # Nearly always nothing stands around the object, and two searches for it can be spared.
    try:
        found, end = _decoder.scan_once(text, 0)  # type: ignore[attr-defined]
    except StopIteration:
        return _decoder.decode(text)
    return found if end == len(text) else _decoder.decode(text)


def dumps(value: object) -> bytes:
    """Encode ``value`` compactly as UTF-8 JSON.

    Raises:
        PermanentError: it holds NaN, infinity, half a surrogate pair or a foreign type.
    """
    try:
        return _json(value).encode()
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
        raise ValueError("not a JSON object")  # noqa: TRY004
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
    if event.priority not in _PRIORITIES:
        raise PermanentError(f"priority {event.priority!r} is not normal or high")
    try:
        # The names come first and unescaped: the scripts find them there without decoding.
        return (
            f'{{"event_id":"{event.event_id}","account_id":"{event.account_id}",'
            f'"exec_command":"{event.exec_command}","received_at":{stamp(event.received_at)},'
            f'"priority":"{event.priority}","source":{_json(event.source)},'
            f'"attempt":{event.attempt:d},"last_error":{_json(event.last_error)},'
            f'"merged":{event.merged:d},"data":{_json(event.data)}}}'
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise PermanentError(f"event {event.event_id} cannot be written: {error}") from error


def decode(raw: bytes) -> Event | Unreadable:
    """Read an element. Missing optional keys take their defaults; unknown ones are left."""
    try:
        return _event(_from_json(raw.decode()))
    except (ValueError, RecursionError) as error:
        return Unreadable(raw, str(error) or "not JSON")


def _event(found: object) -> Event:
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the bytes are wrong, not a type
    get: Any = found.get
    event = Event(
        get("event_id"),
        get("account_id"),
        get("exec_command"),
        get("received_at"),
        get("data", {}),
        get("priority", "normal"),
        get("source", "cli"),
        get("attempt", 0),
        get("last_error", ""),
        get("merged", 0),
        _count(get("reclaims")),
    )
    if complaint := _complaint(event):
        raise ValueError(complaint)
    return event


def _count(found: object) -> int:
    # The sweeps' own note; no reason to refuse an event, whatever stands there.
    return found if type(found) is int and found > 0 else 0


def _complaint(event: Event) -> str:  # noqa: PLR0911 - one return for each fault
    """What is wrong with an event that came from JSON, '' if nothing."""
    # Exactly these types: JSON's true is Python's 1, but no count.
    if not type(event.event_id) is type(event.account_id) is type(event.exec_command) is str:
        return "event_id, account_id or exec_command is missing or not a text"
    if not type(event.source) is type(event.last_error) is str:
        return "source or last_error is not a text"
    if not type(event.attempt) is type(event.merged) is int:
        return "attempt or merged is not a count"
    if event.attempt < 0 or event.merged < 0:
        return "attempt or merged is negative"
    if type(event.data) is not dict:
        return "data is not an object"
    if event.priority not in _PRIORITIES:
        return f"priority is {event.priority!r}, not normal or high"
    if type(event.received_at) not in (float, int) or not math.isfinite(event.received_at):
        return "received_at is missing or not a time"
    if not _ID.fullmatch(event.event_id):
        return "event_id has characters that keys cannot hold"
    if not (_NAME.fullmatch(event.account_id) and _NAME.fullmatch(event.exec_command)):
        return "account_id or exec_command has characters that keys cannot hold"
    return ""


def decode_intent(raw: bytes) -> Intent:
    """Read a stored intent.

    Raises:
        ValueError: it is unreadable.
    """
    try:
        found = loads(raw)
        return Intent(
            order=Order(**order_fields(found["order"])),
            event_id=found["event_id"],
            pass_number=found["pass_number"],
            recorded_at=found["recorded_at"],
            currency=found.get("currency", ""),
            held_before=_decimal(found.get("held_before")),
            cash_before=_decimal(found.get("cash_before")),
            avg_cost=_decimal(found.get("avg_cost")),
            may_lose=found.get("may_lose", False),
            turnover=found.get("turnover", 0),
            trading_day=found.get("trading_day", ""),
        )
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"not an intent: {error!r}") from error


def order_fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """An order's fields; a newer version may have written more, an older one less."""
    known = {field.name for field in dataclasses.fields(Order)}
    order = {name: value for name, value in found.items() if name in known}
    order["limit_price"] = _decimal(order["limit_price"])
    return order


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def encode_report(report: OrderReport) -> bytes:
    """Write an order's end with its fills, as the journal keeps it."""
    return dumps(cast(object, report))


def encode_trade(trade: Trade) -> bytes:
    """Write a trade as the memory of an account holds it."""
    return dumps(cast(object, trade))


def decode_trade(raw: bytes) -> Trade:
    """Read a remembered trade.

    Raises:
        ValueError: it is unreadable.
    """
    try:
        found = loads(raw)
        known = {f.name: found[f.name] for f in dataclasses.fields(Trade)}
        known["quantity"], known["lost"] = Decimal(found["quantity"]), _decimal(found["lost"])
        known["at"] = float(found["at"])
        return Trade(**known)
    except (KeyError, TypeError, ArithmeticError) as error:
        raise ValueError(f"not a trade: {error!r}") from error
