"""The one path of a signal into the queue, whatever its source.

``accept`` makes an event of what is known already; ``read`` makes events of a message as it
came from outside, strictly, for sources that hear JSON or YAML.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from rebalancer.core import request
from rebalancer.core.event import COMMANDS, Event, Priority
from rebalancer.errors import PermanentError

#: Printable, safe in Redis keys, log fields and URLs; a UUID fits.
_EVENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9]{2,20}")


def accept(
    account_id: str,
    exec_command: str,
    *,
    now: float,
    source: str,
    event_id: str | None = None,
    priority: str = "normal",
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Return the event of a signal, ready to be enqueued.

    Args:
        account_id: An IBKR account, e.g. ``U123456``.
        exec_command: One of ``core.event.COMMANDS``.
        now: Unix seconds.
        source: Who says so, for the journal: ``cli``, ``schedule``, ``api`` …
        event_id: The sender's own id, so that its resends are recognised; made up if None.
        priority: ``normal`` or ``high``.
        data: A JSON object passed on with the event; for a rebalance see ``core.request``.

    Raises:
        PermanentError: The signal can never run; the text says what would be right.
    """
    if not _ACCOUNT_ID.fullmatch(account_id):
        msg = f"account_id {account_id!r} is not an IBKR account id such as U123456"
        raise PermanentError(msg)
    if exec_command not in COMMANDS:
        msg = f"unknown exec_command {exec_command!r}; known are: {', '.join(COMMANDS)}"
        raise PermanentError(msg)
    if event_id is not None and not _EVENT_ID.fullmatch(event_id):
        msg = (
            f"event_id {event_id!r} must be 1 to 64 letters, digits, '.', '_', ':' or '-', "
            f"beginning with a letter or digit"
        )
        raise PermanentError(msg)
    request.check(data or {}, exec_command)
    return Event(
        event_id=event_id or uuid.uuid4().hex[:16],
        account_id=account_id,
        exec_command=exec_command,
        received_at=now,
        data=dict(data or {}),
        priority=_priority(priority),
        source=source,
    )


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom signals may be for."""

    #: Account -> the strategy that it follows, '' if none; only accounts that are traded.
    strategies: Mapping[str, str]
    #: Why an account is not traded, with the remedy; '' if it is.
    why_not: Callable[[str], str]


#: The keys of a message, and what each has to be.
KEYS: Mapping[str, tuple[type, str]] = {
    "account_id": (str, "a text"),
    "strategy": (str, "a text"),
    "exec_command": (str, "a text"),
    "exec": (str, "a text"),
    "event_id": (str, "a text"),
    "priority": (str, "a text"),
    "data": (dict, "an object"),
}


def read(
    message: object, audience: Audience, *, now: float, source: str, event_id: str
) -> tuple[Event, ...]:
    """Return the events of a message, ready to be enqueued; all of them, or none.

    Args:
        message: ``{"account_id": "U123456", "exec_command": "rebalance"}``; or, for every
            account that follows a strategy, with ``strategy`` instead of ``account_id``;
            optionally ``priority``, ``data`` and ``event_id``. ``exec`` is short for
            ``exec_command``. A list of such is read one by
            one.
        audience: Whom it may be for.
        now: Unix seconds.
        source: Who says so, for the journal.
        event_id: Names the message, if it brings no ``event_id`` of its own: the same for the
            same message, so that it can be heard twice.

    Raises:
        PermanentError: the message can never run; the text says what would be right.
    """
    if isinstance(message, list):
        if not message:
            raise PermanentError("an empty list holds no signal")
        events = tuple(
            event
            for number, one in enumerate(message)
            for event in _numbered(one, number, audience, now, source, event_id)
        )
        if len({event.event_id for event in events}) < len(events):
            raise PermanentError(
                "two signals have one event_id: the second would change nothing"
            )
        return events
    return _read(message, audience, now=now, source=source, event_id=event_id)


def _numbered(
    message: object, number: int, audience: Audience, now: float, source: str, event_id: str
) -> tuple[Event, ...]:
    try:
        name = f"{event_id}.{number}"
        return _read(message, audience, now=now, source=source, event_id=name)
    except PermanentError as error:
        raise PermanentError(f"signal {number + 1}: {error}") from None


def _read(
    message: object, audience: Audience, *, now: float, source: str, event_id: str
) -> tuple[Event, ...]:
    if not isinstance(message, dict):
        raise PermanentError(f"a signal is an object, not {type(message).__name__}")
    for key, value in message.items():
        if key not in KEYS:
            raise PermanentError(f"unknown key {key!r}; known are: {', '.join(KEYS)}")
        kind, expected = KEYS[key]
        if not isinstance(value, kind):
            raise PermanentError(f"{key} must be {expected}, not {type(value).__name__}")
    if ("exec_command" in message) == ("exec" in message):
        raise PermanentError(f"a signal has one exec_command, of: {', '.join(COMMANDS)}")
    exec_command = str(message.get("exec_command", message.get("exec")))
    if ("account_id" in message) == ("strategy" in message):
        raise PermanentError("a signal names either an account_id or a strategy")
    said = {key: message[key] for key in ("priority", "data") if key in message}

    def event_of(account_id: str) -> Event:
        given = message.get("event_id", event_id)
        return accept(account_id, exec_command, now=now, source=source, event_id=given, **said)

    if "account_id" in message:
        event = event_of(message["account_id"])
        if reason := audience.why_not(event.account_id):
            raise PermanentError(reason)
        return (event,)
    followers = _followers(message["strategy"], audience)
    events = [event_of(account_id) for account_id in followers]
    # One message, an event for each account: they need names of their own, always the same.
    return tuple(replace(one, event_id=f"{one.event_id}.{one.account_id}") for one in events)


def _followers(strategy: str, audience: Audience) -> list[str]:
    found = [account for account, name in audience.strategies.items() if name == strategy]
    if not strategy or not found:
        known = ", ".join(sorted(set(filter(None, audience.strategies.values())))) or "none"
        raise PermanentError(f"no traded account follows strategy {strategy!r}; known: {known}")
    return found


def _priority(text: str) -> Priority:
    for known in get_args(Priority):
        if text == known:
            return cast(Priority, known)
    msg = f"priority {text!r} is neither {' nor '.join(get_args(Priority))}"
    raise PermanentError(msg)
