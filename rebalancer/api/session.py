"""Logging in with a browser: the token once, a cookie from then on."""

from __future__ import annotations

from typing import Literal

from flask import Response, g, request

from rebalancer.api import auth
from rebalancer.api.context import context, now
from rebalancer.api.problem import ProblemError
from rebalancer.api.routes import Answer, Asked, Resource, Told
from rebalancer.queue import door

resource = Resource("session", "Logging in with a browser.")


class Login(Asked):
    """What opens a session."""

    token: str


class SessionShown(Told):
    """Who is logged in, and what the page sends along with every change."""

    role: Literal["reader", "operator"]
    by: Literal["token", "session", "off"]
    #: For the header `X-CSRF-Token`; empty without a session.
    csrf_token: str
    #: Unix seconds; null without a session.
    expires_at: float | None


@resource.route(
    "POST",
    "/session",
    {201: SessionShown},
    access="open",
    body=Login,
    problems=("no-token", "too-many-failures"),
)
def log_in(body: Login) -> Answer:
    """Open a session with a token; it ends by itself after `api.session_hours`.

    The cookie is for this site and for HTTP only.
    """
    role = context().tokens.role_of(body.token)
    if role is None:
        raise auth.refused(request, "The token is not one of ours.")
    seconds = context().settings.api.session_hours * 3600
    at = now()
    name = auth.new_session()
    found = door.Session(role, context().tokens.name_of(role), at + seconds)
    context().queue.run(door.open_session(auth.digest(name), found, now=at))
    auth.log.info("a %s has logged in from %s", role, request.remote_addr)
    shown = SessionShown(
        role=role, by="session", csrf_token=auth.csrf_token(name), expires_at=found.expires_at
    )
    return Answer(shown, 201, {"Set-Cookie": _cookie(name, int(seconds))})


@resource.route("GET", "/session", {200: SessionShown})
def whoami() -> SessionShown:
    """Tell who asks, by token or by session."""
    caller: auth.Caller = g.caller
    return SessionShown(
        role=caller.role,
        by=caller.by,
        csrf_token=auth.csrf_token(caller.session) if caller.session else "",
        expires_at=caller.expires_at or None,
    )


@resource.route(
    "DELETE", "/session", {204: "text/plain"}, access="reader", problems=("not-found",)
)
def log_out() -> Response:
    """End the session, here and in Redis."""
    caller: auth.Caller = g.caller
    if caller.by != "session":
        raise ProblemError("not-found", "There is no session: this came with a token.")
    context().queue.run(door.end_session(auth.digest(caller.session)))
    return Response(status=204, headers={"Set-Cookie": _cookie("", 0)})


def _cookie(value: str, seconds: int) -> str:
    secure = "; Secure" if request.is_secure else ""
    return (
        f"{auth.COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    )
