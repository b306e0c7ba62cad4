"""The settings in force, without secrets."""

from __future__ import annotations

from typing import Any

from rebalancer.api.context import context
from rebalancer.api.routes import Resource, Told
from rebalancer.core.plain import plain
from rebalancer.settings.shown import shown

resource = Resource("config", "The settings in force.")


class Config(Told):
    """Defaults, files and environment together."""

    settings: dict[str, Any]
    #: What is suspicious but allowed.
    warnings: list[str]


@resource.route("GET", "/config", {200: Config})
def config() -> Config:
    """Show the settings in force, without secrets.

    They are those of this server's last start or reload.
    """
    settings = context().settings
    return Config(settings=plain(shown(settings)), warnings=[str(w) for w in settings.warnings])
