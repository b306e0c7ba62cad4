"""Every way in which real gateways are known to fail, and what we do about each.

Gathered from public issue trackers of clients of IB Gateway. Each has a scenario of the
simulator, ``failures/NAME``, and a test that the processor does what is said here.
docs/reference/gateway-faults.md is made of this table and of ``faults.FAULTS``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way to fail. Its scenario is ``failures/NAME``."""

    name: str
    #: What is seen of it.
    symptom: str
    #: What we do.
    response: str


FAILURE_MODES = (
    # The start -------------------------------------------------------------------------------
    FailureMode(
        "empty-start",
        "A gateway that has just started answers every question with nothing, or not at all: "
        "the account looks empty, and all of it would be bought again.",
        "A connection counts only once positions, balances and the time have been answered in"
        " full. Positions that are worth less than the gateway itself says end the attempt, "
        "and it is tried again.",
    ),
    FailureMode(
        "order-lost-with-socket",
        "The socket dies with an order on its way. Whether it arrived is unknown, and after a"
        " restart of the gateway its order id is given to another.",
        "An order's intent is stored before it is sent. Before anything new it is looked for "
        "by its orderRef over open orders, completed orders and executions; order ids are "
        "never compared.",
    ),
    FailureMode(
        "fills-unseen",
        "While IBKR was lost (1100) orders filled. Nobody is told, not even afterwards.",
        "After 1101, 1102 and every reconnect all earlier answers are void. Orders, "
        "executions, positions and cash are read anew before anything is planned.",
    ),
    FailureMode(
        "tif-preset",
        "A preset changed an order's time in force, and says so with an error code (10349). "
        "Who takes that for a refusal sends the order again.",
        "Each order names its tif. 10349 is a notice: the order lives.",
    ),
    FailureMode(
        "invalid-order",
        "321: the API is read-only, or the account is wrong. The order is never acknowledged "
        "and stays as good as sent for ever.",
        "It counts as refused. The event is tried again and ends in the dead letter with the "
        "gateway's words and the remedy.",
    ),
    FailureMode(
        "cancel-refused",
        "161, 10147 or 10148 in answer to a cancel: the order is not known, or has ended. It "
        "may have filled.",
        "The code proves nothing. Open orders, completed orders and executions say what "
        "became of it; fills are counted before the rest is planned.",
    ),
    FailureMode(
        "silent-gateway",
        "The port is open and nothing comes: no version, no answer, no acknowledgement.",
        "Every wait ends by itself. Requests are tried again later, a connection that does "
        "not answer is replaced, and an order without an answer is looked for.",
    ),
    # Nights, weekends, other sessions --------------------------------------------------------
    FailureMode(
        "daily-restart",
        "Once a day the gateway restarts: 1300, refused connections, 502, 504.",
        "It is expected (`gateway.windows`): nothing is sent shortly before and meanwhile, "
        "events wait, and nobody is alarmed unless it is still away when its window ends.",
    ),
    FailureMode(
        "weekly-login",
        "On Sunday every login ends, and the new one has to be confirmed by a person.",
        "The person is told once. Nothing is traded, events are kept and go on by themselves.",
    ),
    FailureMode(
        "competing-session",
        "Somebody logged in elsewhere with the same user; the market data went there (10197).",
        "It is not fought for. No event is begun and no order sent, a person is told once, "
        "and a price that is asked for now and then tells when all may go on.",
    ),
    FailureMode(
        "ibkr-lost",
        "The gateway stands but has lost IBKR (1100, 2110), and finds it again (1101, 1102).",
        "Nothing is begun or sent meanwhile. When it is back, everything that a start proves "
        "is proven again; prices are asked for anew.",
    ),
    FailureMode(
        "farm-notices",
        "Data farms disconnect and connect (2103 to 2108, 2119, 2157, 2158) all day long.",
        "They are notices. A broken farm only makes its last prices doubtful; nobody "
        "reconnects.",
    ),
    FailureMode(
        "client-id-in-use",
        "After an unclean drop the gateway holds the client id for a while, and hangs up on "
        "who comes with it (326).",
        "The same id is tried again, ever more slowly: orders belong to it, and under another"
        " one they could not be cancelled.",
    ),
    FailureMode(
        "missing-end",
        "A list comes without its end message, so that nobody knows whether it is whole.",
        "A list without its end proves no absence. Until every list has ended, an order that "
        "was not found counts as unknown and nothing new is sent.",
    ),
    # Prices ----------------------------------------------------------------------------------
    FailureMode(
        "no-price-yet",
        "Prices are NaN or -1 for the first seconds, or for long.",
        "They are no prices. It is waited for real ones; without them nothing is planned.",
    ),
    FailureMode(
        "no-market-data",
        "354, 10168: no data will come. 10090, 10091: some are missing and the rest follows.",
        "A refusal ends the attempt at once with the code and the remedy; an advice does not,"
        " and prices that follow it are used.",
    ),
    FailureMode(
        "unexpected-data-type",
        "Live prices were asked for, and delayed ones come: with 10089 or 10167, or without a"
        " word.",
        "The type that is announced, and the kind of the ticks, decide. Delayed prices are "
        "used only where `allow_delayed_prices` is set.",
    ),
    # Orders ----------------------------------------------------------------------------------
    FailureMode(
        "order-warnings",
        "399, 404 and 2109 come under an order's id and look like errors: held until the "
        "open, shares being located, outsideRth ignored.",
        "The order lives and is followed; its text is kept. It is never sent again.",
    ),
    FailureMode(
        "price-checks",
        "An order is cancelled for its price (202), refused for its size (201), or its price "
        "is capped.",
        "Refused and cancelled orders are final and the rest is planned anew; after the last "
        "attempt the dead letter has the gateway's words. A capped order lives.",
    ),
    FailureMode(
        "cash-comes-late",
        "What sells bring is not cash at once, and buys that count on it are refused (201).",
        "Sells go first. Buys are planned on the cash that has come, above the reserve; what "
        "is refused all the same is planned anew.",
    ),
    FailureMode(
        "filled-before-fill",
        "`Filled` comes before the fills it speaks of, fills come twice, commissions come "
        "last.",
        "An order has ended when its fills have come. Fills are joined by execId; a "
        "commission that has not come is unknown, never zero.",
    ),
    FailureMode(
        "corrected-fill",
        "A fill is corrected: it comes again under the same execId with a higher last number.",
        "The highest revision is the fill; the one before is forgotten.",
    ),
    FailureMode(
        "orders-of-others",
        "Other programs and people have orders in the account; a client's own list does not "
        "show them.",
        "All open orders are asked for before anything is planned. `open_orders` says whether"
        " they are planned around or the event refused; another client's cannot be cancelled.",
    ),
    FailureMode(
        "duplicate-order-id",
        "103: the order id was used before, though the gateway announced it as free.",
        "The order is refused; the gateway is asked for its ids again, and the rest is "
        "planned anew under new ones.",
    ),
    FailureMode(
        "cancel-unanswered",
        "A cancel stays without an answer, as outside trading hours.",
        "Late is not failed. The order counts as alive, nothing else is sent for the account,"
        " and it is cancelled and settled at the next attempt.",
    ),
    # Accounts --------------------------------------------------------------------------------
    FailureMode(
        "foreign-base-currency",
        "The account's base currency is not the dollar: each figure comes once by currency "
        "and once converted.",
        "Figures are kept by tag and currency. Values are compared in the base currency, at "
        "the gateway's own rates.",
    ),
    FailureMode(
        "several-accounts",
        "The login has several accounts, perhaps an advisor's. An order that names none is "
        "refused (321), or goes to the wrong one.",
        "Each order names its account, and each question is asked by account.",
    ),
    FailureMode(
        "fractional-shares",
        "A position holds a fraction of a share. The API refuses to trade fractions (10243).",
        "Only whole shares are traded; the fraction stays.",
    ),
    FailureMode(
        "odd-hours",
        "Trading hours come without a time zone, in zones of old names, in several ranges a "
        "day, over midnight.",
        "Every spelling that is known is read. What cannot be read never counts as open.",
    ),
    FailureMode(
        "wrong-port",
        "Behind the port for paper trading is a live login, or the other way round.",
        "Account, its kind and trading_mode must agree before the first order. If not, the "
        "event goes to the dead letter.",
    ),
    FailureMode(
        "too-fast",
        "100: more than 50 messages came in a second, and some were thrown away; 162 for "
        "historical data.",
        "At most 45 are sent. If it is said all the same, every order without an "
        "acknowledgement is looked for. Historical data are not asked for.",
    ),
    FailureMode(
        "unasked-completed",
        "A completed order is told although nobody asked; ib_async raises KeyError.",
        "It adds to what is known of the order, and nothing else happens.",
    ),
    FailureMode(
        "corporate-action",
        "A split, a contract that was replaced by another; options, futures and shorts beside"
        " the stocks.",
        "Every plan begins with live positions. A name that is held under another contract "
        "than the target's ends the attempt. What is no long stock is left alone.",
    ),
)
