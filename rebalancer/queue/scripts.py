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
from importlib import resources

from rebalancer.queue import keys

_INCLUDE = re.compile(r"^--@include (\w+)$", re.MULTILINE)

Argument = str | bytes


@dataclass(frozen=True, slots=True)
class Script:
    """One transition's source, ready to be called by its digest."""

    name: str
    source: str
    sha: str


def pack(parts: Iterable[Argument]) -> bytes:
    """The parts of a command as RESP bulk strings, without the array's head."""
    return b"".join(
        b"$%d\r\n%b\r\n" % (len(part), part)
        for part in (p.encode() if isinstance(p, str) else p for p in parts)
    )


@cache
def load(name: str) -> Script:
    """Read ``lua/<name>.lua`` and what it includes."""
    folder = resources.files(__package__) / "lua"

    def included(match: re.Match[str]) -> str:
        return (folder / "lib" / f"{match[1]}.lua").read_text().rstrip("\n")

    source = _INCLUDE.sub(included, (folder / f"{name}.lua").read_text())
    # SHA-1 is how Redis names scripts.
    digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, source, digest)


@cache
def _head(command: str, body: str, extra_keys: int) -> tuple[int, bytes]:
    count = len(keys.LAYOUT) + extra_keys
    parts = (command, body, str(count), *keys.LAYOUT)
    return len(parts), pack(parts)


def call(name: str, extra_keys: tuple[str, ...], args: tuple[Argument, ...]) -> bytes:
    """The wire form of a call by digest; Redis answers NOSCRIPT if it does not know it."""
    count, head = _head("EVALSHA", load(name).sha, len(extra_keys))
    rest = (*extra_keys, *args)
    return b"*%d\r\n%b%b" % (count + len(rest), head, pack(rest))


def call_in_full(name: str, extra_keys: tuple[str, ...], args: tuple[Argument, ...]) -> bytes:
    """The same call with the source in it, which makes Redis know the script from then on."""
    count, head = _head("EVAL", load(name).source, len(extra_keys))
    rest = (*extra_keys, *args)
    return b"*%d\r\n%b%b" % (count + len(rest), head, pack(rest))
