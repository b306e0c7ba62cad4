"""Accounts that are held: what the gateway shows and nothing here explains, and going on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from rebalancer.api.context import account, now, write
from rebalancer.api.routes import Asked, Resource, Told
from rebalancer.core.plain import plain
from rebalancer.queue import holds, moves
from rebalancer.queue.values import Hold

resource = Resource("holds", "Accounts that wait for a person to accept what differs.")

Words = Annotated[str, Field(max_length=500)]


class SidesShown(Told):
    """One difference in words."""

    kind: str
    order_ref: str
    #: What we remember.
    ours: str
    #: What the gateway shows.
    theirs: str


class HoldShown(Told):
    """Why an account is held: what the gateway shows and nothing here explains."""

    reason: str
    at: float
    differences: list[dict[str, Any]]
    #: The same in words.
    sides: list[SidesShown]


class Accepting(Asked):
    """Why a held account may go on; goes to the journal."""

    reason: Words = ""


class Released(Told):
    """What held an account."""

    account_id: str
    #: False: it was not held.
    accepted: bool
    hold: HoldShown | None


def shown(held: Hold | None) -> HoldShown | None:
    """A hold, with both sides of each difference."""
    if held is None:
        return None
    sides = [
        {
            "kind": row["kind"],
            "order_ref": row["order_ref"],
            "ours": holds.ours(row),
            "theirs": holds.theirs(row),
        }
        for row in held.differences
    ]
    return HoldShown.model_validate({**plain(held), "sides": sides})


@resource.route(
    "POST",
    "/accounts/{account_id}/accept",
    {200: Released},
    body=Accepting,
    problems=("not-found",),
)
def accept_hold(account_id: str, body: Accepting) -> Released:
    """Accept the differences that hold an account: it trades again, they hold it no more."""
    known = account(account_id).account_id
    lifted = write(moves.accept(known, reason=body.reason, now=now()))
    return Released(account_id=account_id, accepted=lifted is not None, hold=shown(lifted))
