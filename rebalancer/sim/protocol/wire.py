r"""Framing of the TWS protocol: length prefix, NUL-terminated text fields, the hello.

A frame is a four-byte big-endian length and that many bytes of payload; a payload is fields,
each ended by NUL, the first being the message's number. The hello alone is different:
``API\0`` and then a frame that holds ``vMIN..MAX``, perhaps options, and no NUL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

SERVER_VERSION = 178
#: The largest payload a client may send. The longest honest request is some kilobytes.
MAX_PAYLOAD = 1 << 20
#: "No value" where a field must hold a number.
UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"

#: What a field may be before it is text.
Value = str | int | bool | Decimal | None

_PREFIX = b"API\0"
_MAX_HELLO = 256
_HELLO = re.compile(r"v(\d{1,4})(?:\.\.(\d{1,4}))?(?: (.*))?")
#: No price, size or amount needs more; longer ones come from divisions.
_DECIMALS = Decimal("1E-8")


class WireError(Exception):
    """The bytes are not this protocol; there is no way to find the next frame."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client opens with: the versions it speaks and its connect options."""

    lowest: int
    highest: int
    options: str = ""


def text(value: Value) -> str:
    """A value as the wire spells it: '' for ``None``, 1 and 0 for truth, no exponents."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return _number(value) if isinstance(value, Decimal) else str(value)


def _number(value: Decimal) -> str:
    if not value.is_finite():
        return str(value)
    if abs(value) < 10**15:
        value = value.quantize(_DECIMALS) if _places(value) > 8 else value
    spelled = format(value, "f")
    return spelled.rstrip("0").rstrip(".") if "." in spelled else spelled


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def frame(fields: Sequence[Value]) -> bytes:
    """Fields as one frame."""
    payload = "".join(f"{text(field)}\0" for field in fields).encode("utf-8", "replace")
    return len(payload).to_bytes(4, "big") + payload


def split(payload: bytes) -> list[str]:
    """A payload's fields. A last field that lacks its NUL counts all the same."""
    fields = payload.decode("utf-8", "replace").split("\0")
    if fields[-1] == "":
        fields.pop()
    return fields


class FrameReader:
    """Bytes in, the hello and then payloads out, however the bytes were cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._buffer += data

    def hello(self) -> Hello | None:
        """The hello once it is complete. Raises WireError if these bytes can never be one."""
        start = bytes(self._buffer[: len(_PREFIX)])
        if not _PREFIX.startswith(start):
            raise WireError(f"a session opens with API\\0, not with {start!r}")
        if len(start) < len(_PREFIX):
            return None
        payload = self._take(len(_PREFIX), _MAX_HELLO)
        if payload is None:
            return None
        match = _HELLO.fullmatch(payload.decode("ascii", "replace").rstrip("\0"))
        if match is None:
            raise WireError(f"no version range in {payload!r}")
        lowest, highest, options = match.groups()
        return Hello(int(lowest), int(highest or lowest), options or "")

    def payloads(self) -> Iterator[bytes]:
        """Every complete payload. Raises WireError at a length that cannot be honest."""
        while (payload := self._take(0, MAX_PAYLOAD)) is not None:
            yield payload

    def _take(self, start: int, limit: int) -> bytes | None:
        body = start + 4
        if len(self._buffer) < body:
            return None
        length = int.from_bytes(self._buffer[start:body], "big")
        if length > limit:
            raise WireError(f"a frame of {length} bytes, more than {limit}")
        if len(self._buffer) < body + length:
            return None
        payload = bytes(self._buffer[body : body + length])
        del self._buffer[: body + length]
        return payload
