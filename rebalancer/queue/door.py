"""What the management API remembers of those who call it: requests, sessions, failures.

Secrets are never stored, only their digests, which the caller makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rebalancer.queue import codec, keys
from rebalancer.queue.codec import stamp
from rebalancer.queue.journal import alert_data
from rebalancer.queue.move import Move, command, new_request


@dataclass(frozen=True, slots=True)
class Claim:
    """``mine``: carry the request out; ``other``: it is another request's key; ``answered``."""

    status: str
    #: What was answered.
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Session:
    """A person's login from a browser."""

    role: str
    #: Names the token that it was opened with.
    token: str
    #: Unix seconds.
    expires_at: float


def claim(key: str, fingerprint: str, *, now: float, keep: float) -> Move[Claim]:
    """Claim an idempotency key for the request of this fingerprint, for ``keep`` seconds."""

    def parse(reply: bytes) -> Claim:
        status, _, told = reply.partition(b"\n")
        return Claim(status.decode(), told)

    args = (stamp(now), fingerprint, str(int(keep)))
    return Move("claim", (keys.idempotency(key),), args, parse)


def answered(key: str, fingerprint: str, answer: bytes, *, keep: float) -> Move[None]:
    """Keep what the request was answered; only for whoever claimed the key for it."""
    kept = fingerprint.encode() + b"\n" + answer
    name = keys.idempotency(key)
    return command("SET", name, kept, "EX", str(int(keep)), parse=lambda _reply: None)


def open_session(digest: str, session: Session, *, now: float) -> Move[None]:
    """Remember a login until it expires."""
    seconds = str(max(1, int(session.expires_at - now)))
    stored = codec.dumps(
        {"role": session.role, "token": session.token, "expires_at": session.expires_at}
    )
    return command(
        "SET", keys.session(digest), stored, "EX", seconds, parse=lambda _reply: None
    )


def find_session(digest: str) -> Move[Session | None]:
    """The login of this digest, unless it has expired or ended."""

    def parse(reply: bytes | None) -> Session | None:
        try:
            found: dict[str, Any] = codec.loads(reply) if reply else {}
            return Session(found["role"], found["token"], float(found["expires_at"]))
        except (ValueError, KeyError, TypeError):
            return None

    return command("GET", keys.session(digest), parse=parse)


def end_session(digest: str) -> Move[None]:
    """Forget a login."""
    return command("DEL", keys.session(digest), parse=lambda _reply: None)


def strike(address: str, *, now: float, window: float, limit: int) -> Move[int]:
    """Count a failed login from ``address``; returns how many there were in this window.

    At the limit a person is told, once for each window of so many seconds.
    """
    told = alert_data(
        "Failed logins to the API",
        f"{limit} requests from {address} within {window:g} s had a wrong token.",
        remedy="look who it is: journalctl -u rebalancer-api; new tokens: rebalancer api token",
    )
    return Move(
        "strike",
        (keys.answer(new_request()), keys.failures(address)),
        (stamp(now), str(int(window)), str(limit), codec.dumps(told)),
        int,
    )
