"""What a daemon tells systemd, over the socket named in ``NOTIFY_SOCKET``; see sd_notify(3).

Without that variable (a terminal, a test) every call does nothing. A lost notification is
never worth an exception: systemd's own timeouts are the safety net.
"""

from __future__ import annotations

import contextlib
import os
import socket


def ready() -> None:
    """Start-up is complete; units ordered after this one may start."""
    _send("READY=1")


def reloading(monotonic: float) -> None:
    """Settings are being read again; ``ready`` says that it is over.

    ``monotonic`` is CLOCK_MONOTONIC in seconds, by which systemd tells this reload from one
    that was over before it asked.
    """
    _send(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic * 1_000_000)}")


def status(text: str) -> None:
    """Set the line that ``systemctl status`` shows."""
    _send("STATUS=" + " ".join(text.split()))


def watchdog() -> None:
    """Say that the main loop still turns; due within ``WatchdogSec=``."""
    _send("WATCHDOG=1")


def stopping() -> None:
    """An orderly end has begun."""
    _send("STOPPING=1")


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # Linux's abstract namespace: a NUL stands for the '@'
        address = "\0" + address[1:]
    flags = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, flags) as sock:
        sock.connect(address)
        sock.send(message.encode())
