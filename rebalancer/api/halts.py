"""The switch that stops new orders at once, and what it stops."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rebalancer.api.context import account, now, read, write
from rebalancer.api.routes import Answer, Asked, Resource, Scope, Told
from rebalancer.core.plain import plain
from rebalancer.queue import moves

resource = Resource("halts", "Stopping new orders at once, and allowing them again.")

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class HaltShown(Told):
    """New orders of a scope are stopped."""

    #: `all`, `account:ID`, `symbol:SYMBOL`, or `hold:ID` for an account that is held.
    scope: str
    reason: str
    at: float
    #: Orders that work already are cancelled, too.
    cancel_open: bool
    #: Names this halt in the entries `open_cancelled` of the journal, which say what is left.
    request: str


class Halts(Told):
    """Everything that is stopped."""

    items: list[HaltShown]


class Halting(Asked):
    """What is stopped, why, and whether open orders are cancelled."""

    scope: Scope = "all"
    reason: Reason
    cancel_open: bool = False


class Stop(Asked):
    """Why an account is stopped, and whether its open orders are cancelled."""

    reason: Reason
    cancel_open: bool = False


class Resumed(Told):
    """Whether a halt was lifted, and which still hold."""

    scope: str
    #: False: it was not halted.
    resumed: bool
    still: list[HaltShown]


@resource.route("GET", "/halts", {200: Halts})
def halts() -> Halts:
    """List everything that is stopped."""
    return Halts(items=_standing())


@resource.route("POST", "/halts", {201: HaltShown}, body=Halting)
def halt(body: Halting) -> Answer:
    """Stop new orders of a scope from this moment, until it is resumed."""
    return _stopped(body.scope, body.reason, cancel_open=body.cancel_open)


@resource.route("DELETE", "/halts/{scope}", {200: Resumed})
def resume(scope: str) -> Resumed:
    """Allow orders of a scope again; other halts stay."""
    return _resumed(scope)


@resource.route(
    "POST", "/accounts/{account_id}/halt", {201: HaltShown}, body=Stop, problems=("not-found",)
)
def halt_account(account_id: str, body: Stop) -> Answer:
    """Stop new orders of an account from this moment, until it is resumed."""
    scope = f"account:{account(account_id).account_id}"
    return _stopped(scope, body.reason, cancel_open=body.cancel_open)


@resource.route(
    "POST", "/accounts/{account_id}/resume", {200: Resumed}, problems=("not-found",)
)
def resume_account(account_id: str) -> Resumed:
    """Allow an account's orders again; halts of other scopes stay."""
    return _resumed(f"account:{account(account_id).account_id}")


def _stopped(scope: str, reason: str, *, cancel_open: bool) -> Answer:
    made = write(moves.halt(scope, now=now(), reason=reason, cancel_open=cancel_open))
    # After a resend it is the first one that stands.
    standing = read(moves.halts()).get(scope, made)
    return Answer(HaltShown.model_validate(plain(standing)), 201)


def _resumed(scope: str) -> Resumed:
    lifted = write(moves.resume(scope, now=now()))
    return Resumed(scope=scope, resumed=lifted, still=_standing())


def _standing() -> list[HaltShown]:
    found = read(moves.halts())
    return [HaltShown.model_validate(plain(found[scope])) for scope in sorted(found)]
