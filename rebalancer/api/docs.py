"""The description of the API: for programs, and on a page for people, with no outside hosts."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, json, render_template

from rebalancer.api.problem import PROBLEMS
from rebalancer.api.routes import JSON, Resource

resource = Resource("docs", "What you are reading.")

#: Where the application keeps its description.
DESCRIPTION = "rebalancer-description"


def _description() -> dict[str, Any]:
    found: dict[str, Any] = current_app.extensions[DESCRIPTION]()
    return found


@resource.route("GET", "/openapi.json", {200: JSON}, access="open")
def openapi() -> Response:
    """Describe all of it, as OpenAPI 3.1."""
    return Response(json.dumps(_description(), sort_keys=False), mimetype=JSON)


@resource.route("GET", "/docs", {200: "text/html"}, access="open")
def page() -> Response:
    """Describe all of it, for people."""
    html = render_template("docs.html", api=_description(), problems=PROBLEMS)
    return Response(html, mimetype="text/html")
