"""The rehearsal itself: the real processor, a private Redis, a private gateway.

Both are made for it and end with it. Whatever the settings say of Redis and of the gateway is
replaced before the processor is put together, so that it can reach nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from rebalancer.core.event import Event
from rebalancer.errors import RebalancerError
from rebalancer.ingest import accept
from rebalancer.processor.start import assemble
from rebalancer.queue import history, journal, keys, moves
from rebalancer.queue.move import command
from rebalancer.queue.store import AsyncQueue
from rebalancer.queue.values import Entry
from rebalancer.settings import Settings
from rebalancer.sim.server import serve
from rebalancer.sim.world import World
from rebalancer.targets.resolve import Fetcher

Verdict = Literal["on target", "off target", "waits", "failed", "unfinished"]
Record = Mapping[str, Any]

#: An event that waits longer than this, in seconds, waits for something else than us.
PATIENCE = 10.0
#: How far above the planned drift an account may end: prices breathe between plan and fill.
TOLERANCE = Decimal("0.001")
#: Attempts that an event may use up; in production it may be any number.
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Part:
    """What one account is to do."""

    account_id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    #: What earlier attempts of the event had spent; ``None``: none had traded.
    spent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one account."""

    account_id: str
    verdict: Verdict
    #: Why it is not on target; '' if it is.
    reason: str
    #: The records of its attempts, oldest first, as ``rebalancer history`` would show them.
    records: tuple[Record, ...]
    #: What went wrong on the way, in words.
    mishaps: tuple[str, ...]


@dataclass(slots=True)
class _Course:
    """One account's event under way."""

    event: Event
    #: How it ended: a kind of the journal, or 'waits'; '' while it has not.
    ended: str = ""
    #: Why it last failed or waits.
    said: str = ""
    mishaps: list[str] = field(default_factory=list)


async def play(
    settings: Settings,
    world: World,
    parts: Sequence[Part],
    *,
    redis_url: str,
    deadline: float,
) -> list[Played]:
    """Rebalance every account of ``parts`` in ``world`` and tell what came of it.

    Args:
        settings: whose accounts, policies and deadlines apply.
        world: what the simulated gateway has.
        parts: what is to be done.
        redis_url: an empty Redis made for this, never the real one.
        deadline: seconds until what has not ended counts as unfinished.

    Raises:
        RebalancerError: the processor itself ended.
    """
    gateway = await serve(world)
    try:
        async with AsyncQueue(redis_url) as queue:
            private = privately(settings, redis_url, gateway.port)
            courses = [await _begin(queue, part) for part in parts]
            async with _processing(queue, private) as running:
                await _followed(queue, courses, running, deadline)
            found = await queue.run(history.oldest(limit=10_000))
    finally:
        await gateway.close()
    records = [link.record for link in found if link.record is not None]
    return [_told(course, records) for course in courses]


def privately(settings: Settings, redis_url: str, port: int) -> Settings:
    """Return the settings with other wires, and with waits that a person can sit through.

    Nobody is asked for approval: what is rehearsed is what would follow on it.
    """
    steps, retry = settings.processor, settings.retry
    attempts = min(retry.max_attempts or MOST_ATTEMPTS, MOST_ATTEMPTS)
    unasked = {
        name: replace(account, _policy=replace(account.policy(), approval="none"))
        for name, account in settings.accounts.items()
    }
    return replace(
        settings,
        accounts=unasked,
        redis=replace(settings.redis, url=redis_url, username="", password_file=""),
        gateway=replace(
            settings.gateway,
            host="127.0.0.1",
            port=port,
            request_timeout_seconds=min(settings.gateway.request_timeout_seconds, 5.0),
        ),
        retry=replace(
            retry, retry_delay_seconds=0.2, max_delay_seconds=0.5, max_attempts=attempts
        ),
        processor=replace(
            steps,
            worker="rehearsal",
            shutdown_deadline_seconds=2.0,
            price_deadline_seconds=min(steps.price_deadline_seconds, 10.0),
            fill_deadline_seconds=min(steps.fill_deadline_seconds, 10.0),
            cancel_deadline_seconds=min(steps.cancel_deadline_seconds, 5.0),
            settlement_deadline_seconds=min(steps.settlement_deadline_seconds, 10.0),
        ),
    )


async def _begin(queue: AsyncQueue, part: Part) -> _Course:
    now = time.time()
    event = accept(part.account_id, "rebalance", now=now, source="rehearsal", data=part.data)
    if part.spent is not None:
        passes = f"1 0 {part.spent:f}"
        mark = command("HSET", keys.PASSES, event.event_id, passes, parse=int)
        await queue.run(mark)
    await queue.run(moves.enqueue(event, now=now))
    return _Course(event)


@contextlib.asynccontextmanager
async def _processing(
    queue: AsyncQueue, settings: Settings
) -> AsyncIterator[asyncio.Task[None]]:
    """A processor at work, and the sweeps beside it."""
    processor = assemble(settings, queue, Fetcher(os.environ))
    running = asyncio.create_task(processor.run())
    sweeping = asyncio.create_task(_sweep_for_ever(queue))
    try:
        yield running
    finally:
        sweeping.cancel()
        processor.stop()
        await asyncio.wait({running, sweeping})


async def _sweep_for_ever(queue: AsyncQueue) -> None:
    while True:
        now = time.time()
        for sweep in (
            moves.reclaim(now=now),
            moves.promote_retries(now=now),
            moves.promote_delayed(now=now),
        ):
            await queue.run(sweep)
        await asyncio.sleep(0.1)


async def _followed(
    queue: AsyncQueue,
    courses: Sequence[_Course],
    running: asyncio.Task[None],
    deadline: float,
) -> None:
    """Follow the journal until every event has ended, or the time is over."""
    by_id = {course.event.event_id: course for course in courses}
    until = time.monotonic() + deadline
    position = journal.START
    while any(not course.ended for course in courses):
        left = until - time.monotonic()
        if left <= 0:
            return
        if running.done():
            raise RebalancerError(f"the processor ended: {running.exception()!r}")
        for entry in await queue.watch(position, wait=min(left, 1.0)):
            position = entry.id
            course = by_id.get(entry.event_id)
            if course is not None:
                _note(course, entry)


def _note(course: _Course, entry: Entry) -> None:
    data = entry.data
    match entry.kind:
        case "completed":
            course.ended, course.said = "completed", ""
        case "dead":
            course.ended, course.said = "dead", f"{data['reason']}: {data['error']}"
        case "retrying":
            course.said = str(data["error"])
            course.mishaps.append(f"attempt {data['attempt']} failed: {course.said}")
        case "delayed":
            course.said = str(data["reason"])
            if float(data["until"]) - time.time() > PATIENCE:
                course.ended = "waits"
            else:
                course.mishaps.append(f"put off: {course.said}")
        case "alert":
            course.mishaps.append(f"{data['title']}: {data['text']}")


def _told(course: _Course, records: Sequence[Record]) -> Played:
    event_id = course.event.event_id
    mine = tuple(r for r in records if r["event"]["event_id"] == event_id)
    verdict, reason = _verdict(course, mine)
    return Played(course.event.account_id, verdict, reason, mine, tuple(course.mishaps))


def _verdict(course: _Course, records: Sequence[Record]) -> tuple[Verdict, str]:
    match course.ended:
        case "waits":
            return "waits", course.said
        case "dead":
            return "failed", course.said
        case "":
            return "unfinished", course.said or "nothing took the event in time"
    drift = records[-1]["drift"]
    reached, planned = Decimal(drift["after"]), Decimal(drift["planned"])
    if reached <= planned + TOLERANCE:
        return "on target", ""
    return "off target", f"the drift is {reached:.2%}, {planned:.2%} was planned"
