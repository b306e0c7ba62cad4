"""The hours gate: nothing is sent unless everything that may be traded is open.

Nor is it shortly before the gateway is expected to go, or while it may be away: an order whose
answer is lost has to be looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rebalancer.core import hours
from rebalancer.core.account import Instrument
from rebalancer.core.windows import Absence, closed_at
from rebalancer.errors import DelayedError, PermanentError
from rebalancer.processor.run import Run

#: When the published hours (about a week) name no common session, look again this much later.
RECHECK = 3600.0
#: Nothing is sent this many seconds before a close: what arrives after it waits for the next
#: opening, and would trade then on a plan of the day before.
CLOSING = 10.0

#: Sessions of each that must be published before it is said that they have none in common.
SEEN = 3

#: IBKR sometimes leaves a contract's time zone empty; these listings can only be in New York.
_NEW_YORK = frozenset({"AMEX", "ARCA", "BATS", "IEX", "ISLAND", "NASDAQ", "NYSE"})


def require_open(run: Run, instruments: Iterable[Instrument]) -> None:
    """Return if all the instruments trade now and a little longer, by the gateway's clock.

    Liquid hours count, or trading hours if the account's policy has ``extended_hours``.

    Raises:
        DelayedError: until the next time when all of them are open at once, and the gateway
            is not expected to be away.
        PermanentError: each of them opens, but never all of them at once.
    """
    extended = run.portfolio.policy.extended_hours
    listed = tuple(instruments)
    sessions = [sessions_of(i, extended=extended) for i in listed]
    now = run.gateway.now()
    opens = _opens(run, sessions, now)
    if opens == now:
        return
    if opens is None and _never(sessions, now):
        raise PermanentError(
            f"{_names(listed)} are never open at the same time: nothing is traded before all "
            f"are. Give each market an account or a target of its own, or see whether "
            f"`extended_hours` brings them together"
        )
    # The opening is on the gateway's clock, the queue's due times are on ours.
    wait = RECHECK if opens is None else opens - now
    then = "none is published yet, looking again" if opens is None else "the next common open"
    if _trade(sessions, now) and (absence := _absence(run, now)):
        why = f"{absence.name} of the gateway " + ("begins" if absence.start > now else "lasts")
    else:
        kind = "trading" if extended else "liquid"
        why = f"outside the {kind} hours of {_names(listed)}"
    raise DelayedError(f"{why}; {then} is in {wait:.0f} s", until=run.clock() + wait)


def _opens(run: Run, sessions: Sequence[hours.Sessions], now: float) -> float | None:
    """The first moment from ``now`` on at which orders may be sent; ``None`` if not known."""
    at: float | None = now
    while at is not None:
        if absence := _absence(run, at):
            at = absence.end
        elif _trade(sessions, at):
            return at
        else:
            opens = hours.next_common_open(sessions, at)
            at = hours.next_common_open(sessions, at + CLOSING) if opens == at else opens
    return None


def _never(sessions: Sequence[hours.Sessions], at: float) -> bool:
    """Whether enough of everybody's sessions is published to say that they do not overlap."""
    if hours.next_common_open(sessions, at) is not None:
        return False
    return all(sum(opens > at for opens, _ in each) >= SEEN for each in sessions)


def _absence(run: Run, at: float) -> Absence | None:
    """Why the gateway may be away at this time or soon after."""
    return closed_at(run.gateway.windows, at, lead=run.deadlines.quiet)


def _trade(sessions: Sequence[hours.Sessions], at: float) -> bool:
    """Whether everything is open, and a little longer."""
    return hours.common_open(sessions, at) and hours.common_open(sessions, at + CLOSING)


def opening_after(run: Run, instruments: Iterable[Instrument], at: float) -> float:
    """When all of them are open at once from ``at`` on, in our time; ``at`` if none is known.

    ``at`` is in the gateway's time, as the published hours are.
    """
    extended = run.portfolio.policy.extended_hours
    opens = hours.next_common_open([sessions_of(i, extended=extended) for i in instruments], at)
    return run.clock() + (at if opens is None else opens) - run.gateway.now()


def sessions_of(instrument: Instrument, *, extended: bool = False) -> hours.Sessions:
    """Return the liquid hours that are published for an instrument, or its trading hours."""
    return hours.parse(
        instrument.trading_hours if extended else instrument.liquid_hours,
        instrument.time_zone,
        fallback_zone="America/New_York" if instrument.primary_exchange in _NEW_YORK else "",
    )


def _names(instruments: Sequence[Instrument]) -> str:
    names = sorted(i.symbol for i in instruments)
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:8])} and others"
