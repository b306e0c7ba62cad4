"""The spool's directory: what lies in it, and where it is put away.

Whoever may write here may trade, so a directory that everybody may write to is refused, and so
is every file that is not a plain one of its own: a link could make us read what its maker may
not read.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rebalancer.errors import PermanentError

#: Most bytes that a file may have.
LARGEST = 65_536
#: What programs write before they rename it.
UNFINISHED = (".tmp", ".part", ".partial", ".swp", "~")

Place = Literal["done", "rejected"]
PLACES: tuple[Place, ...] = ("done", "rejected")


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it lay there; equal as long as nobody touches it."""

    name: str
    mode: int
    size: int
    inode: int
    modified: int
    changed: int

    @property
    def mark(self) -> str:
        """What tells this file from another of the same name and content."""
        return f"{self.inode}.{self.modified}.{self.changed}"


class Drawer:
    """One directory, with ``done`` and ``rejected`` in it. Everything may raise ``OSError``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def prepare(self) -> None:
        """Make what is missing, and refuse a directory that is not safe to take files from.

        Nothing is taken in that could not be put away afterwards.
        """
        self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        for place in PLACES:
            (self._directory / place).mkdir(mode=0o750, exist_ok=True)
        for directory in (self._directory, *(self._directory / place for place in PLACES)):
            if directory.stat().st_mode & stat.S_IWOTH:
                raise PermissionError(0, "everybody may write to it", str(directory))
            if not os.access(directory, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
                raise PermissionError(0, "this program may not write to it", str(directory))

    def waiting(self) -> list[Found]:
        """What lies there and is not being written, oldest first."""
        found: list[Found] = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.endswith(UNFINISHED):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    continue
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # its owner took it back
                found.append(
                    Found(
                        entry.name,
                        info.st_mode,
                        info.st_size,
                        info.st_ino,
                        info.st_mtime_ns,
                        info.st_ctime_ns,
                    )
                )
        return sorted(found, key=lambda one: (one.modified, one.name))

    def read(self, found: Found) -> bytes:
        """Return the bytes of a file.

        Raises:
            PermanentError: it is no plain file, is too large, or may not be read.
        """
        if not stat.S_ISREG(found.mode):
            kind = "a link" if stat.S_ISLNK(found.mode) else "no plain file"
            raise PermanentError(f"it is {kind}; only plain files are read")
        if found.size > LARGEST:
            raise PermanentError(f"{found.size} bytes are more than {LARGEST}")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._directory / found.name, flags)
        except PermissionError as error:
            raise PermanentError("this program may not read it") from error
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) != found.size:
            raise PermanentError("it changed while it was read; rename it into place")
        return raw

    def put_away(self, found: Found, place: Place, *, reason: str = "") -> None:
        """Move a file; the reason, if there is one, stands beside it before that."""
        target = self._free(place, found.name)
        if reason:
            beside = target.with_name(target.name + ".reason")
            beside.write_text(reason + "\n", encoding="utf-8", errors="replace")
        with contextlib.suppress(FileNotFoundError):  # taken back: it counts all the same
            (self._directory / found.name).rename(target)

    def _free(self, place: Place, name: str) -> Path:
        """A name there that nothing has yet, short enough to take an ending."""
        name = os.fsdecode(os.fsencode(name)[:200])
        target = self._directory / place / name
        number = 1
        while os.path.lexists(target):
            number += 1
            target = self._directory / place / f"{name}.{number}"
        return target

    def tidy(self, *, older_than: float) -> None:
        """Remove what was put away before a time in Unix seconds."""
        for place in PLACES:
            with os.scandir(self._directory / place) as entries:
                for entry in entries:
                    # A move leaves the time of the last write as it was, and sets this one.
                    if entry.stat(follow_symlinks=False).st_ctime < older_than:
                        Path(entry.path).unlink()
