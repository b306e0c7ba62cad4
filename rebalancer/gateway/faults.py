"""What each code of the gateway means, and what we do about it.

A code arrives with a request's or order's id, or with -1 for the connection. The table says
what follows; where a code is not listed, the careful reading holds: for an order, ask the
gateway what became of it; for a price, go on waiting; for any other request, it has failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Then(Enum):
    """What follows from a code."""

    #: Nothing changed. Logged; an order under whose id it came is live.
    NOTICE = "notice"
    #: The gateway lost IBKR: nothing is asked or sent until it is back.
    PAUSE = "pause"
    #: IBKR is back. Fills in between are not replayed, so everything is read again first.
    RESTORED = "restored"
    #: This socket is finished; a new one is opened, with the same client id.
    RECONNECT = "reconnect"
    #: The request or order it names was refused and will never be carried out.
    REFUSED = "refused"
    #: The order it names is cancelled, perhaps after a partial fill.
    CANCELLED = "cancelled"
    #: The code does not tell what became of the order: the gateway is asked.
    ASK = "ask"
    #: This price will not come.
    NO_DATA = "no data"
    #: Only delayed prices will come.
    DELAYED = "delayed"
    #: Refused for now; the same request may succeed later.
    LATER = "later"
    #: Another session of the login has its market data: nothing is sent until it has ended.
    STAND_BACK = "stand back"


#: The same for people: what we do.
DOES: dict[Then, str] = {
    Then.NOTICE: "Nothing; an order under whose id it comes is live and never sent again.",
    Then.PAUSE: "Ask and send nothing until 1101 or 1102; connect anew after two minutes.",
    Then.RESTORED: "Prove the connection again and read everything anew.",
    Then.RECONNECT: "Connect anew with the same client id, ever more slowly.",
    Then.REFUSED: "Count it as refused, try the event again; dead after the last attempt.",
    Then.CANCELLED: "Count the order as cancelled, with the fills it had; plan the rest anew.",
    Then.ASK: "Ask open orders, completed orders and executions, or wait briefly for a price.",
    Then.NO_DATA: "Give up this price at once; without it nothing is planned.",
    Then.DELAYED: "Use the delayed price if `allow_delayed_prices` is set, else give it up.",
    Then.LATER: "Let the request fail; look for orders that may be lost; try again later.",
    Then.STAND_BACK: "Begin and send nothing, tell a person once, go on when prices come.",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One code's meaning, consequence and, where a person can help, the remedy."""

    meaning: str
    then: Then
    remedy: str = ""


_SUBSCRIBE = (
    "subscribe to the exchange's market data for this login, share it with the paper account, "
    "or set allow_delayed_prices"
)
_READ_ONLY = "if the text speaks of Read-Only mode, untick 'Read-Only API' in the gateway"

FAULTS: dict[int, Fault] = {
    # The connection ------------------------------------------------------------------------
    326: Fault(
        "client id already in use", Then.RECONNECT, "end the other program that uses it"
    ),
    502: Fault(
        "gateway cannot be reached", Then.RECONNECT, "start IB Gateway and enable its API"
    ),
    503: Fault("gateway is too old", Then.RECONNECT, "update IB Gateway"),
    504: Fault("not connected", Then.RECONNECT, "log in to the gateway"),
    507: Fault("broken frame", Then.RECONNECT),
    1100: Fault("gateway lost its connection to IBKR", Then.PAUSE),
    1101: Fault("connection to IBKR restored, data lost", Then.RESTORED),
    1102: Fault("connection to IBKR restored, data kept", Then.RESTORED),
    1300: Fault("gateway's API port was reset", Then.RECONNECT, "check the configured port"),
    2110: Fault("gateway is not connected to IBKR", Then.PAUSE),
    # Notices of data farms: reconnecting on them only causes 326 -----------------------------
    2103: Fault("market data farm disconnected", Then.NOTICE),
    2104: Fault("market data farm connected", Then.NOTICE),
    2105: Fault("historical data farm disconnected", Then.NOTICE),
    2106: Fault("historical data farm connected", Then.NOTICE),
    2107: Fault("historical data farm dormant", Then.NOTICE),
    2108: Fault("market data farm dormant", Then.NOTICE),
    2109: Fault("outsideRth ignored for this order", Then.NOTICE),
    2119: Fault("market data farm connecting", Then.NOTICE),
    2157: Fault("security definition farm disconnected", Then.NOTICE),
    2158: Fault("security definition farm connected", Then.NOTICE),
    # Orders: the order lives on --------------------------------------------------------------
    399: Fault("order message, such as held until the open", Then.NOTICE),
    404: Fault("shares are being located; the order is held", Then.NOTICE),
    481: Fault("order size was reduced", Then.NOTICE),
    10349: Fault("the account's preset changed the order's tif", Then.NOTICE),
    # Orders: refused -------------------------------------------------------------------------
    103: Fault("duplicate order id", Then.REFUSED, "let no other program use this client id"),
    109: Fault("price out of range", Then.REFUSED),
    110: Fault("price does not conform to the minimum tick", Then.REFUSED),
    111: Fault("tif does not fit the order type", Then.REFUSED),
    133: Fault("submission failed", Then.REFUSED),
    140: Fault("size must be a whole number", Then.REFUSED),
    154: Fault("security is halted", Then.REFUSED),
    163: Fault("price violates the percentage limit", Then.REFUSED, "check presets and price"),
    200: Fault("no such contract", Then.REFUSED, "check the symbol, exchange and currency"),
    201: Fault("order rejected", Then.REFUSED, "see the reason the gateway gives"),
    203: Fault(
        "security not allowed for this account",
        Then.REFUSED,
        "ask IBKR for the trading permission, or take it out of the targets",
    ),
    320: Fault("request could not be read", Then.REFUSED),
    321: Fault("request is invalid", Then.REFUSED, _READ_ONLY),
    355: Fault("size does not conform to the market rule", Then.REFUSED),
    382: Fault(
        "size exceeds the gateway's limit", Then.REFUSED, "raise the precautionary limit"
    ),
    383: Fault(
        "size exceeds the gateway's limit", Then.REFUSED, "raise the precautionary limit"
    ),
    387: Fault("order type not supported for this security", Then.REFUSED),
    388: Fault("size below the minimum", Then.REFUSED),
    434: Fault("size is zero", Then.REFUSED),
    435: Fault("account missing", Then.REFUSED),
    436: Fault("allocation missing", Then.REFUSED),
    460: Fault("no trading permission", Then.REFUSED, "ask IBKR for the trading permission"),
    10243: Fault("fractional size refused by the API", Then.REFUSED),
    10268: Fault("eTradeOnly is not supported", Then.REFUSED),
    # Orders: ended, or unknown ---------------------------------------------------------------
    202: Fault("order cancelled", Then.CANCELLED),
    104: Fault("a filled order cannot be modified", Then.ASK),
    135: Fault("no order with this id", Then.ASK),
    136: Fault("order cannot be cancelled", Then.ASK),
    161: Fault("order is not in a state to be cancelled", Then.ASK),
    10147: Fault("order to cancel not found", Then.ASK),
    10148: Fault("order to cancel is final already", Then.ASK),
    # Prices ----------------------------------------------------------------------------------
    101: Fault(
        "too many market data lines", Then.LATER, "close some in other programs of the login"
    ),
    300: Fault("no such market data line", Then.NOTICE),
    354: Fault("market data not subscribed", Then.NO_DATA, _SUBSCRIBE),
    420: Fault("market data query refused", Then.NO_DATA),
    10089: Fault("needs another subscription; ticks may follow or not", Then.ASK, _SUBSCRIBE),
    10090: Fault("part of the data is not subscribed; ticks follow", Then.NOTICE),
    10091: Fault("part of the data needs a subscription; ticks follow", Then.NOTICE),
    10167: Fault("not subscribed; delayed data follow", Then.DELAYED, _SUBSCRIBE),
    10168: Fault("not subscribed, delayed data not asked for", Then.NO_DATA, _SUBSCRIBE),
    10186: Fault("not subscribed, delayed data not enabled", Then.NO_DATA, _SUBSCRIBE),
    10197: Fault(
        "another session of this login takes the market data",
        Then.STAND_BACK,
        "log out of the other session; a paper login shares its data with the live one",
    ),
    # Anything --------------------------------------------------------------------------------
    100: Fault("more than 50 messages a second", Then.LATER),
    162: Fault("historical data refused", Then.LATER),
    322: Fault("request could not be processed", Then.LATER),
}

_WARNING = Fault("warning", Then.NOTICE)
#: Under several codes (162, 420 and others) IBKR says in words what 10197 says as a code.
_ELSEWHERE = "session is connected from a different ip address"


def lookup(code: int) -> Fault | None:
    """The code's row; every 21xx is a notice; ``None`` for a code we do not know."""
    return FAULTS.get(code) or (_WARNING if 2100 <= code < 2200 else None)


def from_rival(code: int, text: str) -> bool:
    """Whether this says that another session of the login has its market data."""
    fault = lookup(code)
    by_code = fault is not None and fault.then is Then.STAND_BACK
    return by_code or _ELSEWHERE in text.lower()


def describe(code: int, text: str) -> str:
    """``321: the gateway's text (remedy)``, on one line, for errors and logs."""
    fault = lookup(code)
    said = " ".join(text.split())
    remedy = f" ({fault.remedy})" if fault and fault.remedy else ""
    return f"{code}: {said}{remedy}"
