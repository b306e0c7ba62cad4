"""Loads the Lua scripts and lays out their calls.

A script's file says what it does; lines ``--@include name`` stand for ``lua/lib/name.lua``.
Everything that is the same in each call of a script is packed for the wire once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_INCLUDE = re.compile(r"^--@include (\w+)$", re.MULTILINE)

Argument = str | bytes


@dataclass(frozen=True, slots=True)
class Script:
    """One transition's source, ready to be called by its digest."""

    name: str
    source: str
    sha: str


#: The heads of short bulk strings, since nearly all are short.
_HEADS = tuple(b"$%d\r\n" % length for length in range(512))


def pack(parts: Iterable[Argument]) -> bytes:
    """The parts of a command as RESP bulk strings, without the array's head."""
    chunks: list[bytes] = []
    add = chunks.append
    for part in parts:
        raw = part if type(part) is bytes else part.encode()  # type: ignore[union-attr]
        length = len(raw)
        add(_HEADS[length] if length < 512 else b"$%d\r\n" % length)
        add(raw)
        add(b"\r\n")
    return b"".join(chunks)


@cache
def load(name: str) -> Script:
    """Read ``lua/<name>.lua`` and what it includes."""
    folder = Path(__file__).parent / "lua"

    def included(match: re.Match[str]) -> str:
        return (folder / "lib" / f"{match[1]}.lua").read_text().rstrip("\n")

    source = _INCLUDE.sub(included, (folder / f"{name}.lua").read_text())
    # SHA-1 is how Redis names scripts.
    digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, source, digest)


@cache
def _head(command: str, name: str, keys: int, args: int) -> bytes:
    script = load(name)
    body = script.sha if command == "EVALSHA" else script.source
    parts = (command, body, str(keys))
    return b"*%d\r\n%b" % (len(parts) + keys + args, pack(parts))


def call(name: str, keys: tuple[str, ...], args: tuple[Argument, ...]) -> bytes:
    """The wire form of a call by digest; Redis answers NOSCRIPT if it does not know it."""
    return _head("EVALSHA", name, len(keys), len(args)) + pack((*keys, *args))


def call_in_full(name: str, keys: tuple[str, ...], args: tuple[Argument, ...]) -> bytes:
    """The same call with the source in it, which makes Redis know the script from then on."""
    return _head("EVAL", name, len(keys), len(args)) + pack((*keys, *args))
