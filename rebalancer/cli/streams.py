"""What the doctor finds about channels: whether they are there, and the broker hears them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rebalancer.cli.findings import SILENCE, Finding
from rebalancer.queue.values import Daemon
from rebalancer.settings import Files, Settings

#: Seconds to get a connection.
PATIENCE = 3.0


def channels(
    settings: Settings, files: Files, daemons: Mapping[str, Daemon], now: float
) -> Iterator[Finding]:
    """One finding for each stream; nothing is sent to any service."""
    if not settings.broker.channels:
        return
    from rebalancer.broker import configured
    from rebalancer.settings.environment import secret_path

    def secret(name: str) -> Path:
        return secret_path(name, beside=files.config.parent, environ=os.environ)

    found = configured.channels(settings, secret)
    for keys in settings.broker.channels:
        yield _reached(keys.name, keys.place)
        if not any(one.label.partition("/")[0] == keys.name for one in found):
            said = "no traded account follows a strategy that it may signal"
            yield Finding("warn", f"channel {keys.name}", said, "see its strategies")
    broker = daemons.get("broker")
    if broker is None or now - broker.at > SILENCE:
        return  # that is a finding of its own
    for one in found:
        shown = broker.info.get(one.name)
        if shown and shown["connected"]:
            yield Finding("ok", f"channel {one.label}", "the broker hears it")
        else:
            remedy = "see the broker's log; it may not have been reloaded yet"
            yield Finding("fail", f"channel {one.label}", "the broker does not hear it", remedy)


def _reached(name: str, url: str) -> Finding:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), timeout=PATIENCE):
            pass
    except OSError as error:
        said = f"{host}:{port} cannot be reached ({error.strerror or error})"
        return Finding("fail", f"channel {name}", said, "see the network, or correct its url")
    return Finding("ok", f"channel {name}", f"{host}:{port} can be reached")
