"""The application: resources, guards and errors put together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from urllib.parse import quote

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from rebalancer.api import (
    accounts,
    auth,
    config,
    deadletter,
    docs,
    guard,
    halts,
    health,
    queue,
    runs,
    scrape,
    session,
    stream,
    webhooks,
)
from rebalancer.api import context as contexts
from rebalancer.api.context import Context
from rebalancer.api.follower import Follower
from rebalancer.api.openapi import describe
from rebalancer.api.problem import ProblemError, answered, of_error, of_status
from rebalancer.api.routes import register
from rebalancer.api.tokens import Tokens
from rebalancer.errors import RebalancerError
from rebalancer.queue.store import Queue
from rebalancer.settings import Settings

#: Endpoints beside the resources' that need no token: pages and what they are made of.
OPEN = frozenset({"static"})

log = logging.getLogger("rebalancer.api")

RESOURCES = [
    health.resource,
    session.resource,
    queue.resource,
    deadletter.resource,
    accounts.resource,
    runs.resource,
    halts.resource,
    stream.resource,
    webhooks.resource,
    config.resource,
    scrape.resource,
    docs.resource,
]


def create_app(
    settings: Settings,
    tokens: Tokens,
    *,
    clock: Callable[[], float],
    alive: Callable[[], bool] = lambda: True,
) -> Flask:
    """Put the application together. It connects to Redis at the first request.

    Args:
        settings: all the files.
        tokens: the secrets in force.
        clock: Unix seconds.
        alive: turns false when the server ends, and with it every stream.
    """
    app = Flask("rebalancer.api")
    # One more than is allowed: Werkzeug cuts a chunked body off in silence, and this shows.
    app.config["MAX_CONTENT_LENGTH"] = guard.LARGEST_BODY + 1
    redis = settings.redis
    waiting = Queue(redis.url, timeout=redis.timeout_seconds)
    app.extensions[contexts.NAME] = Context(
        settings, tokens, waiting, Follower(waiting, alive=alive), clock
    )
    app.extensions[docs.DESCRIPTION] = cache(lambda: describe(RESOURCES))
    register(app, RESOURCES)

    declared = {route.endpoint for resource in RESOURCES for route in resource.routes}

    @app.before_request
    def admit() -> None:
        guard.check(request, settings.api.allowed_hosts)
        # Routes look at their callers themselves; whatever else is mounted is not open by
        # oversight. Without an endpoint it is 404 or 405.
        if request.endpoint is not None and request.endpoint not in declared | OPEN:
            reads = request.method in {"GET", "HEAD"}
            auth.admit(request, "reader" if reads else "operator")

    @app.after_request
    def finish(response: Response) -> Response:
        if request.method not in {"GET", "HEAD"}:
            caller = g.get("caller")
            who = f"{caller.role} by {caller.by}" if caller else "somebody"
            path = quote(request.path)  # no line of its own in the log
            log.info("%s: %s %s: %d", who, request.method, path, response.status_code)
        return guard.harden(response)

    app.register_error_handler(ProblemError, answered)
    app.register_error_handler(RebalancerError, lambda error: answered(of_error(error)))
    app.register_error_handler(HTTPException, _refused)
    return app


def _refused(error: HTTPException) -> Response:
    """What Flask refuses by itself, and, behind status 500, our own defects."""
    response = error.get_response()
    status = error.code or 500
    kept = {name: response.headers[name] for name in ("Allow",) if name in response.headers}
    return answered(of_status(status, error.description or error.name, kept))
