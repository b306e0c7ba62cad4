"""Before and after every request: by which name we are asked, from which site, how much.

A page of another site may make a browser send requests here, and with DNS rebinding even read
the answers. Both need a Host or an Origin that is not ours.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Request, Response

from rebalancer.api.problem import ProblemError

#: Bytes of a request's body.
LARGEST_BODY = 65_536

OWN_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

HEADERS = {
    # Everything comes from here, scripts and styles from files; nothing may frame it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def check(request: Request, allowed: Collection[str]) -> None:
    """Refuse what is not asked of us, or too much.

    Raises:
        ProblemError: as described.
    """
    host = request.headers.get("Host", "")
    if _name(host) not in OWN_NAMES and _name(host) not in {name.lower() for name in allowed}:
        raise ProblemError(
            "wrong-host",
            "The Host header names none of the names that are answered to.",
            remedy="Ask for localhost, or add the name to `api.allowed_hosts`.",
        )
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        raise ProblemError("foreign-origin", "The Origin header names another site.")
    if request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
        raise ProblemError("foreign-origin", "The browser says that another site asks.")
    check_size(request.content_length or 0)


def check_size(size: int) -> None:
    """Refuse a body of more than ``LARGEST_BODY`` bytes with a ``ProblemError``."""
    if size > LARGEST_BODY:
        raise ProblemError("too-large", f"A body has at most {LARGEST_BODY} bytes.")


def _name(host: str) -> str:
    """The name in a Host header, without the port: a tunnel may have any."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def harden(response: Response) -> Response:
    """Add what browsers heed; nothing that was asked for is kept by anybody in between."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
