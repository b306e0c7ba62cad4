"""The source that watches the clock: schedules.

1. say which schedules there are; Redis knows up to when each has been seen
2. whatever became due since then, at most once for each schedule: within the grace it is a
   signal, beyond it the journal says that it was missed
3. sleep until the next is due

Seen is said in the script that accepts or notes, so a kill anywhere repeats nothing and skips
nothing. A new schedule looks back by the grace at a start, and not at all at a reload. The
grace is for time without a broker: one that waits for Redis keeps what becomes due meanwhile.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from rebalancer.broker.calendars import Almanac, CalendarsUnavailableError, nearly_over
from rebalancer.broker.intake import Intake
from rebalancer.broker.rules import Calendars
from rebalancer.broker.schedule import Backlog, Schedule, backlog
from rebalancer.core import request
from rebalancer.ingest import accept
from rebalancer.queue import journal, signals
from rebalancer.queue.move import Move

log = logging.getLogger("rebalancer.broker")

#: Longest sleep in seconds: a step of the clock or a suspended host is noticed within it.
LONGEST_SLEEP = 30.0
#: The clock may be set back by less than this many seconds without anybody minding.
STEP = 60.0
#: Seconds before sessions that could not be computed are asked for again.
AGAIN = 60.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Schedules as a source. ``grace`` is in seconds."""

    schedules: tuple[Schedule, ...]
    grace: float
    almanac: Almanac = dataclasses.field(default_factory=Almanac, compare=False, repr=False)
    #: Whether schedules that nobody knows yet look back by the grace: at a start they do.
    starting: bool = dataclasses.field(default=True, compare=False)

    name: ClassVar[str] = "schedule"

    def about(self) -> str:
        """A few words for the status line."""
        return f"{len(self.schedules)} schedules"

    async def run(self, intake: Intake) -> None:
        """Signal what is due, until cancelled."""
        await _Watch(self, intake).run()


@dataclass(slots=True)
class _Watched:
    """A schedule, up to when it has been seen, and when it is due next if that is known."""

    schedule: Schedule
    seen: float
    soonest: float | None = None


class _Watch:
    """What one run of the clock knows. Times are Unix seconds."""

    def __init__(self, clock: Clock, intake: Intake) -> None:
        self._clock = clock
        self._intake = intake
        self._almanac = clock.almanac
        self._calendars: Calendars = {}
        self._asked = 0.0
        self._watched: list[_Watched] = []
        #: Since when a broker was last at work on what is due, and until when. With Redis away
        #: that may be long, and the one before this, of other settings, counts.
        now = intake.clock()
        self._busy = (min(now, intake.waiting_since or now), now)

    async def run(self) -> None:
        await self._begin()
        while True:
            began = self._intake.clock()
            self._mind_steps(began)
            await self._renew(began)
            for one in sorted(self._watched, key=lambda each: each.soonest or 0.0):
                await self._look(one, began)
            ended = self._intake.clock()
            self._busy = (began, ended)
            self._show()
            due = [one.soonest for one in self._watched if one.soonest is not None]
            wait = min(due, default=ended + LONGEST_SLEEP) - ended
            await asyncio.sleep(min(max(wait, 0.0), LONGEST_SLEEP))

    async def _begin(self) -> None:
        now, schedules = self._intake.clock(), self._clock.schedules
        begin = now - self._clock.grace if self._clock.starting else now
        names = [schedule.name for schedule in schedules]
        seen = await self._intake.insist(signals.begin_schedules(names, now=now, begin=begin))
        self._watched = [_Watched(schedule, seen[schedule.name]) for schedule in schedules]
        self._busy = (self._busy[0], self._intake.clock())

    def _mind_steps(self, now: float) -> None:
        if now >= self._busy[1] - STEP:
            return
        # Ids are remembered for three days, so what is due again is not done again.
        log.warning("the clock was set back by %.0f s", self._busy[1] - now)
        self._busy, self._asked = (now, now), 0.0
        for one in self._watched:
            one.seen, one.soonest = min(one.seen, now), None

    async def _renew(self, now: float) -> None:
        """Have the sessions of the exchanges that schedules name, not older than a day."""
        names = {one.rule.calendar for one in self._clock.schedules if one.rule.calendar}
        if not self._almanac.is_fresh(names, now) and now - self._asked >= AGAIN:
            self._asked = now
            try:
                await self._almanac.renew(names, now)
            except CalendarsUnavailableError as error:
                await self._say_unknown(names, str(error))
            else:
                await self._say_known(now)
        if self._calendars is not self._almanac.known:
            self._calendars = self._almanac.known
            for one in self._watched:
                one.soonest = None

    async def _say_unknown(self, names: set[str], why: str) -> None:
        missing = ", ".join(sorted(names - self._almanac.known.keys()))
        await self._intake.trouble(
            "calendars",
            "Trading days are not known",
            why + (f"; schedules on {missing} wait for it" if missing else ""),
            "see whether `rebalancer schedule list` works",
        )

    async def _say_known(self, now: float) -> None:
        ending = nearly_over(self._almanac.known.values(), now)
        if ending:
            title, remedy = "A calendar comes to its end", "install a newer release in time"
            await self._intake.trouble("calendars", title, ending, remedy)
        else:
            self._intake.well("calendars")

    async def _look(self, one: _Watched, now: float) -> None:
        """Signal or miss what became due of one schedule, and see when it is due next."""
        if one.soonest is not None and one.soonest > now:
            return
        found = backlog(one.schedule, one.seen, now, self._calendars)
        if found is not None:
            if self._late(found.last, now) <= self._clock.grace:
                await self._signal(one.schedule, found)
            else:
                await self._miss(one.schedule, found)
            one.seen = found.last
        one.soonest = one.schedule.next_due(max(one.seen, now), self._calendars)

    def _late(self, due: float, now: float) -> float:
        """For how many seconds after ``due`` nobody was there to look."""
        began, ended = self._busy
        return (began if due <= ended else now) - due

    async def _signal(self, schedule: Schedule, found: Backlog) -> None:
        event = accept(
            schedule.account_id,
            schedule.exec_command,
            now=self._intake.clock(),
            source=self._clock.name,
            event_id=schedule.event_id(found.last),
            data=schedule.data,
        )
        if found.count > 1:
            log.warning("%s: one signal for %d that were due", schedule.name, found.count)
        await self._intake.accept(event, seen=(schedule.name, found.last))

    async def _miss(self, schedule: Schedule, found: Backlog) -> None:
        log.warning("%s: missed, %d times", schedule.name, found.count)
        # Before it is seen: a kill in between says it twice rather than not at all.
        await self._intake.insist(_alert(schedule, found, now=self._intake.clock()))
        data = {
            "source": self._clock.name,
            "schedule": schedule.name,
            "exec_command": schedule.exec_command,
            "data": schedule.data,
            **dataclasses.asdict(found),
        }
        await self._intake.insist(
            signals.turn_away(
                "missed",
                self._clock.name,
                data,
                now=self._intake.clock(),
                request=schedule.event_id(found.last),
                account_id=schedule.account_id,
                count=found.count,
                seen=(schedule.name, found.last),
            )
        )

    def _show(self) -> None:
        """Leave the next signal of each account where others see it."""
        soonest: dict[str, dict[str, object]] = {}
        for one in sorted(self._watched, key=lambda each: each.soonest or 0.0, reverse=True):
            if one.soonest is not None:
                soonest[one.schedule.account_id] = {
                    "at": one.soonest,
                    "exec_command": one.schedule.exec_command,
                    "schedule": str(one.schedule.rule),
                }
        self._intake.show("next", soonest)


def _alert(schedule: Schedule, found: Backlog, *, now: float) -> Move[None]:
    times = "once" if found.count == 1 else f"{found.count} times"
    due = datetime.fromtimestamp(found.last, UTC)
    return journal.alert(
        f"A scheduled {schedule.exec_command} was missed",
        f"{schedule.rule}: {times}, last due {due:%Y-%m-%d %H:%MZ}, while no broker ran",
        now=now,
        remedy="if it is still wanted: "
        + request.again(schedule.account_id, schedule.exec_command, schedule.data),
        account_id=schedule.account_id,
    )
