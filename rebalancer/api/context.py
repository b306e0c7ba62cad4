"""What every request has at hand: settings, secrets, the queue, the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from flask import current_app, g

from rebalancer.api.problem import ProblemError
from rebalancer.api.tokens import Tokens
from rebalancer.queue.move import Move, named
from rebalancer.queue.store import Queue
from rebalancer.settings import AccountSettings, Settings

if TYPE_CHECKING:
    from rebalancer.api.follower import Follower

T = TypeVar("T")

NAME = "rebalancer"


@dataclass(frozen=True, slots=True)
class Context:
    """One application's things."""

    settings: Settings
    tokens: Tokens
    queue: Queue
    follower: Follower
    #: Unix seconds.
    clock: Callable[[], float]
    #: Address -> since when and how many wrong tokens came from it.
    failures: dict[str, tuple[float, int]] = field(default_factory=dict)


def context() -> Context:
    """Return the things of the application that serves this request."""
    return cast(Context, current_app.extensions[NAME])


def read(move: Move[T]) -> T:
    """Look something up."""
    return context().queue.run(move)


def write(move: Move[T]) -> T:
    """Do something; once, if the caller has named the request by an Idempotency-Key."""
    request_name = g.get("request_name", "")
    return context().queue.run(named(move, request_name) if request_name else move)


def now() -> float:
    """Unix seconds."""
    return context().clock()


def account(account_id: str) -> AccountSettings:
    """Return an account of accounts.yaml, as it was when it was last read.

    Raises:
        ProblemError: it is not there.
    """
    found = context().settings.accounts.get(account_id)
    if found is None:
        why = context().settings.why_not_traded(account_id)
        raise ProblemError(
            "not-found",
            why,
            remedy="Add it, then `systemctl reload rebalancer-api`; GET /accounts lists them.",
        )
    return found
