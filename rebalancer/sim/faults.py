"""Everything a scenario can make go wrong: the kinds, who applies them, what they need.

A fault is armed by its ``when``: the name of a client's message (``placeOrder``,
``reqPositions``…; it strikes the next ``count`` of them), or ``+SECONDS`` after the world's
start. ``count`` 0 strikes for ever. Order faults take the filters ``symbol``, ``account``,
``action`` and ``order_ref`` besides their own arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault: who makes it happen, what it means, and its arguments."""

    by: Literal["exchange", "wire"]
    meaning: str
    #: Argument name -> what it says; a name in ``required`` must be given.
    args: dict[str, str]
    required: tuple[str, ...] = ()
    #: What arms it: one message by name, ``time`` ("+SECONDS"), or either.
    when: str = "any"


_FILTERS = {
    "symbol": "strike only orders for this symbol",
    "account": "strike only orders of this account",
    "action": "strike only BUY or SELL",
    "order_ref": "strike only orders whose orderRef contains this",
}
_SYMBOL = {"symbol": "the instrument; all of them if not given"}
_FOR = {"seconds": "how long it lasts; for ever if not given"}


def _placing(meaning: str, *required: str, **args: str) -> FaultKind:
    return FaultKind("exchange", meaning, {**_FILTERS, **args}, required, "placeOrder")


def _cancelling(meaning: str, **args: str) -> FaultKind:
    return FaultKind("exchange", meaning, {**_FILTERS, **args}, (), "cancelOrder")


def _timed(meaning: str, *required: str, **args: str) -> FaultKind:
    return FaultKind("exchange", meaning, args, required, "time")


def _wire(meaning: str, *required: str, **args: str) -> FaultKind:
    return FaultKind("wire", meaning, args, required)


FAULTS: dict[str, FaultKind] = {
    # Orders ------------------------------------------------------------------------------
    "reject": _placing(
        "The order is refused.",
        code="error code, 201 if not given",
        text="the error's text",
    ),
    "partial": _placing(
        "Only part of the order fills.",
        "shares",
        shares="how many fill",
        then="rest (it stays open) or cancel; rest if not given",
    ),
    "late_fill": _placing(
        "The order is acknowledged but fills later.",
        "seconds",
        seconds="how much later",
    ),
    "lost_ack": _placing(
        "The order is taken and may fill, but nothing that placing it caused is reported.",
    ),
    "notice": _placing(
        "A notice comes under the order's id; the order lives on.",
        code="10349 if not given",
        text="the notice's text",
    ),
    "filled_first": _placing("The status Filled comes before execDetails."),
    "double_report": _placing("Every fill of the order is reported twice, with one execId."),
    "price_cap": _placing(
        "The order's price is capped: a warning with the order, and the cap in its status.",
        "price",
        price="the cap",
        text="the warning's text",
    ),
    "late_commission": _placing(
        "Commission reports come later.",
        "seconds",
        seconds="how much later",
    ),
    "correct_fill": _placing(
        "Its first fill is corrected: same execId, next revision, another price.",
        "price",
        "seconds",
        price="the right price",
        seconds="how much later",
    ),
    "cancel_refused": _cancelling(
        "A cancel is refused although the order is live.",
        code="161, 10147 or 10148; 161 if not given",
    ),
    "cancel_lost": _cancelling("A cancel stays unanswered and without effect."),
    # Money and prices --------------------------------------------------------------------
    "cash_lag": _timed(
        "The proceeds of sales count as cash only later.",
        "later",
        account="strike only this account",
        later="how many seconds",
        **_FOR,
    ),
    "price_nan": _timed("Every price reads NaN.", **_SYMBOL, **_FOR),
    "price_minus_one": _timed("Every price reads -1.", **_SYMBOL, **_FOR),
    "no_data": _timed(
        "No market data at all.",
        code="354, 10168 or 10197; 354 if not given",
        **_SYMBOL,
        **_FOR,
    ),
    "delayed_data": _timed(
        "Only delayed data: 10089 if live data were asked for, else 10167.",
        silent="yes: delayed data come without any code, only their type tells",
        **_SYMBOL,
        **_FOR,
    ),
    "set_price": _timed(
        "The price jumps.", "symbol", "price", symbol="the instrument", price="to this"
    ),
    "split": _timed(
        "The instrument splits: every holding times the ratio, its price and cost divided.",
        "symbol",
        "ratio",
        symbol="the instrument",
        ratio="new shares for one old one",
    ),
    "halt": _timed(
        "Trading in the instrument stops; orders rest.",
        "symbol",
        symbol="the instrument",
        **_FOR,
    ),
    # The wire ----------------------------------------------------------------------------
    "disconnect": _wire(
        "The socket is closed when the message arrives.",
        after="done: the message takes effect, its answer is lost; else it has none",
    ),
    "stall": _wire("The session answers nothing for a while.", **_FOR),
    "half_open": _wire("The socket stays open but nothing is read or written any more."),
    "drop": _wire(
        "One kind of answer is left out (an end message, for example).",
        "message",
        message="the server's message, such as execDetailsEnd",
    ),
    "late": _wire("The answer comes later.", "seconds", seconds="how much"),
    "error": _wire(
        "An error or notice code is sent to every session, or in answer to the message.",
        "code",
        code="such as 1100, 1101, 1102, 2110, 10197",
        text="its text; the usual one if not given",
        instead="yes: the message is not carried out",
    ),
    "outage": _wire(
        "1100; live reports are lost, not delayed, until it ends with 1101 or 1102.",
        "seconds",
        seconds="how long",
        end="1101 (data lost) or 1102; 1102 if not given",
    ),
    "restart": _wire(
        "Every session is closed and connections are refused for a while.",
        "seconds",
        seconds="how long",
    ),
    "id_rollback": _wire(
        "The next valid order id goes back (Exchange.roll_back_ids); ids are reissued.",
        to="the id announced next; 1 if not given",
        used="yes: the ids count as used, so that orders under them get 103",
    ),
    "empty_start": _wire("Positions and account values end without a single row."),
    "competing_session": _wire(
        "Another login takes over: 10197 for data, then the socket closes.",
        keep="yes: the socket stays, only the data are gone",
        **_FOR,
    ),
    "unasked_completed": _wire("Completed orders are told although nobody asked for them."),
    "garbage": _wire("Bytes that are no frame are sent."),
}
