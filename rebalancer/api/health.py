"""Whether all is well: for people, and for monitors, which need no token."""

from __future__ import annotations

from typing import Literal

from rebalancer.api.condition import condition
from rebalancer.api.context import context, now
from rebalancer.api.routes import Answer, Resource, Told
from rebalancer.errors import QueueError

resource = Resource("health", "Whether all is well. Open to everybody on this machine.")


class PartHealth(Told):
    """How one part is."""

    status: Literal["ok", "degraded", "down", "unknown"]
    detail: str
    remedy: str
    #: What its limit applies to.
    age_seconds: float | None


class Health(Told):
    """How all of it is; no word about accounts."""

    status: Literal["ok", "degraded", "down"]
    version: str
    at: float
    components: dict[str, PartHealth]


class Alive(Told):
    """A short answer."""

    status: Literal["ok", "down"]


@resource.route("GET", "/health", {200: Health, 503: Health}, access="open")
def all_of_it() -> Answer:
    """Tell how each part is; 503 when signals are not carried out.

    `degraded` needs a look, and is answered with 200: a late sweep, a dead letter.
    """
    shared = context()
    told = condition(shared.queue, shared.settings.api, now())
    found = Health.model_validate(told)
    return Answer(found, 503 if found.status == "down" else 200)


@resource.route("GET", "/health/live", {200: Alive}, access="open")
def live() -> Alive:
    """Say that this server answers."""
    return Alive(status="ok")


@resource.route("GET", "/health/ready", {200: Alive, 503: Alive}, access="open")
def ready() -> Answer:
    """Say whether signals are taken in: 503 while Redis is away."""
    try:
        context().queue.ping()
    except QueueError:
        return Answer(Alive(status="down"), 503)
    return Answer(Alive(status="ok"))
