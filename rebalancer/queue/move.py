"""A move: one atomic step of the queue, as a value.

Building a move does nothing. ``Queue.run`` and ``AsyncQueue.run`` carry it out, so that both
share one definition, and either may send the same move again when a reply was lost: the
request id inside makes the script give the first answer once more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from rebalancer.queue import codec, keys, scripts
from rebalancer.queue.scripts import Argument
from rebalancer.queue.values import Lease

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Move(NamedTuple, Generic[T_co]):
    """A call of one script, or of one plain command when ``script`` is ''."""

    script: str
    #: Names that depend on the request; the fixed ones the scripts know.
    keys: tuple[str, ...]
    args: tuple[Argument, ...]
    #: From the reply, as redis-py decodes it without text decoding, to the answer.
    parse: Callable[[Any], T_co]

    def packed(self) -> bytes:
        """The command for the wire."""
        if self.script:
            return scripts.call(self.script, self.keys, self.args)
        return b"*%d\r\n%b" % (len(self.args), scripts.pack(self.args))

    def packed_in_full(self) -> bytes:
        """The command with the script's source, for a server that does not know it."""
        return scripts.call_in_full(self.script, self.keys, self.args)


def command(*args: Argument, parse: Callable[[Any], T]) -> Move[T]:
    """A plain Redis command as a move; only for reads and for writes that may be repeated."""
    return Move("", (), args, parse)


def named(move: Move[T], request: str) -> Move[T]:
    """The same move under a name of the caller's own, if it is one that has no natural name.

    Whoever builds it again under this name within ten minutes gets the first one's answer.
    """
    if not move.keys or not move.keys[0].startswith(keys.answer("")):
        return move
    if move.keys[0].startswith(keys.record("")):
        return move  # an event's id names it already
    return move._replace(keys=(keys.answer(f"{request}:{move.script}"), *move.keys[1:]))


def new_request() -> str:
    """A name for a request that has no natural one."""
    return os.urandom(9).hex()


def proof(lease: Lease) -> tuple[Argument, ...]:
    """What ``lua/lib/proof.lua`` checks before a script touches anything."""
    event = lease.event
    worker = codec.dumps(lease.worker)
    return (event.account_id, event.event_id, event.key, str(lease.token), worker)
