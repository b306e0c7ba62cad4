"""Server-Sent Events: bytes in, blocks out, as the HTML standard says in its section 9.2.

No I/O. What a server may make us keep is bounded: a line or a block that is too long is cut and
marked, so that it can be turned away by its id instead of being asked for again for ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Most bytes of one line, and of the data of one block.
LONGEST = 65_536
#: Most characters of an id; one that is longer is none.
LONGEST_ID = 512

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Block:
    """What stood between two blank lines."""

    #: ``message`` unless the server said otherwise.
    event: str
    data: str
    #: The id in this very block; ``None`` if it has none, whatever blocks before it had.
    id: str | None = None
    #: Cut: there was more than is kept.
    too_long: bool = False


class Reader:
    """Reads one stream, from its first byte."""

    def __init__(self) -> None:
        #: Seconds to wait before connecting again, if the server has said so.
        self.retry: float | None = None
        self._line = bytearray()
        self._cut = False
        self._after_cr = False
        self._start: bytes | None = b""
        self._begin()

    def _begin(self) -> None:
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._id: str | None = None
        self._too_long = False

    def feed(self, chunk: bytes) -> list[Block]:
        """Return the blocks that end in ``chunk``; what is not ended waits for more."""
        chunk = self._without_bom(chunk)
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(chunk)
        found: list[Block] = []
        for piece in ended:
            self._append(piece)
            block = self._end_line()
            if block is not None:
                found.append(block)
        self._append(rest)
        return found

    def _without_bom(self, chunk: bytes) -> bytes:
        if self._start is None:
            return chunk
        self._start += chunk
        if len(self._start) < len(_BOM) and _BOM.startswith(self._start):
            return b""
        start, self._start = self._start, None
        return start.removeprefix(_BOM)

    def _append(self, piece: bytes) -> None:
        room = LONGEST - len(self._line)
        self._cut = self._cut or len(piece) > room
        self._line += piece[:room]

    def _end_line(self) -> Block | None:
        line, cut = bytes(self._line), self._cut
        self._line.clear()
        self._cut = False
        if not line:
            return self._end_block()
        if line.startswith(b":"):
            return None
        name, _, value = line.decode(errors="replace").partition(":")
        self._field(name, value.removeprefix(" "))
        self._too_long = self._too_long or cut
        return None

    def _field(self, name: str, value: str) -> None:
        if name == "data":
            self._size += len(value) + 1
            if self._size <= LONGEST + 1:
                self._data.append(value)
            else:
                self._too_long = True
        elif name == "event":
            self._event = value[:LONGEST_ID]
        elif name == "id":
            if "\0" not in value and len(value) <= LONGEST_ID:
                self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry = int(value[:9]) / 1000

    def _end_block(self) -> Block | None:
        block = Block(
            self._event or "message", "\n".join(self._data), self._id, too_long=self._too_long
        )
        nothing = not self._data and self._id is None and not self._too_long
        self._begin()
        return None if nothing else block
