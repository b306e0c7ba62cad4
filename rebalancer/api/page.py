"""The page: one document; all it shows comes over the API, to whoever may see it there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from flask import Response, current_app, render_template

from rebalancer.api.routes import Resource

resource = Resource("page", "Everything here, for a browser.")


@resource.route("GET", "/", {200: "text/html"}, access="open")
def index() -> Response:
    """Serve the page. It holds nothing by itself: it asks for a token, then for the rest."""
    html = render_template("page.html", modules=_modules(current_app.static_folder or ""))
    return Response(html, mimetype="text/html")


@cache
def _modules(folder: str) -> tuple[str, ...]:
    """Every module, told at once: through a tunnel each round trip counts."""
    found = sorted(path.name for path in Path(folder, "page").glob("*.js"))
    return tuple(name for name in found if name != "theme.js")
