"""What a message of a stream says: the signal in it, and its name. No I/O."""

from __future__ import annotations

import hashlib

from rebalancer.broker import documents
from rebalancer.broker.channel_presets import Endpoint, Message
from rebalancer.errors import PermanentError

#: Seconds after which a message is too old. That it was heard before is remembered for three
#: days, so beyond that a repetition could not be told from a new one.
TOO_OLD = 2 * 86_400.0


def event_id(endpoint: Endpoint, message: Message) -> str:
    """The same for the same message of the same stream, however often it is heard.

    The text is in it, because the ids of some servers begin at 1 after a restart.
    """
    text = f"{endpoint.mark}\0{message.id}\0{message.text}"
    return f"channel.{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:24]}"


def content(message: Message, strategy: str, *, now: float) -> object:
    """Return what a message says, as ``ingest.read`` takes it.

    Args:
        message: As it came.
        strategy: Whom it is for if it names neither account nor strategy; '' nobody.
        now: Unix seconds.

    Raises:
        PermanentError: it is no signal; the text says why.
    """
    if message.flaw:
        raise PermanentError(message.flaw)
    if message.at is not None and now - message.at > TOO_OLD:
        hours = (now - message.at) / 3600
        raise PermanentError(f"{hours:.0f} h old: nobody knows whether it was heard before")
    found = documents.parse(".json", message.text.encode(errors="replace"))
    if isinstance(found, list):
        return [_addressed(one, strategy, known=bool(message.id)) for one in found]
    return _addressed(found, strategy, known=bool(message.id))


def _addressed(one: object, strategy: str, *, known: bool) -> object:
    if not isinstance(one, dict):
        return one
    if not known and "event_id" not in one:
        # Without either, a repetition would be another signal.
        raise PermanentError("neither the message has an id nor the signal an event_id")
    if strategy and "account_id" not in one and "strategy" not in one:
        return {**one, "strategy": strategy}
    return one
