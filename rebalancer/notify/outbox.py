"""What waits to be told at one service: when, together with what, and how often.

Pure: times go in, messages come out.

- ``critical`` and ``action`` are due at once, ``routine`` is gathered for a while.
- The same thing again is counted, not repeated: while it waits, and for a while after it was
  told, it becomes one more time of one notice (``x100``).
- Between two messages lies a pause, and everything that is due after it is one message.
- A message that could not be told is due again after a backoff that doubles.
- What could not be told for too long is given up, and that is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rebalancer.notify.notices import Level, Notice

#: Seconds between two messages of one service.
PAUSE = 5.0
#: Seconds after the first failure, and at most.
FIRST_RETRY, LAST_RETRY = 5.0, 300.0
#: Characters of one message; of notices beyond it only the number is told. Telegram and ntfy
#: take about 4000.
LONGEST = 3000


@dataclass(frozen=True, slots=True)
class Rules:
    """How patient a service's outbox is. Seconds."""

    #: Routine notices are gathered for this long.
    gather: float = 60.0
    #: The same thing is told again only after this.
    repeat: float = 600.0
    #: A notice older than this is given up.
    give_up: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Message:
    """One push, mail or line in a chat."""

    level: Level
    title: str
    body: str
    notices: tuple[Notice, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The entries of the journal that are told by it."""
        return tuple(entry_id for notice in self.notices for entry_id in notice.ids)


@dataclass(slots=True)
class _Waiting:
    notice: Notice
    due: float


class Outbox:
    """Notices of one service. ``now`` is of a clock that never jumps."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._waiting: dict[tuple[str, ...], _Waiting] = {}
        #: When the same thing may be told again.
        self._told: dict[tuple[str, ...], float] = {}
        self._not_before = float("-inf")
        self._backoff = 0.0

    def __len__(self) -> int:
        """Entries that wait."""
        return sum(len(each.notice.ids) for each in self._waiting.values())

    @property
    def ids(self) -> Iterator[str]:
        """The entries that wait."""
        for each in self._waiting.values():
            yield from each.notice.ids

    def add(self, notice: Notice, now: float) -> None:
        """Have it told."""
        same = notice.sameness
        if same in self._waiting:
            waiting = self._waiting[same]
            waiting.notice = _merged(waiting.notice, notice)
            return
        due = now + self._rules.gather if notice.level == "routine" else now
        self._waiting[same] = _Waiting(notice, max(due, self._told.get(same, due)))

    def next_due(self) -> float | None:
        """When there will be a message; ``None``: nothing waits."""
        soonest = min((each.due for each in self._waiting.values()), default=None)
        return None if soonest is None else max(soonest, self._not_before)

    def take(self, now: float) -> Message | None:
        """The message that is due now; it has to be followed by ``sent`` or ``failed``."""
        if now < self._not_before:
            return None
        due = [each.notice for each in self._waiting.values() if each.due <= now]
        urgent = [notice for notice in due if notice.level != "routine"]
        if not due:
            return None
        # Routine that is not quite due goes along with routine that is.
        chosen = urgent or [
            each.notice for each in self._waiting.values() if each.notice.level == "routine"
        ]
        for notice in chosen:
            del self._waiting[notice.sameness]
        return composed(chosen)

    def sent(self, message: Message, now: float) -> None:
        """It was told."""
        self._not_before, self._backoff = now + PAUSE, 0.0
        self._told = {same: until for same, until in self._told.items() if until > now}
        for notice in message.notices:
            self._told[notice.sameness] = now + self._rules.repeat

    def failed(self, message: Message, now: float) -> float:
        """It could not be told and waits again. Returns the seconds until it is tried."""
        self._backoff = min(max(self._backoff * 2, FIRST_RETRY), LAST_RETRY)
        self._not_before = now + self._backoff
        back = {notice.sameness: _Waiting(notice, now) for notice in message.notices}
        for same, each in self._waiting.items():
            if same in back:
                back[same].notice = _merged(back[same].notice, each.notice)
            else:
                back[same] = each
        self._waiting = back
        return self._backoff

    def give_up(self, wall: float) -> tuple[Notice, ...]:
        """Take out and return what is older than may be; ``wall`` is in Unix seconds."""
        oldest = wall - self._rules.give_up
        over = [each.notice for each in self._waiting.values() if each.notice.at < oldest]
        for notice in over:
            del self._waiting[notice.sameness]
        return tuple(over)


def _merged(first: Notice, again: Notice) -> Notice:
    """The same thing once more: counted, and as young as its latest time."""
    return replace(
        first,
        at=max(first.at, again.at),
        ids=first.ids + again.ids,
        times=first.times + again.times,
    )


def composed(notices: Iterable[Notice]) -> Message:
    """One message of them, the most urgent first."""
    found = sorted(
        notices, key=lambda notice: ("critical", "action", "routine").index(notice.level)
    )
    first = found[0]
    if len(found) == 1:
        title, body = _title(first), _details(first)
    else:
        title = f"{_title(first)} and {len(found) - 1} more"
        body = _gathered([f"{_title(one)}\n{_details(one)}" for one in found])
    return Message(first.level, title, body, tuple(found))


def _gathered(told: list[str]) -> str:
    shown: list[str] = []
    room = LONGEST
    for each in told:
        room -= len(each) + 2
        if room < 0 and shown:
            break
        shown.append(each)
    if left := len(told) - len(shown):
        shown.append(f"{left} more: rebalancer journal")
    return "\n\n".join(shown)


def _title(notice: Notice) -> str:
    return notice.title if notice.times == 1 else f"{notice.title} (x{notice.times})"


def _details(notice: Notice) -> str:
    at = datetime.fromtimestamp(notice.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    todo = f"To do: {notice.remedy}" if notice.remedy else ""
    return "\n".join(filter(None, (notice.text, todo, at)))
