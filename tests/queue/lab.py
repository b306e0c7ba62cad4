"""What a queue test works with: shorthand for moves, and a look at the bare structures."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from rebalancer.core.event import Event, Priority
from rebalancer.core.order import Intent, Order, order_ref
from rebalancer.queue import journal, keys, moves
from rebalancer.queue.move import Move
from rebalancer.queue.store import Queue
from rebalancer.queue.values import Enqueued, Lease

T = TypeVar("T")

#: A Monday; nothing depends on it.
START = 1_700_000_000.25

_ids = itertools.count(1)


def event(
    account: str = "U1",
    command: str = "rebalance",
    *,
    event_id: str = "",
    priority: Priority = "normal",
    at: float = START,
    **data: Any,
) -> Event:
    """An event with an id of its own."""
    event_id = event_id or f"e{next(_ids)}"
    return Event(event_id, account, command, at, data=data, priority=priority)


def intent(lease: Lease, symbol: str = "SPY", pass_number: int = 1) -> Intent:
    """An order of the leased event, as written down."""
    ref = order_ref(lease.event.event_id, pass_number, symbol)
    order = Order(
        order_ref=ref,
        account_id=lease.event.account_id,
        symbol=symbol,
        con_id=756733,
        action="BUY",
        quantity=10,
        order_type="LMT",
        limit_price=Decimal("512.30"),
    )
    return Intent(order, lease.event.event_id, pass_number, START)


@dataclass
class Lab:
    """A queue, a bare client on the same server, and the time."""

    queue: Queue
    #: A bare client of redis-py; its answers are typed for every kind of client at once.
    redis: Any
    clock: float = field(default=START)

    def now(self) -> float:
        return self.clock

    def run(self, move: Move[T]) -> T:
        return self.queue.run(move)

    def enqueue(self, account: str = "U1", command: str = "rebalance", **kw: Any) -> Enqueued:
        return self.run(moves.enqueue(event(account, command, **kw), now=self.clock))

    def take(self, worker: str = "w1", *, ttl: float = 20.0) -> Lease | None:
        return self.queue.take(worker, now=self.now, ttl=ttl, wait=0)

    def leased(self, worker: str = "w1", *, ttl: float = 20.0) -> Lease:
        found = self.take(worker, ttl=ttl)
        assert found is not None, "there was nothing to lease"
        return found

    def pop(self) -> bytes:
        """What a worker holds that dies between its blocking pop and its lease."""
        raw = self.redis.lmove(keys.QUEUE, keys.PROCESSING, "RIGHT", "LEFT")
        assert isinstance(raw, bytes)
        return raw

    def retry(self, lease: Lease, *, delay: float = 60.0, **kw: Any) -> Any:
        """Fail so that the backoff is exactly ``delay``."""
        arguments = {
            "now": self.clock,
            "error": "no connection",
            "base_delay": delay * 2,
            "cap": delay * 2,
            "max_attempts": 0,
            "jitter": 0.5,
        }
        return self.run(moves.retry(lease, **{**arguments, **kw}))

    def wait_until(self, condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"

    # -- looking at the bare structures ------------------------------------------------

    def queued(self) -> list[str]:
        """Event ids in the order they will be taken."""
        return [_id(raw) for raw in reversed(self.redis.lrange(keys.QUEUE, 0, -1))]

    def processing(self) -> list[str]:
        return [_id(raw) for raw in self.redis.lrange(keys.PROCESSING, 0, -1)]

    def retrying(self) -> list[str]:
        return [_id(raw) for raw in self.redis.zrange(keys.RETRY, 0, -1)]

    def delayed(self) -> list[str]:
        return [_id(raw) for raw in self.redis.zrange(keys.DELAYED, 0, -1)]

    def dead(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for raw in self.redis.zrange(keys.DEAD, 0, -1)]

    def active(self) -> set[str]:
        return {member.decode() for member in self.redis.smembers(keys.ACTIVE)}

    def kinds(self, event_id: str) -> list[str]:
        """The journal's words on one event, in order."""
        entries = self.run(journal.read(limit=1000))
        return [entry.kind for entry in entries if entry.event_id == event_id]

    def everything(self) -> dict[str, Any]:
        """All that is stored, save what differs by nature between two runs.

        These are the ids of journal entries, the random names of requests, and the
        remembered answers.
        """
        found: dict[str, Any] = {}
        for key in sorted(self.redis.scan_iter()):
            name = key.decode()
            if name.startswith("rebalance_answer:"):
                continue
            match self.redis.type(key):
                case b"list":
                    found[name] = self.redis.lrange(key, 0, -1)
                case b"set":
                    found[name] = self.redis.smembers(key)
                case b"zset":
                    found[name] = self.redis.zrange(key, 0, -1, withscores=True)
                case b"hash":
                    found[name] = self.redis.hgetall(key)
                case b"stream":
                    found[name] = [fields for _, fields in self.redis.xrange(key)]
                case _:
                    found[name] = self.redis.get(key)
        leases = found.get(keys.LEASES, {})
        for account, raw in leases.items():
            leases[account] = {k: v for k, v in json.loads(raw).items() if k != "request"}
        return found


def _id(raw: bytes) -> str:
    found: str = json.loads(raw)["event_id"]
    return found
