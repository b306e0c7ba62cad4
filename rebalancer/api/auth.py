"""Who asks, and whether they may.

A program sends ``Authorization: Bearer TOKEN``. A browser logs in once with the token and has a
session from then on: a cookie that scripts cannot read and other sites cannot send, and beside
it, for whatever changes something, a CSRF token that only the page knows.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass
from typing import Literal

from flask import Request, g

from rebalancer.api.context import context, now
from rebalancer.api.problem import ProblemError
from rebalancer.api.tokens import Role
from rebalancer.errors import QueueError
from rebalancer.queue import door

log = logging.getLogger("rebalancer.api")

COOKIE = "rebalancer_session"
CSRF_HEADER = "X-CSRF-Token"
#: Seconds over which wrong tokens are counted.
WINDOW = 60.0

#: What a route asks of its caller.
Access = Literal["open", "reader", "operator"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: by ``token``, by ``session``, or because ``auth`` is ``off``."""

    role: Role
    by: Literal["token", "session", "off"]
    #: Of the session, if there is one.
    session: str = ""
    expires_at: float = 0.0


def admit(request: Request, access: Access) -> None:
    """Let the caller pass, or raise why not; who it is stands in ``g.caller``."""
    if access == "open":
        return
    g.caller = caller = identify(request)
    if access == "operator" and caller.role != "operator":
        if caller.by == "off":
            remedy = (
                "Set `api.auth: token` in rebalancer.yaml: without tokens there are only reads."
            )
        else:
            remedy = "Use the operator's token; this one can only read."
        raise ProblemError("read-only", "This changes something.", remedy=remedy)
    if caller.by == "session" and request.method not in {"GET", "HEAD"}:
        given = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode(), csrf_token(caller.session).encode()):
            raise ProblemError(
                "no-csrf-token",
                f"The header {CSRF_HEADER} is missing or wrong.",
                remedy="Send the csrf_token that GET /session answers.",
            )


def identify(request: Request) -> Caller:
    """Return who asks.

    Raises:
        ProblemError: nobody that we know.
    """
    given = request.headers.get("Authorization")
    if given is not None:
        scheme, _, token = given.partition(" ")
        role = context().tokens.role_of(token.strip()) if scheme.lower() == "bearer" else None
        if role is None:
            raise refused(request, "The token is not one of ours.")
        return Caller(role, "token")
    cookie = request.cookies.get(COOKIE)
    if cookie:
        found = context().queue.run(door.find_session(digest(cookie)))
        live = found is not None and found.expires_at > now()
        if found is not None and live and found.token == context().tokens.name_of(found.role):
            role = "operator" if found.role == "operator" else "reader"
            return Caller(role, "session", cookie, found.expires_at)
    if context().settings.api.auth == "off":
        return Caller("reader", "off")
    raise ProblemError(
        "no-token",
        "The session has ended." if cookie else "No token was sent.",
        remedy="Send `Authorization: Bearer TOKEN`; `rebalancer api token` says where it is.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def refused(request: Request, detail: str) -> ProblemError:
    """Count a wrong token, and return what to answer.

    A right token is always let in: it has 256 bits, which nobody guesses, while a limit that
    holds for it, too, would let any program on this machine lock the operator out.
    """
    address = request.remote_addr or "unknown"
    limit = context().settings.api.failures_per_minute
    if _count(address, limit) > limit:
        return ProblemError(
            "too-many-failures",
            f"More than {limit} wrong tokens within {WINDOW:g} s.",
            remedy="Wait a minute; `rebalancer api token` says where the right one is.",
            headers={"Retry-After": f"{WINDOW:.0f}"},
        )
    log.warning("wrong token from %s", address)
    return ProblemError(
        "no-token",
        detail,
        remedy="`rebalancer api token` says where the right one is.",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


def _count(address: str, limit: int) -> int:
    """How many wrong tokens came from there in this window, with this one.

    Counted in Redis, so that a restart forgets nothing; once above the limit, only here, so
    that a flood costs Redis nothing.
    """
    failures: dict[str, tuple[float, int]] = context().failures
    at = now()
    began, count = failures.get(address, (at, 0))
    if not 0 <= at - began < WINDOW:
        began, count = at, 0
    count += 1
    if count <= limit:
        try:
            move = door.strike(address, now=at, window=WINDOW, limit=limit)
            count = max(count, context().queue.run(move))
        except QueueError as error:
            log.warning("a wrong token is counted in this process only: %s", error)
    if len(failures) > 1000:
        failures.clear()
    failures[address] = (began, count)
    return count


def new_session() -> str:
    """A name for a session that nobody can guess."""
    return secrets.token_urlsafe(32)


def digest(session: str) -> str:
    """What Redis knows a session by."""
    return hashlib.sha256(session.encode()).hexdigest()


def csrf_token(session: str) -> str:
    """What the page has to send with a change; follows from the session, and not back."""
    return hmac.digest(session.encode(), b"csrf", "sha256").hex()
