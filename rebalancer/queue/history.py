"""The history: a record of every run, chained by hash, in a stream that is kept for years.

A record is appended by the script that ends its event, so that a run which ended has exactly
one. ``core/chain.py`` says what chains them; ``processor/record.py`` what is in them. The
journal tells what happens and forgets; the history tells what was done, and keeps it. A record
is stored deflated: ten years of them have to fit into the memory of a small machine.

Here are the three moves that a record takes part in, and the reads: by number, from either
end. Nothing but the scripts writes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rebalancer.core import chain
from rebalancer.core.chain import GENESIS, Head, Link
from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.move import Move, command
from rebalancer.queue.scripts import Argument


@dataclass(frozen=True, slots=True)
class Opening:
    """What the next record follows, and what it has to tell of earlier orders."""

    head: Head
    #: Ends of orders that no record tells yet, by order_ref: the report with its ``intent``.
    outcomes: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record that fits one place of the chain only."""

    seq: int
    prev: str
    hash: str
    #: As it is stored: its canonical JSON, deflated.
    packed: bytes
    #: The orders whose ends it tells; no later record tells them again.
    order_refs: tuple[str, ...]

    def arguments(self) -> tuple[Argument, ...]:
        """What ``lua/lib/keep.lua`` takes."""
        return (str(self.seq), self.prev, self.hash, self.packed, *self.order_refs)


@dataclass(frozen=True, slots=True)
class Ends:
    """Between which places the chain is: behind ``start``, up to and with ``head``."""

    start: Head
    head: Head


def open_record(account_id: str, *, now: float, keep: float | None) -> Move[Opening]:
    """Ask what the next record of a run of the account has to follow and to tell.

    Records of runs that ended more than ``keep`` seconds ago are forgotten on the way;
    ``None`` keeps all.
    """
    oldest = 0.0 if keep is None else now - keep
    return Move("open_record", (), (stamp(now), account_id, stamp(oldest)), _opening)


def _opening(reply: list[bytes]) -> Opening:
    seq, digest, *found = reply
    refs = [ref.decode(errors="replace") for ref in found[::2]]
    reports = [_report(raw) for raw in found[1::2]]
    return Opening(Head(int(seq), digest.decode()), dict(zip(refs, reports, strict=True)))


def _report(raw: bytes) -> Mapping[str, Any]:
    try:
        return codec.loads(raw)
    except ValueError:
        # Not ours any more, but no reason to let a run never end: the record shows it.
        return {"unreadable": raw.decode(errors="replace")}


def seal(body: Mapping[str, Any], after: Head, order_refs: tuple[str, ...]) -> Sealed:
    """Make ``body`` the record that follows ``after``.

    Raises:
        ValueError, TypeError: it holds what JSON has no form for.
    """
    record = chain.seal(body, after)
    return Sealed(
        seq=record["seq"],
        prev=record["prev"],
        hash=record["hash"],
        packed=zlib.compress(chain.canonical(record).encode("ascii")),
        order_refs=order_refs,
    )


def newest(*, before: int | None = None, limit: int = 100) -> Move[tuple[Link, ...]]:
    """Up to ``limit`` records with numbers below ``before``, newest first."""
    upto = "+" if before is None else f"({before}-0"
    return command("XREVRANGE", keys.HISTORY, upto, "-", "COUNT", str(limit), parse=_links)


def oldest(*, after: int = 0, limit: int = 100) -> Move[tuple[Link, ...]]:
    """Up to ``limit`` records with numbers above ``after``, oldest first."""
    return command(
        "XRANGE", keys.HISTORY, f"({after}-0", "+", "COUNT", str(limit), parse=_links
    )


def ends() -> Move[Ends]:
    """Where the chain begins and ends, by what was noted when it did."""
    return command("HGETALL", keys.HISTORY_HEAD, parse=_ends)


def _ends(reply: list[bytes]) -> Ends:
    texts = [part.decode(errors="replace") for part in reply]
    noted = dict(zip(texts[::2], texts[1::2], strict=True))

    def place(seq: str, digest: str) -> Head:
        number = noted.get(seq, "")
        return Head(int(number) if number.isdigit() else 0, noted.get(digest, GENESIS))

    return Ends(place("from_seq", "from_hash"), place("seq", "hash"))


def _links(reply: list[Any]) -> tuple[Link, ...]:
    return tuple(_link(entry_id, fields) for entry_id, fields in reply)


def _link(entry_id: bytes, fields: list[bytes]) -> Link:
    found = dict(zip(fields[::2], fields[1::2], strict=False))

    def filed(name: bytes) -> str:
        return found.get(name, b"").decode(errors="replace")

    return Link(
        seq=int(entry_id.partition(b"-")[0]),
        hash=filed(b"hash"),
        event_id=filed(b"event_id"),
        account_id=filed(b"account_id"),
        record=_unpacked(found.get(b"record", b"")),
    )


def _unpacked(packed: bytes) -> Mapping[str, Any] | None:
    try:
        return codec.loads(zlib.decompress(packed))
    except (ValueError, zlib.error):
        return None
