"""Every step of a rebalance, and what is killed or cut there: the account ends on target.

The steps are those of a recorded run, so a new one is covered as it comes. ``CHAOS_FULL`` tries
every step on both sides; without it each step of the processor is tried on one side, and some
of the others.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import pytest

from rebalancer.core.event import Event
from rebalancer.sim.vocabulary import Fault
from tests.chaos import plays
from tests.chaos.plays import (
    CANCELLED,
    CONDITIONAL,
    DEPOSIT,
    LATE,
    PLAIN,
    WITHDRAWAL,
    Asked,
    Tally,
)
from tests.chaos.soak import soak
from tests.chaos.steps import Edge, Moment, Step, both_edges
from tests.processor.chaos import Arena, survived

pytestmark = pytest.mark.redis_server

FULL = bool(os.environ.get("CHAOS_FULL"))
#: Plays at once: beyond it they only wait for each other.
AT_ONCE = int(os.environ.get("CHAOS_AT_ONCE", "8"))
KILLS, SEED = int(os.environ.get("CHAOS_KILLS", "20")), int(os.environ.get("CHAOS_SEED", "1"))

Deed = Callable[[Moment, Sequence[Fault], Tally, Arena], Awaitable[Sequence[Event]]]


def alternating(steps: Iterable[Step]) -> tuple[Moment, ...]:
    """Each step on one side: before it, after it, in turn."""
    return tuple(Moment(step, "after" if n % 2 else "before") for n, step in enumerate(steps))


def some(moments: Sequence[Moment], every: int) -> Sequence[Moment]:
    """All of them in a full run, else one in so many, the last one among them."""
    return moments if FULL else moments[::-1][::every][::-1]


async def every(
    folder: Path,
    deed: Deed,
    moments: Sequence[Moment],
    faults: Sequence[Fault] = (),
    asked: Asked = PLAIN,
) -> None:
    """Do the deed at each of the moments; nobody bleeds, and nearly all of them came."""
    tally = Tally()
    given = {str(m): partial(deed, m, faults, tally) for m in moments}
    assert await survived(folder, given, at_once=AT_ONCE, data=asked.data) == {}
    missed = set(given) - set(tally.struck)
    # Messages come in an order of their own, so here and there one fewer of a kind.
    assert len(missed) <= len(given) / 5 + 1, missed


@pytest.fixture
async def plain(tmp_path: Path) -> tuple[Step, ...]:
    return await plays.clean_steps(tmp_path / "plain")


@pytest.fixture
async def cancelled(tmp_path: Path) -> tuple[Step, ...]:
    return await plays.clean_steps(tmp_path / "cancelled", CANCELLED)


async def test_the_steps_are_the_ones_that_matter(plain: Sequence[Step]) -> None:
    names = {(step.wire, step.name) for step in plain}
    scripts = "take lease begin_pass record_intents settle_intent note complete reclaim"
    sent = "placeOrder reqAllOpenOrders reqCompletedOrders reqExecutions reqPositionsMulti"
    heard = "openOrder orderStatus execDetails commissionReport openOrderEnd"
    wanted = {("redis", name) for name in scripts.split()} - {("redis", "lease")}
    wanted |= {("redis", "HSET rebalance_snapshots")}
    wanted |= {("to gateway", name) for name in sent.split()}
    wanted |= {("from gateway", name) for name in heard.split()}
    assert wanted <= names
    assert sum(step.name == "placeOrder" for step in plain) == 3
    assert sum(step.name == "settle_intent" for step in plain) >= 3


async def test_the_processor_killed_at_every_step(
    tmp_path: Path, plain: Sequence[Step]
) -> None:
    moments = both_edges(plain) if FULL else alternating(plain)
    await every(tmp_path, plays.processor_killed, moments)


async def test_the_processor_killed_while_it_cancels_and_tries_again(
    tmp_path: Path, plain: Sequence[Step], cancelled: Sequence[Step]
) -> None:
    more = [step for step in cancelled if step not in plain]
    moments = both_edges(cancelled) if FULL else some(alternating(more), 2)
    await every(tmp_path, plays.processor_killed, moments, CANCELLED)


@pytest.mark.parametrize(
    "asked", [WITHDRAWAL, DEPOSIT, CONDITIONAL], ids=["withdrawal", "deposit", "conditional"]
)
async def test_what_is_asked_for_is_done_once_wherever_the_processor_is_killed(
    tmp_path: Path, asked: Asked
) -> None:
    """Cash is raised once, a deposit is invested once, what was due is carried to its end."""
    steps = await plays.clean_steps(tmp_path / "steps", (), asked)
    moments = both_edges(steps) if FULL else some(alternating(steps), 12)
    deed = partial(plays.processor_killed, asked=asked)
    await every(tmp_path, deed, moments, asked=asked)


async def test_redis_killed_at_every_step(tmp_path: Path, plain: Sequence[Step]) -> None:
    await every(tmp_path, plays.redis_killed, some(both_edges(plain), 14), LATE)


async def test_the_gateway_killed_at_every_message(
    tmp_path: Path, plain: Sequence[Step], cancelled: Sequence[Step]
) -> None:
    heard = [step for step in plain if step.wire == "to gateway" and step.name != "hello"]
    await every(tmp_path / "late", plays.gateway_killed, some(both_edges(heard), 6), LATE)
    more = [step for step in cancelled if step.wire == "to gateway" and step not in plain]
    moments = some(both_edges(more), 4)
    await every(tmp_path / "cancelled", plays.gateway_killed, moments, CANCELLED)


async def test_the_connection_cut_at_every_message(
    tmp_path: Path, plain: Sequence[Step]
) -> None:
    messages = [step for step in plain if step.wire != "redis"]
    await every(tmp_path, plays.connection_cut, some(both_edges(messages), 10), LATE)


async def test_one_of_two_processors_killed_at_every_step(
    tmp_path: Path, plain: Sequence[Step]
) -> None:
    await every(tmp_path, plays.one_of_two_killed, some(both_edges(plain), 20), LATE)


async def test_the_broker_killed_around_its_signal(tmp_path: Path) -> None:
    """The first send is by the script's name, which Redis does not know yet; then in full."""
    tally = Tally()
    edges: tuple[Edge, ...] = ("before", "after")
    given = {
        f"{edge} enqueue {nth}": partial(plays.broker_killed, nth, edge, tally)
        for nth in (1, 2)
        for edge in edges
    }
    assert await survived(tmp_path, given) == {}
    assert sorted(tally.struck) == sorted(given)


async def test_a_soak(tmp_path: Path) -> None:
    """Random kills of everything; ``python -m tests.chaos.soak`` goes on for longer."""
    toll = await soak(tmp_path, kills=KILLS, seed=SEED)
    assert toll.wounds == {}
    assert toll.kills.total() >= KILLS
    assert toll.reconciled
