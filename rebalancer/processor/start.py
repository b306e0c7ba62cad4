"""``rebalancer processor``: settings in, one process until SIGTERM; SIGHUP reads them again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from functools import partial

from rebalancer.errors import PermanentError
from rebalancer.gateway.connection import Connection
from rebalancer.processor.daemon import Processor
from rebalancer.processor.ending import RetryPolicy
from rebalancer.processor.run import Deadlines, Portfolio
from rebalancer.processor.terms import Instructions, Limits, Rules
from rebalancer.queue.store import AsyncQueue
from rebalancer.reloading import Reloader
from rebalancer.settings import Files, Settings
from rebalancer.targets import resolve
from rebalancer.targets.resolve import Fetcher


def main(settings: Settings, files: Files) -> None:
    """Run a processor until it is told to end (SIGTERM or SIGINT)."""
    asyncio.run(_serve(settings, files))


async def _serve(settings: Settings, files: Files) -> None:
    queue = AsyncQueue(settings.redis.url, timeout=settings.redis.timeout_seconds)
    async with queue:
        # One for all settings that come: what URLs answered before is known by their ETags.
        fetcher = Fetcher(os.environ)
        processor = assemble(settings, queue, fetcher)

        async def adopt(fresh: Settings) -> None:
            processor.adopt(_instructions(fresh, fetcher))

        reloader = Reloader("processor", settings, files, queue, adopt)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, processor.stop)
        loop.add_signal_handler(signal.SIGHUP, reloader.ask)
        async with reloader.minding():
            await processor.run()


def assemble(settings: Settings, queue: AsyncQueue, fetcher: Fetcher) -> Processor:
    """Put a processor together from the operator's settings."""
    connection = Connection(
        settings.gateway.host,
        settings.gateway.port,
        settings.gateway.client_id,
        trading_mode=settings.trading_mode,
        timeout=settings.gateway.request_timeout_seconds,
        windows=settings.gateway.windows,
        clock=time.time,
    )
    return Processor(
        queue,
        connection,
        _instructions(settings, fetcher),
        worker=settings.worker,
        rules=_rules(settings),
        clock=time.time,
    )


def _instructions(settings: Settings, fetcher: Fetcher) -> Instructions:
    return Instructions(
        portfolio_of=lambda account_id: _portfolio(settings, account_id, fetcher),
        accounts=tuple(account.account_id for account in settings.traded()),
        retry=RetryPolicy(
            base_delay=settings.retry.retry_delay_seconds,
            cap=settings.retry.max_delay_seconds,
            max_attempts=settings.retry.max_attempts,
        ),
        keep_records=settings.history.keep_days * 86_400.0 or None,
    )


def _rules(settings: Settings) -> Rules:
    steps = settings.processor
    return Rules(
        limits=Limits(
            max_concurrent=steps.max_concurrent_events,
            lease=steps.lease_seconds,
            shutdown=steps.shutdown_deadline_seconds,
            grace=settings.gateway.alert_after_seconds,
        ),
        deadlines=Deadlines(
            prices=steps.price_deadline_seconds,
            fills=steps.fill_deadline_seconds,
            cancel=steps.cancel_deadline_seconds,
            settlement=steps.settlement_deadline_seconds,
            quiet=settings.gateway.quiet_before_window_seconds,
        ),
    )


def _portfolio(settings: Settings, account_id: str, fetcher: Fetcher) -> Portfolio:
    reason = settings.why_not_traded(account_id)
    if reason:
        raise PermanentError(reason)
    account = settings.accounts[account_id]
    return Portfolio(
        account_id=account_id,
        mode=settings.trading_mode,
        policy=account.policy(),
        target=partial(resolve.target, account, fetcher),
        kin=tuple(a.account_id for a in settings.accounts.values() if a.type == account.type),
    )
