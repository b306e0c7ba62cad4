"""The keys of the management API in rebalancer.yaml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rebalancer.settings.document import Item
from rebalancer.settings.kinds import hours, integer, key, one_of, one_or_more, seconds, text

#: Addresses that only this machine can reach.
LOOPBACK = re.compile(r"127(\.\d{1,3}){3}")


def loopback(item: Item) -> str:
    """An address that only this machine can reach."""
    value = text("an address of this machine alone: 127.0.0.1, ::1 or localhost")(item)
    if value not in {"localhost", "::1"} and not LOOPBACK.fullmatch(value):
        raise item.refuse(
            "127.0.0.1, ::1 or localhost: from elsewhere, use an SSH tunnel or a reverse proxy "
            "with TLS"
        )
    return value


@dataclass(frozen=True, slots=True)
class Api:
    """The management API."""

    host: str = key(
        loopback, default="127.0.0.1", about="Where it listens: an address of this machine."
    )
    port: int = key(integer(1, 65535), default=8000, about="Its TCP port.")
    auth: Literal["token", "off"] = key(
        one_of("token", "off"),
        default="token",
        about="token asks for one; off lets everybody on this machine read, and nobody write.",
    )
    token_file: str = key(
        text("a file name"),
        default="",
        about="""File that holds the operator's token. A bare name is looked for among systemd's
            credentials, then beside rebalancer.yaml. Default: api_token.""",
    )
    read_token_file: str = key(
        text("a file name"),
        default="",
        about="The same for a token that can only read. Default: api_read_token, if there.",
    )
    webhook_secret_file: str = key(
        text("a file name"),
        default="",
        about="The same for the key that webhooks sign with. Default: webhook_secret.",
    )
    allowed_hosts: tuple[str, ...] = key(
        one_or_more(text("a host name", pattern=r"[A-Za-z0-9.\-]{1,253}")),
        default=(),
        about="Names by which a reverse proxy is asked for it, beside this machine's own.",
    )
    session_hours: float = key(
        hours(720), default=12.0, about="A login from a browser ends after this."
    )
    failures_per_minute: int = key(
        integer(1, 1_000_000),
        default=20,
        about="After so many wrong tokens from an address, further ones are told to wait.",
    )
    heartbeat_seconds: float = key(
        seconds(),
        default=30.0,
        about="A daemon that is silent for longer is not well; /health says so.",
    )
    sweep_seconds: float = key(
        seconds(), default=120.0, about="The same for a sweep that has not run."
    )
    oldest_event_seconds: float = key(
        seconds(), default=600.0, about="The same for an event that waits in the queue."
    )
