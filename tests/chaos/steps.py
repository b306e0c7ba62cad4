"""The steps of a run as its two wires see them, and a process that something befalls at one.

A step is a command to Redis, a message to the gateway or one from it. A clean run is recorded
step by step, so whatever the product learns to do is killed at, too, without being told of.
Nothing in the product knows of this: the lowest functions that send and receive are wrapped, in
the process that is to be killed only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from ib_async.connection import Connection

from rebalancer.gateway.decoder import PatientDecoder
from rebalancer.queue import scripts
from rebalancer.queue.store import AsyncQueue
from rebalancer.sim.protocol.messages_in import REQUESTS
from rebalancer.sim.protocol.messages_out import ANSWERS

#: In a process's environment: the file to write its steps to; the moments at which to kill, as
#: ``Moment.dumps`` writes them, a space between two.
RECORD, KILL = "CHAOS_RECORD", "CHAOS_KILL"

Wire = Literal["redis", "to gateway", "from gateway"]
Edge = Literal["before", "after"]

_ANSWERS = {number: name for name, number in ANSWERS.items()}
#: What says something about an order. Of everything else that is said many times over (rows,
#: ticks, signs of life, idle looks), each kind is a step twice.
_ORDERS = frozenset(
    {
        "openOrder",
        "orderStatus",
        "execDetails",
        "commissionReport",
        "completedOrder",
        "placeOrder",
        "cancelOrder",
        "record_intents",
        "settle_intent",
        "begin_pass",
        "note",
    }
)
_OFTEN = 2


@dataclass(frozen=True, slots=True)
class Step:
    """The ``nth`` such command or message, from 1."""

    wire: Wire
    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.wire} {self.name} {self.nth}"


@dataclass(frozen=True, slots=True)
class Moment:
    """Right before or right after a step: not sent yet, or sent and answered; not seen yet,
    or seen and dealt with.
    """

    step: Step
    edge: Edge

    def __str__(self) -> str:
        return f"{self.edge} {self.step}"

    def dumps(self, whom: int = 0) -> str:
        """For an environment: then kill ``whom`` (a process id), or whoever reads it."""
        parts = (self.edge, self.step.wire, self.step.name, str(self.step.nth), str(whom))
        return "|".join(parts).replace(" ", "_")


def recorded(path: Path) -> tuple[Step, ...]:
    """The steps of a recorded run, each once, in order."""
    counts: Counter[str] = Counter()
    found = []
    for line in path.read_text().splitlines():
        counts[line] += 1
        wire, _, name = line.partition("|")
        if counts[line] <= _OFTEN or name in _ORDERS:
            found.append(Step(wire, name, counts[line]))  # type: ignore[arg-type]
    return tuple(found)


def both_edges(steps: Iterable[Step]) -> tuple[Moment, ...]:
    """Before and after each."""
    edges: tuple[Edge, ...] = ("before", "after")
    return tuple(Moment(step, edge) for step in steps for edge in edges)


# In the process that is to be killed --------------------------------------------------------


def arm(environment: Mapping[str, str]) -> None:
    """Record the steps of this process, or kill at one of them, as its environment says."""
    if path := environment.get(RECORD):
        _watch(_recorder(Path(path)))
    elif told := environment.get(KILL):
        _watch(_killer(told.split()))


Watcher = Callable[[Edge, Wire, str, int], None]


def _recorder(path: Path) -> Watcher:
    out = path.open("a", buffering=1)

    def record(edge: Edge, wire: Wire, name: str, nth: int) -> None:
        if edge == "before":
            out.write(f"{wire}|{name}\n")

    return record


def _killer(told: Iterable[str]) -> Watcher:
    plans: dict[tuple[str, ...], int] = {}
    for each in told:
        *moment, whom = each.split("|")
        plans[tuple(moment)] = int(whom) or os.getpid()

    def kill(edge: Edge, wire: Wire, name: str, nth: int) -> None:
        moment = (edge, wire.replace(" ", "_"), name.replace(" ", "_"), str(nth))
        if whom := plans.pop(moment, 0):
            with contextlib.suppress(ProcessLookupError):  # somebody else was quicker
                os.kill(whom, signal.SIGKILL)

    return kill


def _watch(watcher: Watcher) -> None:
    """Wrap the lowest functions that send and receive."""
    counts: Counter[tuple[Wire, str]] = Counter()
    exchange, send, interpret = (
        AsyncQueue._exchange,
        Connection.sendMsg,
        PatientDecoder.interpret,
    )

    def begin(wire: Wire, name: str) -> int:
        counts[wire, name] += 1
        watcher("before", wire, name, counts[wire, name])
        return counts[wire, name]

    async def watched_exchange(self: AsyncQueue, packed: bytes, blocking: float = 0.0) -> Any:
        name = command_name(packed)
        nth = begin("redis", name)
        try:
            return await exchange(self, packed, blocking)
        finally:  # an error is an answer, too
            watcher("after", "redis", name, nth)

    def watched_send(self: Connection, msg: bytes) -> None:
        name = request_name(msg)
        nth = begin("to gateway", name)
        send(self, msg)
        watcher("after", "to gateway", name, nth)

    def watched_interpret(self: PatientDecoder, fields: list[str]) -> None:
        name = answer_name(fields[0])
        nth = begin("from gateway", name)
        interpret(self, fields)
        watcher("after", "from gateway", name, nth)

    setattr(AsyncQueue, "_exchange", watched_exchange)  # noqa: B010 - a signature of its own
    setattr(Connection, "sendMsg", watched_send)  # noqa: B010
    setattr(PatientDecoder, "interpret", watched_interpret)  # noqa: B010


# Names --------------------------------------------------------------------------------------


@cache
def _scripts() -> Mapping[str, str]:
    folder = Path(scripts.__file__).parent / "lua"
    return {scripts.load(path.stem).sha: path.stem for path in folder.glob("*.lua")}


def command_name(packed: bytes) -> str:
    """The script that a packed command calls, or the command and its key."""
    words = packed.split(b"\r\n", 9)[2::2]
    if words[0] == b"EVALSHA":
        return _scripts()[words[1].decode()]
    if words[0] == b"EVAL":
        head, _, rest = packed.partition(b"\r\n$")[2].partition(b"\r\n$")[2].partition(b"\r\n")
        source = rest[: int(head)]
        digest = hashlib.sha1(source, usedforsecurity=False).hexdigest()
        return _scripts()[digest]
    return b" ".join(words[:2]).decode().partition(":")[0]


def request_name(frame: bytes) -> str:
    """What a client's message is called; its hello is ``hello``."""
    number = frame[4:].partition(b"\0")[0]
    known = REQUESTS.get(int(number)) if number.isdigit() else None
    return known[0] if known else "hello"


def answer_name(number: str) -> str:
    """What a gateway's message is called."""
    return _ANSWERS.get(int(number), number) if number.isdigit() else "hello"
