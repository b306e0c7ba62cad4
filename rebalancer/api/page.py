"""The page: one document; all it shows comes over the API, to whoever may see it there."""

from __future__ import annotations

from flask import Response, render_template

from rebalancer.api.routes import Resource

resource = Resource("page", "Everything here, for a browser.")


@resource.route("GET", "/", {200: "text/html"}, access="open")
def index() -> Response:
    """Serve the page. It holds nothing by itself: it asks for a token, then for the rest."""
    return Response(render_template("page.html"), mimetype="text/html")
