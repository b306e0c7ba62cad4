"""What every command shares: the files it was told of, the settings in them, the queue."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rebalancer.cli import completing

if TYPE_CHECKING:
    from rebalancer.queue.store import Queue
    from rebalancer.settings import Files, Service, Settings

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Answer in JSON."
)


@dataclass(frozen=True, slots=True)
class Options:
    """The flags before the command, and what is read because of them."""

    config: Path | None = None
    accounts: Path | None = None

    def files(self) -> Files:
        """Which files are meant."""
        from rebalancer.settings import locate

        return locate(os.environ, config=self.config, accounts=self.accounts)

    def service(self) -> Service:
        """rebalancer.yaml alone. Raises ``InvalidSettingsError``."""
        from rebalancer.settings import load_service

        return load_service(self.files())

    def settings(self) -> Settings:
        """All the files. Raises ``InvalidSettingsError``."""
        from rebalancer.settings import load

        return load(self.files())

    def queue(self, service: Service | None = None) -> Queue:
        """The queue; close it, or use it as a context manager."""
        from rebalancer.queue.store import Queue

        redis = (service or self.service()).redis
        return Queue(redis.url, timeout=redis.timeout_seconds)


def now() -> float:
    """Unix seconds: the command line is an edge, so it may look at the clock."""
    return time.time()


def scope_options(function: F) -> F:
    """The flags that say what is halted or resumed; without any, everything is."""
    account = click.option(
        "--account",
        "accounts",
        multiple=True,
        shell_complete=completing.accounts,
        help="Only this account.",
    )
    symbol = click.option("--symbol", "symbols", multiple=True, help="Only this symbol.")
    return account(symbol(function))


def scopes_of(accounts: tuple[str, ...], symbols: tuple[str, ...]) -> list[str]:
    """The scopes of those flags: ``all``, or ``account:…`` and ``symbol:…``."""
    named = [f"account:{name}" for name in accounts] + [f"symbol:{name}" for name in symbols]
    return named or ["all"]
