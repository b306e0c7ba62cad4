"""Whether all is well: for people, and for monitors, which need no token."""

from __future__ import annotations

from typing import Literal

from rebalancer import __version__
from rebalancer.api.context import context, now, read
from rebalancer.api.routes import Answer, Resource, Told
from rebalancer.core import health
from rebalancer.errors import QueueError
from rebalancer.queue import moves

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
    at = now()
    settings = context().settings.api
    limits = health.Limits(
        settings.heartbeat_seconds, settings.sweep_seconds, settings.oldest_event_seconds
    )
    try:
        parts = health.judge(_look(at), limits, at)
    except QueueError as error:
        parts = health.judge(None, limits, at, str(error))
    status = health.overall(parts)
    found = Health.model_validate(
        {
            "status": status,
            "version": __version__,
            "at": at,
            "components": dict(health.facts(parts)),
        }
    )
    return Answer(found, 503 if status == "down" else 200)


def _look(at: float) -> health.Seen:
    stats = read(moves.stats(now=at))
    beats = read(moves.daemons())
    return health.Seen(
        beats={name: health.Beat(found.at, found.info) for name, found in beats.items()},
        sweeps=read(moves.sweeps()),
        queued=stats.queued,
        leased=stats.leased,
        dead=stats.dead,
        waiting_since=stats.next_received_at,
    )


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
