"""The one path of a signal into the queue, whatever its source."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
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


def _priority(text: str) -> Priority:
    for known in get_args(Priority):
        if text == known:
            return cast(Priority, known)
    msg = f"priority {text!r} is neither {' nor '.join(get_args(Priority))}"
    raise PermanentError(msg)
