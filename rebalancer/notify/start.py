"""``rebalancer notify``: settings in, one process until SIGTERM; and the test of services."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from rebalancer import logs
from rebalancer.errors import ConfigError
from rebalancer.notify.daemon import Limits, Notifier
from rebalancer.notify.follower import Follower
from rebalancer.notify.notices import Level, Notice
from rebalancer.notify.outbox import Rules, composed
from rebalancer.notify.services import Addressee, Service, secrets_of
from rebalancer.queue.store import AsyncQueue
from rebalancer.settings.environment import one_line, secret_path
from rebalancer.settings.notify import ServiceKeys
from rebalancer.settings.service import Service as Settings


def main(settings: Settings, *, beside: Path) -> None:
    """Run the notifier until it is told to end (SIGTERM or SIGINT).

    Raises:
        ConfigError: a service's URL is not there or not understood.
    """
    asyncio.run(_serve(settings, beside))


async def _serve(settings: Settings, beside: Path) -> None:
    queue = AsyncQueue(settings.redis.url, timeout=settings.redis.timeout_seconds)
    async with queue:
        notifier = assemble(settings, queue, beside=beside, environ=os.environ)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, notifier.stop)
        await notifier.run()


def assemble(
    settings: Settings, queue: AsyncQueue, *, beside: Path, environ: Mapping[str, str]
) -> Notifier:
    """Put a notifier together. ``beside`` is the directory of rebalancer.yaml."""
    keys = settings.notify
    rules = Rules(keys.gather_seconds, keys.repeat_seconds, keys.give_up_hours * 3600)
    found = [
        Follower(
            Addressee(
                one.name,
                cast("frozenset[Level]", frozenset(one.levels)),
                frozenset(one.accounts),
            ),
            Service(one.name, url_of(one, beside=beside, environ=environ)),
            queue,
            rules=rules,
            clock=time.time,
        )
        for one in keys.services
    ]
    limits = Limits(silence=keys.silence_seconds, beat=min(5.0, keys.silence_seconds / 4))
    return Notifier(queue, found, limits=limits, clock=time.time)


async def test(service: Service, *, now: float) -> str:
    """Send one message that says it is a test. Returns '' or why it was not taken."""
    said = "If you can read this, notices reach you here."
    return await service.send(composed([Notice("routine", "rebalancer: a test", said, at=now)]))


def url_of(keys: ServiceKeys, *, beside: Path, environ: Mapping[str, str]) -> str:
    """The service's URL, from its variable or file; from then on it is in no log.

    Raises:
        ConfigError: it is not there.
    """
    place = f"notify service {keys.name}"
    if keys.url_variable:
        url = environ.get(keys.url_variable, "")
        if not url:
            raise ConfigError(f"{place}: the variable {keys.url_variable} is not set")
    else:
        name = keys.url_file or f"notify_{keys.name}"
        try:
            url = one_line(secret_path(name, beside=beside, environ=environ))
        except ValueError as error:
            raise ConfigError(
                f"{place}: {error}; it has to be a file with one line, the apprise URL"
            ) from None
    logs.hide(*secrets_of(url)[:1])
    return url
