"""Currencies: which of them a plan is short of, and what has to be converted for it.

A plan is made in the account's currency and spends its cash as a whole. Each purchase is paid
in the currency of its instrument, though, so what one currency lacks has to come from another:
``short`` tells what is missing, ``conversions`` where it comes from, ``converted`` makes a line
of a plan of it. Currencies are converted from and into the account's own one only.

A currency pair is spelled ``fx:EUR.USD``, its units are those of the first currency, and its
price is what one of them costs in the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from rebalancer.core.account import Account, Instrument, Quote
from rebalancer.core.planned import Plan, PlanLine, Terms
from rebalancer.core.policy import Policy

_OURS = "fx:"
#: IBKR names a pair after whichever of its currencies comes first here.
_MAJOR = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF")
#: What is converted beyond what is missing, as a share of it: prices move until it is spent.
#: It is also how far off its price a conversion may fill, so that it brings enough at worst.
CUSHION = Decimal("0.002")
#: Fewer units of a pair are not converted: the least commission is USD 2, and the balances
#: have to show more than that.
_LEAST, _LEAST_OF_OTHERS = 25, 1000
_ZERO = Decimal(0)


class Conversion(NamedTuple):
    """``missing`` of ``got`` is to be had for ``given``, of which ``most`` is there."""

    given: str
    got: str
    missing: Decimal
    most: Decimal

    @property
    def symbol(self) -> str:
        """The pair."""
        return pair(self.given, self.got)


def pair(one: str, other: str) -> str:
    """The pair of two currencies, as IBKR names it."""
    first, second = sorted((one, other), key=_rank)
    return f"{_OURS}{first}.{second}"


def is_pair(symbol: str) -> bool:
    """Whether it names two currencies, not a holding."""
    return symbol.startswith(_OURS)


def currencies(symbol: str) -> tuple[str, str]:
    """The two currencies of a pair."""
    first, _, second = symbol.removeprefix(_OURS).partition(".")
    return first, second


def _rank(currency: str) -> tuple[int, str]:
    return (_MAJOR.index(currency) if currency in _MAJOR else len(_MAJOR), currency)


# What is missing ------------------------------------------------------------------------------


def balances(planned: Plan, account: Account) -> dict[str, Decimal]:
    """Cash by currency once every order of the plan has filled at its worst price.

    Respected working orders count: their buys at their dearest, their sells not at all.
    """
    found = dict(account.cash)
    for line in planned.lines:
        if line.trade:
            currency = account.instruments[line.symbol].currency
            cost = line.trade * line.worst_price + line.est_commission / line.rate
            found[currency] = found.get(currency, _ZERO) - cost
    for symbol, shares in account.working.items():
        quote, instrument = account.quotes.get(symbol), account.instruments.get(symbol)
        if shares > 0 and quote is not None and instrument is not None:
            cost = shares * quote.price * (1 + _slippage(planned))
            found[instrument.currency] = found.get(instrument.currency, _ZERO) - cost
    return found


def _slippage(planned: Plan) -> Decimal:
    return planned.lines[0].terms.slippage if planned.lines else _ZERO


def short(planned: Plan, account: Account) -> dict[str, Decimal]:
    """What is missing, by currency, of those in which the plan buys.

    What the account owes of such a currency already is a part of it. A loan in a currency in
    which nothing is bought is none of the plan's business.
    """
    bought = {account.instruments[line.symbol].currency for line in planned.buys}
    left = balances(planned, account)
    return {c: -left[c] for c in sorted(bought) if left[c] < 0}


def conversions(planned: Plan, account: Account) -> tuple[Conversion, ...]:
    """What has to be converted so that nothing is missing, in the order it can be done in.

    First into the account's own currency, from where most is to spare; then out of it.
    """
    missing, base = short(planned, account), account.currency
    if not missing:
        return ()
    left, rates = balances(planned, account), account.rates
    foreign = {c: amount for c, amount in missing.items() if c != base}
    going = sum((a * (1 + CUSHION) * rates[c] for c, a in foreign.items()), _ZERO)
    wanting = going - left.get(base, _ZERO)
    spare = {
        c: amount * rates[c]
        for c, amount in left.items()
        if amount > 0 and c != base and c in rates
    }
    found = []
    for currency in sorted(spare, key=lambda c: (-spare[c], c)):
        taken = min(spare[currency], wanting)
        if taken > 0:
            found.append(Conversion(currency, base, taken, left[currency]))
            wanting -= taken
    most = max(going, _ZERO)
    return (*found, *(Conversion(base, c, amount, most) for c, amount in foreign.items()))


# What is sent ---------------------------------------------------------------------------------


def converted(
    wanted: Conversion, instrument: Instrument, quote: Quote, account: Account, policy: Policy
) -> PlanLine:
    """The order that converts, as the line of a plan; ``instrument`` is the pair."""
    first, second = currencies(instrument.symbol)
    units = wanted.missing * (1 + CUSHION)
    most = wanted.most
    buys = wanted.got == first
    if buys:
        most /= quote.price
    else:
        units /= quote.price
    whole = max(int(units.to_integral_value(ROUND_CEILING)), least(first))
    if wanted.given != account.currency:
        # What was not there to spare is not sold.
        whole = min(whole, int(most.to_integral_value(ROUND_FLOOR)))
    return PlanLine(
        symbol=instrument.symbol,
        con_id=instrument.con_id,
        held=_ZERO,
        trade=whole if buys else -whole,
        price=quote.price,
        tick=instrument.min_tick,
        rate=account.rates[second],
        weight=_ZERO,
        ideal_parts=0,
        commission_parts=0,
        terms=Terms(Decimal(1), Decimal(1), min(policy.slippage, CUSHION), "LMT"),
        note=f"{wanted.given} into {wanted.got}",
    )


def least(first: str) -> int:
    """Fewest units of a pair of this first currency that are worth an order."""
    return _LEAST if first in _MAJOR else _LEAST_OF_OTHERS


def brings(line: PlanLine) -> tuple[str, Decimal]:
    """The currency that a conversion brings, and how much at its reference price."""
    first, second = currencies(line.symbol)
    if line.trade > 0:
        return first, Decimal(line.trade)
    return second, -line.trade * line.price


def enough(line: PlanLine, missing: Mapping[str, Decimal]) -> Decimal:
    """Most that a conversion may bring: what is missing, the cushion, and a whole unit."""
    first, _ = currencies(line.symbol)
    got, _ = brings(line)
    unit = Decimal(1) if got == first else line.price
    floor = least(first) * unit
    return max(missing.get(got, _ZERO) * (1 + CUSHION) + unit, floor)
