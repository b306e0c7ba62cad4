"""The figures, where Prometheus asks for them."""

from __future__ import annotations

from flask import Response

from rebalancer.api.context import context, now
from rebalancer.api.metrics import CONTENT_TYPE_PLAIN_0_0_4, exposition
from rebalancer.api.routes import Resource

resource = Resource("metrics", "Figures for Prometheus.")


@resource.route("GET", "/metrics", {200: "text/plain"})
def metrics() -> Response:
    """Show every figure in Prometheus' text format."""
    found = exposition(context().queue, now=now())
    return Response(found, content_type=CONTENT_TYPE_PLAIN_0_0_4)
