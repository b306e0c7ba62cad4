"""gunicorn: one worker with many threads, and SIGHUP for settings that have changed.

One worker, because all state is in Redis and memory is scarce; threads, because every watcher
of the journal holds one while it waits. SIGHUP starts a new worker on the files as they are
now and ends the old one; files that are wrong leave what was in force, and the log says why.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger

from rebalancer.api.app import create_app
from rebalancer.api.follower import MOST_WATCHERS
from rebalancer.api.tokens import Tokens
from rebalancer.errors import RebalancerError
from rebalancer.settings import Settings

log = logging.getLogger("rebalancer.api")

#: Threads beside those of the watchers.
THREADS = 16

Load = Callable[[], tuple[Settings, Tokens]]


class Log(Logger):
    """gunicorn's messages go where ours go."""

    def setup(self, _config: Config) -> None:
        """Leave the handlers to ``rebalancer.logs``."""
        self.error_log = logging.getLogger("rebalancer.api.server")
        self.access_log = logging.getLogger("rebalancer.api.access")


class Server(BaseApplication):
    """``load`` reads all the files; ``found`` is what it gave at the start."""

    def __init__(self, load: Load, found: tuple[Settings, Tokens]) -> None:
        self._load, self._found = load, found
        self._worker: Any = None
        super().__init__()  # type: ignore[no-untyped-call]

    def load_config(self) -> None:
        """Say where to listen, and how."""
        api = self._found[0].api
        host = f"[{api.host}]" if ":" in api.host else api.host
        chosen = {
            "bind": f"{host}:{api.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": MOST_WATCHERS + THREADS,
            "logger_class": Log,
            "post_worker_init": self._begun,
            "pre_fork": self._forking,
            "graceful_timeout": 10,
            "keepalive": 15,
            "proc_name": "rebalancer-api",
            "control_socket_disable": True,
        }
        config: Any = self.cfg
        for name, value in chosen.items():
            config.set(name, value)

    def load(self) -> Flask:
        """Make the application of a new worker."""
        try:
            self._found = self._load()
        except RebalancerError as error:
            log.error("the settings stay as they were: %s", error)  # noqa: TRY400
        settings, tokens = self._found
        return create_app(settings, tokens, clock=time.time, alive=self._alive)

    def _forking(self, _arbiter: object, worker: Any) -> None:
        self._worker = worker

    def _begun(self, worker: Any) -> None:
        self._worker = worker

    def _alive(self) -> bool:
        return self._worker is None or bool(self._worker.alive)
