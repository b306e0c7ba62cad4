"""The hours gate: nothing is sent unless everything that may be traded is open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rebalancer.core import hours
from rebalancer.core.account import Instrument
from rebalancer.errors import DelayedError
from rebalancer.processor.run import Run

#: When the published hours (about a week) name no common session, look again this much later.
RECHECK = 3600.0
#: Nothing is sent this many seconds before a close: what arrives after it waits for the next
#: opening, and would trade then on a plan of the day before.
CLOSING = 10.0

#: IBKR sometimes leaves a contract's time zone empty; these listings can only be in New York.
_NEW_YORK = frozenset({"AMEX", "ARCA", "BATS", "IEX", "ISLAND", "NASDAQ", "NYSE"})


def require_open(run: Run, instruments: Iterable[Instrument]) -> None:
    """Return if all the instruments trade now and a little longer, by the gateway's clock.

    Liquid hours count, or trading hours if the account's policy has ``extended_hours``.

    Raises:
        DelayedError: until the next time when all of them are open at once.
    """
    extended = run.portfolio.policy.extended_hours
    listed = tuple(instruments)
    sessions = [_sessions(i, extended=extended) for i in listed]
    now = run.gateway.now()
    if hours.common_open(sessions, now) and hours.common_open(sessions, now + CLOSING):
        return
    opens = hours.next_common_open(sessions, now)
    if opens == now:
        opens = hours.next_common_open(sessions, now + CLOSING)
    kind = "trading" if extended else "liquid"
    # The opening is on the gateway's clock, the queue's due times are on ours.
    wait = RECHECK if opens is None else opens - now
    then = "none is published yet, looking again" if opens is None else "the next common open"
    raise DelayedError(
        f"outside the {kind} hours of {_names(listed)}; {then} is in {wait:.0f} s",
        until=run.clock() + wait,
    )


def opening_after(run: Run, instruments: Iterable[Instrument], at: float) -> float:
    """When all of them are open at once from ``at`` on, in our time; ``at`` if none is known.

    ``at`` is in the gateway's time, as the published hours are.
    """
    extended = run.portfolio.policy.extended_hours
    opens = hours.next_common_open([_sessions(i, extended=extended) for i in instruments], at)
    return run.clock() + (at if opens is None else opens) - run.gateway.now()


def _sessions(instrument: Instrument, *, extended: bool) -> hours.Sessions:
    return hours.parse(
        instrument.trading_hours if extended else instrument.liquid_hours,
        instrument.time_zone,
        fallback_zone="America/New_York" if instrument.primary_exchange in _NEW_YORK else "",
    )


def _names(instruments: Sequence[Instrument]) -> str:
    names = sorted(i.symbol for i in instruments)
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:8])} and others"
