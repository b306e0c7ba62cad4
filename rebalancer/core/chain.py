"""Records chained by hash, so that an edit, a removal or a reordering shows.

A record is a JSON object. Three of its members make the chain:

``seq``   its number; 1, 2, 3, none left out
``prev``  the hash of the record before it; of the first one 64 zeros
``hash``  SHA-256, in hex, of the canonical JSON of everything else in it

Canonical JSON is ASCII, with sorted keys and no blanks. The chain proves that nothing in it
was changed by itself. Whoever can write all of it can also make a new one; against that helps
a hash noted elsewhere, in the log or in an exported copy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: What the first record has as ``prev``.
GENESIS = "0" * 64

_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
).encode


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain: the record ``seq`` has this ``hash``; 0 is before the first."""

    seq: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Link:
    """A record as it is stored: at place ``seq``, filed under a hash, an event, an account."""

    seq: int
    hash: str
    event_id: str
    account_id: str
    #: ``None`` when what is stored is unreadable.
    record: Mapping[str, Any] | None


def canonical(record: Mapping[str, Any]) -> str:
    """Write a record as the text that is hashed and stored.

    Raises:
        ValueError, TypeError: it holds what JSON has no form for.
    """
    return _canonical(record)


def digest(record: Mapping[str, Any]) -> str:
    """Return the hash that a record must have."""
    rest = {name: value for name, value in record.items() if name != "hash"}
    return hashlib.sha256(canonical(rest).encode("ascii")).hexdigest()


def seal(body: Mapping[str, Any], after: Head) -> dict[str, Any]:
    """Return ``body`` as the record that follows ``after``."""
    record = {**body, "seq": after.seq + 1, "prev": after.hash}
    return {**record, "hash": digest(record)}


@dataclass(slots=True)
class Verifier:
    """Follows a chain from its oldest record on. ``at`` is the last record found right."""

    at: Head = Head()

    def fault(self, link: Link) -> str:
        """Take the next record; return what is wrong with it, '' if nothing is."""
        expected = self.at.seq + 1
        if link.seq < expected:
            return f"record {link.seq} stands there once more, after record {self.at.seq}"
        if link.seq != expected:
            missing = (
                f"{expected}" if link.seq == expected + 1 else f"{expected}-{link.seq - 1}"
            )
            return f"record {missing} is missing before record {link.seq}"
        wrong = _wrong(link, self.at)
        if wrong:
            return f"record {link.seq} {wrong}"
        self.at = Head(link.seq, link.hash)
        return ""

    def end(self, head: Head) -> str:
        """Return what is missing at the end of the chain, '' if nothing is."""
        if self.at == head:
            return ""
        if self.at.seq < head.seq:
            return f"the records after {self.at.seq} are missing; the last was {head.seq}"
        return f"the head of the chain is not record {self.at.seq} but says {head.seq}"


def _wrong(link: Link, before: Head) -> str:
    """What is wrong with a record at the place where its number belongs."""
    record = link.record
    if record is None:
        return "is unreadable"
    try:
        made = digest(record)
    except (TypeError, ValueError):
        made = ""
    event: Any = record.get("event")
    event = event if isinstance(event, Mapping) else {}
    filed = (link.hash, link.event_id, link.account_id)
    wrongs = (
        (record.get("seq") != link.seq, f"calls itself {record.get('seq')}: it was moved"),
        (record.get("hash") != made, "was changed: its hash does not fit its content"),
        (
            record.get("prev") != before.hash,
            f"does not follow record {before.seq}: one of the two was replaced",
        ),
        (
            filed != (made, event.get("event_id"), event.get("account_id")),
            "is filed under another hash, event or account",
        ),
    )
    return next((text for wrong, text in wrongs if wrong), "")
