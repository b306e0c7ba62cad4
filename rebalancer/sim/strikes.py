"""What each wire-level fault does when it strikes; ``faults.FAULTS`` says what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rebalancer.sim.answers import orders
from rebalancer.sim.protocol.messages_in import request_id
from rebalancer.sim.protocol.messages_out import ANSWERS, error

if TYPE_CHECKING:
    from rebalancer.sim.hub import Hub
    from rebalancer.sim.session import Session

TEXTS: dict[int, str] = {
    326: "Unable to connect as the client id is already in use. Retry with a unique client id.",
    1100: "Connectivity between IBKR and Trader Workstation has been lost.",
    1101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IBKR and Trader Workstation has been restored - data "
    "maintained.",
    2103: "Market data farm connection is broken:usfarm",
    2104: "Market data farm connection is OK:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2106: "HMDS data farm connection is OK:ushmds",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored "
    "automatically.",
    2158: "Sec-def data farm connection is OK:secdefnj",
    10197: "No market data during competing live session",
}
#: Rows that an empty start leaves out; the end messages still come.
ROWS = frozenset(
    {
        "accountSummary",
        "accountUpdateMulti",
        "position",
        "positionMulti",
        "updateAccountTime",
        "updateAccountValue",
        "updatePortfolio",
    }
)
FOREVER = float("inf")
_GARBAGE = b"\xff\xfe HTTP/1.1 400 Bad Request\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one message a client sent."""

    carry_out: bool = True
    #: The connection is closed afterwards.
    cut: bool = False
    #: Answers left out.
    muted: frozenset[str] = frozenset()
    #: How much later the answer comes.
    late: float = 0.0


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault striking: whom, with what arguments, when."""

    hub: Hub
    sessions: Iterable[Session]
    args: Mapping[str, str]
    now: float
    #: The message that triggered it, its number first; empty if it was the time, or the hello.
    fields: Sequence[str] = ()

    @property
    def until(self) -> float:
        """When it is over."""
        return self.now + float(self.args.get("seconds", FOREVER))

    @property
    def code(self) -> int:
        """The error code it carries."""
        return int(self.args["code"])

    @property
    def words(self) -> str:
        """The text that goes with its code."""
        return self.args.get("text") or TEXTS.get(self.code, "Unknown error")


# What becomes of one message ----------------------------------------------------------------


def _disconnect(strike: Strike, verdict: Verdict) -> Verdict:
    done = strike.args.get("after") == "done"
    return replace(verdict, carry_out=done, cut=True, muted=frozenset(ANSWERS))


def _leave_out(strike: Strike, verdict: Verdict) -> Verdict:
    return replace(verdict, muted=verdict.muted | {strike.args["message"]})


def _answer_late(strike: Strike, verdict: Verdict) -> Verdict:
    return replace(verdict, late=verdict.late + float(strike.args["seconds"]))


def _answer_error(strike: Strike, verdict: Verdict) -> Verdict:
    code = strike.code
    of_system = code == 326 or 1100 <= code < 1400 or 2100 <= code < 2200
    req_id = -1 if of_system else request_id(list(strike.fields))
    for session in strike.sessions:
        session.send(error(req_id, code, strike.words), strike.now)
    stop = strike.args.get("instead") == "yes" or code == 326
    return replace(verdict, carry_out=verdict.carry_out and not stop, cut=code == 326)


def _answer_empty(strike: Strike, verdict: Verdict) -> Verdict:
    if strike.fields and strike.fields[0] == "71":
        _show_nothing(strike)
    return replace(verdict, muted=verdict.muted | ROWS)


#: Armed by a message: how it changes that message's fate.
MESSAGE_STRIKES: dict[str, Callable[[Strike, Verdict], Verdict]] = {
    "disconnect": _disconnect,
    "drop": _leave_out,
    "late": _answer_late,
    "error": _answer_error,
    "empty_start": _answer_empty,
}


# What happens to sessions -------------------------------------------------------------------


def _hang_up(strike: Strike) -> None:
    for session in strike.sessions:
        session.hang_up()


def _stall(strike: Strike) -> None:
    for session in strike.sessions:
        session.hold(strike.until)


def _go_deaf(strike: Strike) -> None:
    for session in strike.sessions:
        session.deaf = True
        session.hold(FOREVER)


def _send_garbage(strike: Strike) -> None:
    for session in strike.sessions:
        session.outbox.put(_GARBAGE, strike.now, "orders")


def _show_nothing(strike: Strike) -> None:
    for session in strike.sessions:
        session.hushed |= ROWS


def _tell_error(strike: Strike) -> None:
    strike.hub.notify(strike.code, strike.words, strike.now)


def _roll_back_ids(strike: Strike) -> None:
    hub, to = strike.hub, int(strike.args.get("to", "1"))
    if strike.args.get("used") == "yes":
        for session in strike.sessions:
            session.misled_to = to
        return
    for client_id in hub.client_ids:
        hub.exchange.roll_back_ids(client_id, to)


def _drop_always(strike: Strike) -> None:
    strike.hub.mishaps.dropped.add(strike.args["message"])


def _delay_always(strike: Strike) -> None:
    strike.hub.mishaps.late = float(strike.args["seconds"])


def _restart(strike: Strike) -> None:
    strike.hub.mishaps.refusing_until = strike.until
    for session in list(strike.hub.sessions):
        session.hang_up()


def _lose_connectivity(strike: Strike) -> None:
    strike.hub.notify(1100, TEXTS[1100], strike.now)
    strike.hub.mishaps.outage = strike.until, int(strike.args.get("end", "1102"))


def _compete(strike: Strike) -> None:
    strike.hub.mishaps.competing_until = strike.until
    for session in strike.hub.ready():
        for req_id in session.subs.ticks or (-1,):
            session.send(error(req_id, 10197, TEXTS[10197]), strike.now)
        session.subs.ticks.clear()
        if strike.args.get("keep") != "yes":
            session.close()


def _tell_completed(strike: Strike) -> None:
    for session in strike.sessions:
        orders.tell_completed(session, strike.now)


#: Armed by the time, or by a message and not in the table above: what it does to
#: ``strike.sessions``, which are all of them, or the one that sent the message.
STRIKES: dict[str, Callable[[Strike], None]] = {
    "disconnect": _hang_up,
    "stall": _stall,
    "half_open": _go_deaf,
    "garbage": _send_garbage,
    "empty_start": _show_nothing,
    "error": _tell_error,
    "id_rollback": _roll_back_ids,
    "drop": _drop_always,
    "late": _delay_always,
    "restart": _restart,
    "outage": _lose_connectivity,
    "competing_session": _compete,
    "unasked_completed": _tell_completed,
}
