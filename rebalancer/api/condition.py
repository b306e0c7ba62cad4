"""How everything is, as Redis tells: one look, judged, for the API and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rebalancer import __version__
from rebalancer.core import health
from rebalancer.errors import QueueError
from rebalancer.queue import moves

if TYPE_CHECKING:
    from rebalancer.queue.store import Queue
    from rebalancer.settings.api_keys import Api


def condition(queue: Queue, settings: Api, at: float) -> Mapping[str, Any]:
    """Return what ``GET /health`` answers; Redis being away is a part of it."""
    limits = health.Limits(
        settings.heartbeat_seconds, settings.sweep_seconds, settings.oldest_event_seconds
    )
    try:
        parts = health.judge(_look(queue, at), limits, at)
    except QueueError as error:
        parts = health.judge(None, limits, at, str(error))
    return {
        "status": health.overall(parts),
        "version": __version__,
        "at": at,
        "components": dict(health.facts(parts)),
    }


def _look(queue: Queue, at: float) -> health.Seen:
    stats = queue.run(moves.stats(now=at))
    beats = queue.run(moves.daemons())
    return health.Seen(
        beats={name: health.Beat(found.at, found.info) for name, found in beats.items()},
        sweeps=queue.run(moves.sweeps()),
        queued=stats.queued,
        leased=stats.leased,
        dead=stats.dead,
        waiting_since=stats.next_received_at,
    )
