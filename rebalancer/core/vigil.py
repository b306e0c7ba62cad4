"""When a person is told about the gateway: once that it is gone, once that it is back.

Pure: what was seen goes in, the new state and what is to be told come out.

    here -> gone (for less than the grace, or in a window: nobody is told)
         -> gone, told -> back (for a while: told) -> here

A gateway that waits for its weekly login is told about at once, though its window lasts: a
person is needed. Another session of the login is told about when it is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Seconds (at most the grace) a connection has to last before it counts as being back.
STEADY = 10.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of the gateway at one moment."""

    #: Seconds of a clock that never jumps.
    at: float
    #: Whether there is a proven connection to it.
    connected: bool
    #: Why not, in one line.
    reason: str = ""
    #: The window that lasts, '' outside of all.
    window: str = ""
    #: Whether it is one in which a person confirms the login.
    login: bool = False
    #: What was said of another session of the login, '' if there is none.
    rival: str = ""


@dataclass(frozen=True, slots=True)
class Vigil:
    """What is remembered between two looks."""

    gone_since: float | None = None
    back_since: float | None = None
    #: The last window seen while it was gone.
    window: str = ""
    told: bool = False
    told_login: bool = False
    rival: str = ""
    rival_seen: float = 0.0


@dataclass(frozen=True, slots=True)
class Alert:
    """What a person is told."""

    title: str
    text: str
    remedy: str = ""


def look(vigil: Vigil, sight: Sight, grace: float) -> tuple[Vigil, tuple[Alert, ...]]:
    """Return the new state, and what is to be told now.

    ``grace`` is how many seconds it may be gone, outside of windows, before that is told.
    """
    after, alerts = (_here if sight.connected else _gone)(vigil, sight, grace)
    if sight.rival:
        if not vigil.rival:
            alerts = (*alerts, _another_session(sight.rival))
        return replace(after, rival=sight.rival, rival_seen=sight.at), alerts
    # One that comes and goes is one, as an absence is.
    lasts = sight.at - vigil.rival_seen < min(grace, STEADY)
    return replace(
        after, rival=vigil.rival if lasts else "", rival_seen=vigil.rival_seen
    ), alerts


def _here(vigil: Vigil, sight: Sight, grace: float) -> tuple[Vigil, tuple[Alert, ...]]:
    if vigil.gone_since is None:
        return vigil, ()
    back_since = sight.at if vigil.back_since is None else vigil.back_since
    if sight.at - back_since < min(grace, STEADY):
        return replace(vigil, back_since=back_since), ()
    told = vigil.told or vigil.told_login
    return Vigil(), (_back(back_since - vigil.gone_since),) if told else ()


def _gone(vigil: Vigil, sight: Sight, grace: float) -> tuple[Vigil, tuple[Alert, ...]]:
    since = sight.at if vigil.gone_since is None else vigil.gone_since
    window = sight.window or vigil.window
    vigil = replace(vigil, gone_since=since, back_since=None, window=window)
    if vigil.told or sight.at - since < grace:
        return vigil, ()
    if not sight.window:
        return replace(vigil, told=True), (_away(sight, since, vigil.window),)
    if sight.login and not vigil.told_login:
        return replace(vigil, told_login=True), (_waits_for_login(sight),)
    return vigil, ()


def _away(sight: Sight, since: float, window: str) -> Alert:
    late = f" It has not come back from: {window}." if window else ""
    return Alert(
        "IB Gateway is gone",
        f"For {_span(sight.at - since)}: {sight.reason}.{late} Events are kept; nothing is "
        f"traded until it is back.",
        "see that it runs and is logged in: rebalancer doctor",
    )


def _waits_for_login(sight: Sight) -> Alert:
    return Alert(
        "IB Gateway needs its login confirmed",
        f"Its login has ended, as it does every week ({sight.reason}). Events are kept; "
        f"nothing is traded until it is logged in.",
        "confirm the login in IBKR Mobile, or in the gateway's window",
    )


def _back(gone: float) -> Alert:
    return Alert("IB Gateway is back", f"After {_span(gone)}. What waited is carried out.")


def _another_session(said: str) -> Alert:
    return Alert(
        "Another session of the login has the market data",
        f"IBKR says {said}. It is left in peace: nothing is traded, events are kept, and all "
        f"goes on by itself once it has ended.",
        "log out there when you are done, or give the gateway a user of its own",
    )


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.0f} minutes"
