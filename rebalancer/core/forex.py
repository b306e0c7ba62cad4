"""Currencies: which of them a plan is short of, and what has to be converted for it.

A plan is made in the account's currency and spends its cash as a whole. Each purchase is paid
in the currency of its instrument, though, so what one currency lacks has to come from another:
``short`` tells what is missing, ``conversions`` where it comes from, ``converted`` makes a line
of a plan of it. Currencies are converted from and into the account's own one only.

``pairs.py`` says how pairs are spelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from rebalancer.core.account import Account, Instrument, Quote
from rebalancer.core.pairs import MAJOR, currencies, pair
from rebalancer.core.planned import Plan, PlanLine, Terms
from rebalancer.core.policy import Policy

#: What is converted beyond what is missing, as a share of it: prices move until it is spent.
#: It is also how far off its price a conversion may fill, so that it brings enough at worst.
CUSHION = Decimal("0.002")
#: Fewer units of a pair are not converted: the least commission is USD 2, and the balances
#: have to show more than that.
_LEAST, _LEAST_OF_OTHERS = 25, 1000
#: US dollars: IBKR's least commission of 2, and a quarter more.
_FEE = Decimal("2.5")
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
    going = {c: a * (1 + CUSHION) * rates[c] for c, a in missing.items() if c != base}
    # Commissions are charged in the account's own currency.
    fees = _fee(account) * len(going)
    free = left.get(base, _ZERO) - fees
    found = []
    wanting = sum(going.values(), _ZERO) - free
    if wanting > 0:
        for currency, spare in _spare(left, account):
            taken = min(spare, wanting + _fee(account))
            found.append(Conversion(currency, base, taken, left[currency]))
            free += taken - _fee(account)
            wanting -= taken - _fee(account)
            if wanting <= 0:
                break
    to_come = sum(going.values(), _ZERO)
    for currency, worth in going.items():
        to_come -= worth
        # All that the others do not need, for a small one is rounded up to what is worth it.
        most = max(free - to_come, min(worth, free), _ZERO)
        found.append(Conversion(base, currency, missing[currency], most))
        first, _ = currencies(pair(base, currency))
        free -= min(max(worth, least(first) * rates[first]), most)
    return tuple(found)


def _spare(left: Mapping[str, Decimal], account: Account) -> list[tuple[str, Decimal]]:
    """Foreign currencies of which something is left, and what that is worth; most first."""
    base, rates = account.currency, account.rates
    found = [(c, a * rates[c]) for c, a in left.items() if a > 0 and c != base and c in rates]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))


def _fee(account: Account) -> Decimal:
    """What a conversion costs at least, in the account's currency, and a quarter more."""
    dollar = account.rates.get("USD")
    if dollar is None:
        dollar = Decimal(1) if account.currency in MAJOR else Decimal(200)
    return _FEE * dollar


def within(planned: Plan, account: Account) -> Plan | None:
    """Return the plan with so many shares fewer that nothing is missing.

    ``None``: that is more than what is lost on the way, the cushion and a share, and what is
    not worth an order.
    """
    lines, rates = {line.symbol: line for line in planned.lines}, account.rates
    for currency, amount in short(planned, account).items():
        buys = [
            line
            for line in planned.buys
            if account.instruments[line.symbol].currency == currency
        ]
        cost = sum((line.trade * line.worst_price for line in buys), _ZERO)
        line = max(buys, key=lambda line: (line.trade * line.worst_price, line.symbol))
        fewer = int((amount / line.worst_price).to_integral_value(ROUND_CEILING))
        first, _ = currencies(pair(account.currency, currency))
        little = least(first) * rates[first] / rates[currency]
        if amount > cost * CUSHION + line.worst_price + little or fewer > line.trade:
            return None
        lines[line.symbol] = line._replace(trade=line.trade - fewer)
    return replace(planned, lines=tuple(lines.values()))


# What is sent ---------------------------------------------------------------------------------


def converted(
    wanted: Conversion, instrument: Instrument, quote: Quote, account: Account, policy: Policy
) -> PlanLine:
    """The order that converts, as the line of a plan; ``instrument`` is the pair.

    It trades 0 where too little is there to be worth an order.
    """
    first, second = currencies(instrument.symbol)
    units = wanted.missing * (1 + CUSHION)
    most = wanted.most
    buys = wanted.got == first
    if buys:
        most /= quote.price * (1 + CUSHION)
    else:
        units /= quote.price
    whole = max(int(units.to_integral_value(ROUND_CEILING)), least(first))
    # What is not there to spare is not sold.
    whole = min(whole, int(most.to_integral_value(ROUND_FLOOR)))
    whole = whole if whole >= least(first) else 0
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
    return _LEAST if first in MAJOR else _LEAST_OF_OTHERS


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
