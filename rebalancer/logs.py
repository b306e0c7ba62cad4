"""Logging: one line per fact on stderr, each naming the event and account it is about.

Three shapes. ``text`` is for people: time, level, message and ``key=value`` pairs. ``json``
is one object a line. Under systemd, ``auto`` writes to the journal itself, so that
``journalctl EVENT_ID=…`` finds an event's whole story; a terminal gets ``text``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

Format = Literal["auto", "json", "text"]

_JOURNAL = "/run/systemd/journal/socket"
#: syslog's severities, as journald's PRIORITY and the ``<N>`` prefix of a line use them.
_SEVERITY = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}

#: Logger of a library -> the least severity of it that is worth a line, at any level of ours.
_OTHERS = {
    # ib_async narrates every message at INFO, and its client every failed connect; what
    # matters of that gateway/ says itself, with the remedy.
    "ib_async": logging.WARNING,
    "ib_async.client": logging.CRITICAL,
    # These would show URLs and headers, in which secrets are; what failed is said by ours.
    "urllib3": logging.CRITICAL + 1,
    "requests": logging.CRITICAL + 1,
    "requests_oauthlib": logging.CRITICAL + 1,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}

#: Words that are shorter hide nothing, see ``hide``.
SHORTEST = 6
_hidden: set[str] = set()

_NONE: Mapping[str, str] = MappingProxyType({})
_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default=_NONE)


@contextlib.contextmanager
def event_context(event_id: str, account_id: str, run: str = "") -> Iterator[None]:
    """Mark all that this task, and the tasks it starts, log inside as about an event."""
    named = {"event_id": event_id, "account": account_id, "run": run}
    token = _context.set({name: value for name, value in named.items() if value})
    try:
        yield
    finally:
        _context.reset(token)


def hide(*secrets: str) -> None:
    """Have these words replaced by ``***`` in whatever is logged from now on.

    A net below everything else: no line should have them. Words too short to be a secret stay,
    or half the log would be stars.
    """
    _hidden.update(word for word in secrets if len(word) >= SHORTEST)


def setup(level: str = "info", shape: Format = "auto", secrets: Iterable[str] = ()) -> None:
    """Send all logging to stderr or the journal. Call once, at a program's start."""
    hide(*secrets)
    handler: logging.Handler
    under_systemd = shape == "auto" and _stderr_is_journal()
    if under_systemd and (journal := _open_journal()) is not None:
        handler = JournalHandler(journal)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(
            JsonFormatter() if shape == "json" else TextFormatter(prefixed=under_systemd)
        )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name, least in _OTHERS.items():
        logging.getLogger(name).setLevel(max(least, root.level))


class TextFormatter(logging.Formatter):
    """``2026-01-05T14:30:00.123Z info  processor: message event_id=… account=…``."""

    def __init__(self, *, prefixed: bool = False) -> None:
        super().__init__()
        #: journald stamps times itself and reads the severity from ``<N>``.
        self._prefixed = prefixed

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback after it where there is one."""
        pairs = "".join(f" {name}={value}" for name, value in _context.get().items())
        line = f"{_short(record.name)}: {record.getMessage()}{pairs}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        line = _unsaid(line)
        if self._prefixed:
            severity = _severity(record.levelno)
            return "\n".join(f"<{severity}>{part}" for part in line.splitlines())
        return f"{_stamp(record.created)} {record.levelname.lower():<8}{line}"


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, logger, message, event_id, account, run, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object on one line."""
        fields = {
            "time": _stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_context.get(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        shown = {name: _unsaid(value) for name, value in fields.items()}
        return json.dumps(shown, ensure_ascii=False)


class JournalHandler(logging.Handler):
    """Writes structured entries with journald's native protocol (EVENT_ID=, ACCOUNT=, RUN=)."""

    def __init__(self, journal: socket.socket) -> None:
        super().__init__()
        self._socket = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Send one entry; one that is too large for a datagram goes to stderr as text."""
        message = f"{_short(record.name)}: {record.getMessage()}"
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        message = _unsaid(message)
        fields = {
            "MESSAGE": message,
            "PRIORITY": str(_severity(record.levelno)),
            "SYSLOG_IDENTIFIER": "rebalancer",
            "LOGGER": record.name,
            **{name.upper(): value for name, value in _context.get().items()},
        }
        try:
            self._socket.send(b"".join(_field(*field) for field in fields.items()))
        except OSError:
            sys.stderr.write(f"<{_severity(record.levelno)}>{message}\n")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def _unsaid(text: str) -> str:
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _field(name: str, value: str) -> bytes:
    # Values with newlines travel as: name, newline, 64-bit little-endian length, value.
    raw = value.encode(errors="replace")
    return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(raw)), raw)


def _open_journal() -> socket.socket | None:
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        journal.connect(_JOURNAL)
    except OSError:
        journal.close()
        return None
    return journal


def _stderr_is_journal() -> bool:
    """Whether stderr is the stream that systemd named in ``JOURNAL_STREAM`` (device:inode)."""
    named = os.environ.get("JOURNAL_STREAM", "")
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{stat.st_dev}:{stat.st_ino}"


def _severity(level: int) -> int:
    return next((s for floor, s in _SEVERITY.items() if level >= floor), 7)


def _stamp(created: float) -> str:
    at = datetime.fromtimestamp(created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _short(name: str) -> str:
    return name.removeprefix("rebalancer.")
