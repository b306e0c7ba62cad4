"""What the operator wrote, read strictly: three files, the environment, secret files.

``problems.py``      what is wrong, as data
``document.py``      YAML as text with places, before it means anything
``kinds.py``         from an item to a value, or to what would have been right
``files.py``         where the files are
``environment.py``   variables over keys, secrets from files
``service.py``       the keys of rebalancer.yaml
``api_keys.py``      those of the management API
``service_file.py``  rebalancer.yaml, read and completed
``channels.py``      streams of messages that become signals
``windows.py``       when the gateway is expected to be away
``policy.py``        the keys that ``defaults`` and every account share
``symbols.py``       how instruments are spelled
``targets.py``       weights and replacement sets
``sources.py``       what may stand under ``targets:``
``model_files.py``   models in files of their own
``models.py``        models of models, as a tree
``targets_check.py`` what can be said of them before any event
``credentials.py``   secrets by name
``schedules.py``     the keys of a schedule
``times.py``         when a schedule signals
``accounts.py``      accounts.yaml
``reloading.py``     what a running program may take over, and what needs a restart
``loading.py``       all of it, checked against one another

Only cli/ and the programs' entry points read settings; everybody else is given plain values.
Names are imported from here when they are first used (PEP 562): the sweeper, started every
few seconds by a timer, reads the same rebalancer.yaml as the daemons but no accounts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rebalancer.settings.accounts import AccountSettings
    from rebalancer.settings.files import Files, locate
    from rebalancer.settings.loading import Settings, load
    from rebalancer.settings.problems import InvalidSettingsError, Problem
    from rebalancer.settings.schedules import Schedule
    from rebalancer.settings.service import Service
    from rebalancer.settings.service_file import load_service

__all__ = [
    "AccountSettings",
    "Files",
    "InvalidSettingsError",
    "Problem",
    "Schedule",
    "Service",
    "Settings",
    "load",
    "load_service",
    "locate",
]

_HOMES = {
    "AccountSettings": "accounts",
    "Schedule": "schedules",
    "Files": "files",
    "locate": "files",
    "Settings": "loading",
    "load": "loading",
    "InvalidSettingsError": "problems",
    "Problem": "problems",
    "Service": "service",
    "load_service": "service_file",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
