"""How each service is asked for its stream, and what its blocks mean. No I/O.

- `Ably <https://ably.com/docs/api/sse>`_: one channel for each strategy. ``lastEvent`` resumes
  within two minutes; ``rewind`` gives what is that young to one who has no id yet.
- `ntfy <https://docs.ntfy.sh/subscribe/api/>`_: ids are in the messages, not in ``id:`` lines.
  ``since`` takes an id or a time; an id that it no longer has gives all that it has.
- generic: the ``Last-Event-ID`` header, as browsers send it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from rebalancer.broker.event_stream import Block
from rebalancer.errors import PermanentError, RebalancerError, RetryableError
from rebalancer.queue.channels import Place

#: As many as Ably gives to one who has no id to resume from.
_REWIND = "100"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One stream of a service: a strategy's channel at Ably, a topic at ntfy, or the URL."""

    preset: str
    url: str
    topic: str = ""

    @property
    def mark(self) -> str:
        """Tells it from every other one."""
        text = f"{self.preset}\0{self.url}\0{self.topic}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Ask:
    """What to GET."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody published."""

    #: Unique at its service; '' if it has none.
    id: str
    #: From where to resume once it is dealt with; '' leaves that as it was.
    resume: str
    text: str
    #: Unix seconds at which it was published, if the service says so.
    at: float | None = None
    #: Why it can be no signal, if that is known already.
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """No message; the stream may be resumed from here if ``resume`` is not ''."""

    resume: str = ""


Found = Message | Skipped


class LostPlaceError(RebalancerError):
    """The service does not know any more where we were: messages may be lost."""


class PausedError(RetryableError):
    """The service asks for so many seconds without us."""

    def __init__(self, text: str, wait: float) -> None:
        super().__init__(text)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Preset:
    """A service."""

    ask: Callable[[Endpoint, Place], Ask]
    #: May raise ``LostPlaceError``, ``RetryableError`` or ``PermanentError``: the service ends
    #: the stream, and what comes next is as for a failed GET (``channel_stream.py``).
    understand: Callable[[Block], Found]
    #: Whether a stream without an id can be resumed all the same.
    resumes_by_time: bool


# -- Ably ------------------------------------------------------------------------------------

#: Codes that say that messages may be lost: the connection or the channel cannot be recovered,
#: or was cut short because of its rate (ably-common, protocol/errors.json).
_ABLY_LOST = frozenset(
    {80005, 80006, 80007, 80008, 80011, 80012, 80018, 80020}
    | {90002, 90003, 90004, 90005, 90006}
)
_ABLY_REFUSED = frozenset({400, 401, 403, 404})
#: What the payload of a message may be packed in, and is unpacked by us.
_ABLY_ENCODINGS = frozenset({"", "json", "utf-8", "json/utf-8"})


def _ask_ably(endpoint: Endpoint, place: Place) -> Ask:
    query = {"v": "1.2", "channels": endpoint.topic}
    if "," in endpoint.topic:
        query["separator"] = "|"  # else it would be two channels
    if place.id:
        query["lastEvent"] = place.id
    elif place.at:
        query["rewind"] = _REWIND
    return Ask(f"{endpoint.url}?{urlencode(query)}")


def _understand_ably(block: Block) -> Found:
    resume = block.id or ""
    if block.event == "error":
        raise _ably_failure(block)
    if block.event != "message" or not block.data:
        return Skipped(resume)
    envelope = _object(block)
    if envelope is None:
        return Message(resume, resume, block.data, flaw=_flaw(block, "no message of Ably's"))
    data, encoding = envelope.get("data"), str(envelope.get("encoding") or "")
    flaw = "" if encoding in _ABLY_ENCODINGS else f"its encoding is {encoding!r}"
    return Message(
        str(envelope.get("id") or resume),
        resume,
        data if isinstance(data, str) else json.dumps(data),
        _seconds(envelope.get("timestamp"), 1000),
        flaw,
    )


def _ably_failure(block: Block) -> RebalancerError:
    error = _object(block) or {}
    code, status = error.get("code"), error.get("statusCode")
    text = f"Ably says {code}: {error.get('message') or block.data}"[:300]
    if code in _ABLY_LOST:
        return LostPlaceError(text)
    return PermanentError(text) if status in _ABLY_REFUSED else RetryableError(text)


# -- ntfy ------------------------------------------------------------------------------------


_NTFY_ID = re.compile(r'^{"id":"([A-Za-z0-9]{1,64})"')


def _ask_ntfy(endpoint: Endpoint, place: Place) -> Ask:
    url = f"{endpoint.url.rstrip('/')}/{quote(endpoint.topic)}/sse"
    since = place.id or (str(int(place.since)) if place.since else "")
    return Ask(f"{url}?{urlencode({'since': since})}" if since else url)


def _understand_ntfy(block: Block) -> Found:
    if block.event != "message" or not block.data:
        return Skipped()
    envelope = _object(block)
    if envelope is None:
        # Of one that is cut the id is known, so that it is not asked for again.
        at_its_start = _NTFY_ID.search(block.data)
        name = at_its_start[1] if at_its_start else ""
        return Message(name, name, block.data, flaw=_flaw(block, "no message of ntfy's"))
    name, text = str(envelope.get("id") or ""), envelope.get("message")
    flaw = ""
    if not isinstance(text, str):
        flaw = "it has no text"
    elif envelope.get("encoding"):
        flaw = f"its encoding is {envelope['encoding']!r}"
    return Message(name, name, str(text), _seconds(envelope.get("time"), 1), flaw)


# -- others ----------------------------------------------------------------------------------


def _ask_generic(endpoint: Endpoint, place: Place) -> Ask:
    return Ask(endpoint.url, {"Last-Event-ID": place.id} if place.id else {})


def _understand_generic(block: Block) -> Found:
    name = block.id or ""
    if block.event != "message" or (not block.data and not block.too_long):
        return Skipped(name)
    return Message(name, name, block.data, flaw=_flaw(block, ""))


PRESETS: Mapping[str, Preset] = {
    "ably": Preset(_ask_ably, _understand_ably, resumes_by_time=True),
    "ntfy": Preset(_ask_ntfy, _understand_ntfy, resumes_by_time=True),
    "generic": Preset(_ask_generic, _understand_generic, resumes_by_time=False),
}


def _object(block: Block) -> dict[str, Any] | None:
    if block.too_long:
        return None
    try:
        found = json.loads(block.data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _flaw(block: Block, else_: str) -> str:
    return "it is too long" if block.too_long else else_


def _seconds(number: object, per_second: int) -> float | None:
    fits = isinstance(number, int | float) and 0 < number < 1e14
    return float(number) / per_second if fits else None  # type: ignore[arg-type] # checked above
