"""The application: resources, guards and errors put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from rebalancer.api import (
    accounts,
    config,
    deadletter,
    docs,
    guard,
    halts,
    health,
    queue,
    runs,
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
    app.config["MAX_CONTENT_LENGTH"] = guard.LARGEST_BODY
    redis = settings.redis
    waiting = Queue(redis.url, timeout=redis.timeout_seconds)
    app.extensions[contexts.NAME] = Context(
        settings, tokens, waiting, Follower(waiting, alive=alive), clock
    )
    app.extensions[docs.DESCRIPTION] = cache(lambda: describe(RESOURCES))
    register(app, RESOURCES)

    @app.before_request
    def admit() -> None:
        guard.check(request, settings.api.allowed_hosts)

    app.after_request(guard.harden)
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
