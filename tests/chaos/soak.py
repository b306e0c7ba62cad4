"""Kill everything at random steps, again and again: ``python -m tests.chaos.soak --kills 500``.

Each round is a rebalance of two accounts in an arena of its own, by one or two processors, on
a gateway with one fault or another, with up to five kills of processors, Redis, the gateway or
the broker, and cuts of the connection. Rounds that bleed are named by their seed: ``--seed N
--rounds 1`` plays one again, as nearly as clocks and schedulers allow.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

from rebalancer.core.event import Event
from rebalancer.queue import journal
from rebalancer.queue.values import Entry
from tests.chaos.plays import (
    CANCELLED,
    LATE,
    Scissors,
    Tally,
    broker_killed,
    clean_steps,
    fallen,
    meanwhile,
    somebody_looks,
    strike_at,
)
from tests.chaos.steps import KILL, Moment, both_edges
from tests.processor.chaos import Arena, clean_run, played
from tests.processor.faulty_gateways import GATEWAY
from tests.processor.system import eventually
from tests.support.tcp_proxy import tcp_proxy

#: Most kills of one round.
MOST = 5
#: Seconds in which a round must be over.
PATIENCE = 90.0


@dataclass(slots=True)
class Toll:
    """What was killed, and what came of it."""

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    #: Seconds from the start of a killed processor's successor until orders were compared.
    reconciled: list[float] = field(default_factory=list)
    #: By the round's seed.
    wounds: dict[int, list[str]] = field(default_factory=dict)

    @property
    def doubled(self) -> int:
        """OrderRefs that were sent or executed twice."""
        return self._wounds("was sent", "was executed twice")

    @property
    def lost(self) -> int:
        """Events that did not come to an end, or to more than one."""
        return self._wounds("no completed of", "was completed", "left in the queue")

    def _wounds(self, *words: str) -> int:
        every = [wound for wounds in self.wounds.values() for wound in wounds]
        return sum(any(word in wound for word in words) for wound in every)

    def lines(self) -> list[str]:
        """The figures, a line each."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kills.items()))
        median = statistics.median(self.reconciled) if self.reconciled else float("nan")
        return [
            f"kills survived       {self.kills.total()} in {self.rounds} rounds ({kinds})",
            f"orders doubled       {self.doubled}",
            f"events lost          {self.lost}",
            f"rounds that bled     {len(self.wounds)}",
            f"restart to reconciled, median of {len(self.reconciled)}: {median:.2f} s",
            *(f"seed {seed}: {wounds}" for seed, wounds in self.wounds.items()),
        ]


async def soak(
    folder: Path, *, kills: int, seed: int, rounds: int = 0, at_once: int = 8
) -> Toll:
    """Play rounds until so many kills were survived, or so many rounds are over."""
    toll, clean = Toll(), await clean_run(folder / "clean")
    moments = both_edges(
        dict.fromkeys(
            (
                *await clean_steps(folder / "plain", LATE),
                *await clean_steps(folder / "cancelled", CANCELLED),
            )
        )
    )
    seeds = iter(range(seed, seed + rounds) if rounds else range(seed, sys.maxsize))

    async def play_on() -> None:
        while toll.kills.total() < kills:
            number = next(seeds, None)
            if number is None:
                return
            try:
                wounds = await played(
                    folder / str(number), partial(_round, number, moments, toll), clean
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, the round has failed
                wounds = [f"{type(error).__name__}: {error}"]
            toll.rounds += 1
            if wounds:
                toll.wounds[number] = wounds

    await asyncio.gather(*(play_on() for _ in range(at_once)))
    return toll


async def _round(
    seed: int, moments: Sequence[Moment], toll: Toll, system: Arena
) -> Sequence[Event]:
    dice = random.Random(seed)
    if dice.random() < 0.1:
        tally = Tally()
        events = await broker_killed(
            dice.randint(1, 2), dice.choice(("before", "after")), tally, system
        )
        toll.kills["broker"] += len(tally.struck)
        return events
    for each in dice.choice((LATE, CANCELLED, GATEWAY[dice.choice(sorted(GATEWAY))])):
        system.sim.inject(each)
    return await _killed(dice, moments, toll, system)


async def _killed(
    dice: random.Random, moments: Sequence[Moment], toll: Toll, system: Arena
) -> Sequence[Event]:
    whom = ("processor", "processor", "processor", "redis", "gateway", "connection")
    deeds = Counter(dice.choice(whom) for _ in range(dice.randint(1, MOST)))
    on_the_wire = [moment for moment in moments if moment.step.wire != "redis"]
    requests = [moment for moment in on_the_wire if moment.step.wire == "to gateway"]
    gateways, cuts = Tally(), Tally()
    for _ in range(deeds["gateway"]):
        strike_at(system.sim, dice.choice(requests), gateways)
    scissors = Scissors(dice.choice(on_the_wire), cuts)
    with tcp_proxy(system.sim.port, scissors.guard) as proxy:
        port = proxy.port if deeds["connection"] else system.sim.port
        fates = [_Fate(system, 10 + n, port) for n in range(dice.randint(1, 2))]
        for _ in range(deeds["processor"]):
            dice.choice(fates).deaths.append(dice.choice(moments))
        for _ in range(deeds["redis"]):
            dice.choice(fates).redis.append(dice.choice(moments))
        try:
            lives = [fate.lives() for fate in fates]
            async with meanwhile(_redis_lives(toll, system), somebody_looks(system), *lives):
                events = await system.both()
                await system.settle_down(events, deadline=PATIENCE)
                await system.idle(deadline=PATIENCE)
        finally:
            for fate in fates:
                await fate.victim.end()
    toll.kills["gateway"] += len(gateways.struck)
    toll.kills["connection"] += len(cuts.struck)
    entries = await system.queue.run(journal.read(limit=10_000))
    for fate in fates:
        toll.kills["processor"] += fate.died
        toll.reconciled += fate.reconciled(entries)
    return events


async def _redis_lives(toll: Toll, system: Arena) -> None:
    while True:
        await fallen(lambda: system.redis.alive)
        toll.kills["redis"] += 1
        await asyncio.to_thread(system.redis.restart)


class _Fate:
    """A processor that lives as many lives as it has deaths ahead, and one more."""

    def __init__(self, system: Arena, client_id: int, port: int) -> None:
        self.victim = system.victim(client_id, REBALANCER_GATEWAY_PORT=str(port))
        self.deaths: list[Moment] = []
        #: When it takes Redis down, one a life.
        self.redis: list[Moment] = []
        self.died = 0
        self._system = system
        self._worker = f"{socket.gethostname()}-{client_id}"
        self._born: list[float] = []

    async def lives(self) -> None:
        """Live on until nobody watches any more."""
        while True:
            plans = [self.deaths.pop().dumps()] if self.deaths else []
            if self.redis:
                # While it is being raised it cannot be killed.
                await eventually(lambda: self._system.redis.alive, deadline=float("inf"))
                plans.append(self.redis.pop().dumps(self._system.redis.pid))
            self._born.append(time.time())
            self.victim.start(**{KILL: " ".join(plans)})
            await fallen(lambda: self.victim.alive)
            self.died += 1
            await self.victim.end()

    def reconciled(self, entries: Sequence[Entry]) -> list[float]:
        """Seconds from each rebirth until orders were compared; of lives long enough for it."""
        found = []
        for born, ended in pairwise((*self._born, float("inf"))):
            mine = (e for e in entries if e.kind == "reconciled" and born <= e.at < ended)
            first = next((e.at for e in mine if e.data["worker"] == self._worker), None)
            if first is not None and born > self._born[0]:
                found.append(first - born)
        return found


def main() -> None:
    """Soak, and say what came of it; the exit code is 1 if anything bled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=0, help="at most so many; 0: no limit")
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="for logs and data, which stay")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        toll = asyncio.run(
            soak(
                chosen.folder or Path(name),
                kills=chosen.kills,
                seed=chosen.seed,
                rounds=chosen.rounds,
                at_once=chosen.at_once,
            )
        )
    print("\n".join(toll.lines()))
    print(f"took {time.monotonic() - began:.0f} s")
    sys.exit(1 if toll.wounds else 0)


if __name__ == "__main__":
    main()
