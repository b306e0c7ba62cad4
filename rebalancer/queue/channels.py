"""How far each channel has been heard, so that a new broker goes on from there.

A place is written after the signals before it were accepted. Written again, or late, it costs
no more than hearing known messages once more: so a plain write will do.
"""

from __future__ import annotations

from dataclasses import dataclass

from rebalancer.queue import codec, keys
from rebalancer.queue.move import Move, command


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where a stream was heard. Times are Unix seconds, 0: never."""

    #: Whose stream it is, so that an id is never taken to another one.
    stream: str = ""
    #: The service's id of the last message, '' if none came yet.
    id: str = ""
    #: Since when there is something to be missed, as long as there is no id.
    since: float = 0.0
    #: When the stream was last alive.
    at: float = 0.0


def keep_place(channel: str, place: Place) -> Move[None]:
    """Remember up to where ``channel`` was heard."""
    stored = codec.dumps(
        {"stream": place.stream, "id": place.id, "since": place.since, "at": place.at}
    )
    return command("HSET", keys.CHANNELS, channel, stored, parse=lambda _reply: None)


def load_place(channel: str) -> Move[Place]:
    """Up to where ``channel`` was heard; an unreadable entry is as good as none."""

    def parse(reply: bytes | None) -> Place:
        if reply is None:
            return Place()
        try:
            found = codec.loads(reply)
            return Place(
                str(found["stream"]),
                str(found["id"]),
                float(found["since"]),
                float(found["at"]),
            )
        except (ValueError, KeyError, TypeError):
            return Place()

    return command("HGET", keys.CHANNELS, channel, parse=parse)
