"""What a plan may touch, and what it is worth; everything else is left alone.

Left alone are options, futures, funds and bonds, short positions, and stocks that the target
does not name, unless the policy is to liquidate those. They do not count: the weights apply
to ``base``, the cash and the holdings that remain. Fractions of shares cannot be traded; they
count as held where the target wants the stock and are left alone where it does not.

Nothing is believed that does not add up: a number that is missing, NaN, zero or negative
where it cannot be, a contract that is not the one the target means, or a NetLiquidation that
cash and positions do not explain raises instead of becoming a plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from itertools import repeat
from operator import mul

from rebalancer.core.account import Account, Instrument, Position
from rebalancer.core.policy import Policy
from rebalancer.core.target import Target
from rebalancer.errors import PermanentError, StaleDataError, UnknownInstrumentError

_ZERO = Decimal(0)
_ONE = Decimal(1)
#: Weights that were computed may sum to a little more than 1.
_ROUNDING = Decimal("0.000001")
#: Share of all values by which NetLiquidation may differ from what cash and positions are
#: worth at our prices: IBKR's figure is up to minutes older, delayed prices are, too.
_UNEXPLAINED = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Survey:
    """The part of an account that is planned, as columns over its symbols in order."""

    symbols: Sequence[str]
    instruments: Sequence[Instrument]
    #: Reference prices, in the instrument's currency.
    prices: Sequence[Decimal]
    #: Base currency per unit of the instrument's.
    rates: Sequence[Decimal]
    #: Value of a share in the base currency.
    worth: Sequence[Decimal]
    #: Shares in the account.
    positions: Sequence[Decimal]
    #: The same with respected working orders counted as filled.
    held: Sequence[Decimal]
    #: The part of those that the target applies to.
    counted: Sequence[Decimal]
    #: Target weights, and what they are scaled by to leave room for the cash reserve.
    weights: Sequence[Decimal]
    scale: Decimal
    #: Symbols held short, or sold short by working orders: not traded.
    shorts: frozenset[str]
    base: Decimal
    #: With what is to be set aside besides.
    reserve: Decimal
    #: Cash when the working orders have filled at today's prices.
    cash: Decimal
    #: Cash to count on: working buys fill at their dearest, working sells not at all.
    sure_cash: Decimal
    #: Cash that earlier trades of the same rebalance have cost; ``None``: there were none.
    spent: Decimal | None
    #: Cap on bought plus sold value; may be infinite.
    turnover: Decimal


def survey(
    account: Account,
    target: Target,
    policy: Policy,
    spent: Decimal | None = None,
    aside: Decimal = _ZERO,
) -> Survey:
    """Find what may be traded and value it.

    ``spent`` is what trades have cost that this plan follows on; ``aside`` is cash that is to
    be there besides the reserve, and that the target does not apply to.

    Raises:
        StaleDataError: a price, rate or balance is missing or impossible, of a kind the
            policy does not allow, or NetLiquidation is not what cash and positions add up to.
        UnknownInstrumentError: a symbol has no contract, or is held in another one.
        PermanentError: target or policy are out of range, debt exceeds what may be traded, or
            there is less than is to be set aside.
    """
    total = _require_sane(target, policy)
    net, cash = account.net_liquidation, account.total_cash
    if not (net.is_finite() and cash.is_finite()):
        raise StaleDataError(f"NetLiquidation is {net} and cash {cash}, not amounts")
    stocks, others = _sorted_out(account, target, policy)
    named = target.weights.keys()
    symbols = sorted(named if named >= stocks.keys() else named | stocks.keys())
    instruments, prices, rates, worth = _priced(account, symbols, policy)
    positions = _column_of(stocks, symbols)
    value = sum(map(mul, positions, worth), _ZERO) if stocks else _ZERO
    _require_explained(account, value, others)

    weights = _column_of(target.weights, symbols)
    working = account.working
    held = positions
    if working:
        held = [q + working.get(s, _ZERO) for s, q in zip(symbols, positions, strict=True)]
    shorts = _shorts(symbols, positions, held)
    counted = held
    if shorts or not all(weights):
        # Nothing can be done about the fraction of a stock that is not wanted.
        counted = [
            _ZERO if s in shorts else h if w else h.to_integral_value(ROUND_FLOOR)
            for s, h, w in zip(symbols, held, weights, strict=True)
        ]
    coming, going = _in_flight(account)
    expected = cash - coming - going
    whole = expected + (value if counted is positions else sum(map(mul, counted, worth), _ZERO))
    base = whole - aside
    if base <= 0 < aside:
        raise PermanentError(
            f"{aside:.2f} {account.currency} cannot be raised: cash and what may be traded of "
            f"{account.account_id} come to {whole:.2f}"
        )
    if base <= 0 and any(counted):
        raise PermanentError(
            f"account {account.account_id} owes more than it holds of what may be traded: with "
            f"cash of {cash} that comes to {base:.2f}; no target applies to it"
        )
    reserve = policy.cash_reserve * max(net, _ZERO)
    sure_cash = cash - coming * (1 + policy.slippage)
    room = max(_ONE - reserve / base, _ZERO) if base > 0 else _ONE
    return Survey(
        symbols=symbols,
        instruments=instruments,
        prices=prices,
        rates=rates,
        worth=worth,
        positions=positions,
        held=held,
        counted=counted,
        weights=weights,
        scale=_ONE if total <= room else room / total,
        shorts=shorts,
        base=base,
        reserve=reserve + aside,
        cash=expected,
        sure_cash=sure_cash,
        spent=spent,
        turnover=Decimal("inf") if policy.max_turnover is None else policy.max_turnover * net,
    )


def _require_sane(target: Target, policy: Policy) -> Decimal:
    """Give the sum of the weights."""
    total = sum(target.weights.values(), _ZERO)
    least = min(target.weights.values(), default=_ZERO) if total.is_finite() else -_ONE
    if least < 0 or total > 1 + _ROUNDING:
        raise PermanentError(
            f"target {target.source}: weights must be between 0 and 1 and sum to at most 1; "
            f"they sum to {total}"
        )
    shares = {"cash_reserve": policy.cash_reserve, "slippage": policy.slippage}
    for name, share in shares.items():
        if not (share.is_finite() and 0 <= share < 1):
            raise PermanentError(f"policy {name} is {share}; it must be from 0 to below 1")
    return total


def _sorted_out(
    account: Account,
    target: Target,
    policy: Policy,
) -> tuple[dict[str, Decimal], list[Position]]:
    """Give shares by symbol of the stocks to plan, and the positions that are left alone."""
    stocks: dict[str, Decimal] = {}
    others = []
    weights, instruments = target.weights, account.instruments
    if not all(position.quantity.is_finite() for position in account.positions):
        wrong = [p for p in account.positions if not p.quantity.is_finite()]
        raise StaleDataError(
            f"position in {', '.join(p.symbol for p in wrong)} is {wrong[0].quantity} shares"
        )
    liquidate = policy.unlisted == "liquidate"
    for position in account.positions:
        symbol, quantity = position.symbol, position.quantity
        if not quantity:
            continue
        listed = symbol in weights
        if position.sec_type != "STK" or not (listed or (liquidate and quantity > 0)):
            others.append(position)
            continue
        instrument = instruments.get(symbol)
        if instrument is not None and instrument.con_id != position.con_id:
            raise UnknownInstrumentError(
                f"{symbol} is held as contract {position.con_id}, but stands for contract "
                f"{instrument.con_id}; nothing is traded until that is settled by hand"
            )
        stocks[symbol] = stocks[symbol] + quantity if symbol in stocks else quantity
    return stocks, others


def _priced(
    account: Account,
    symbols: Sequence[str],
    policy: Policy,
) -> tuple[list[Instrument], list[Decimal], list[Decimal], list[Decimal]]:
    """Give contract, price, exchange rate and value of a share for each symbol."""
    contracts, by_currency = account.instruments, account.rates
    wanted = set(symbols)
    if missing := wanted - contracts.keys():
        raise UnknownInstrumentError(f"no contract for {', '.join(sorted(missing))}")
    instruments = list(map(contracts.__getitem__, symbols))
    if odd := {i.sec_type for i in instruments} - {"STK"}:
        names = ", ".join(i.symbol for i in instruments if i.sec_type in odd)
        raise UnknownInstrumentError(f"only stocks are traded, not {names} ({', '.join(odd)})")
    if unpriced := wanted - account.quotes.keys():
        raise StaleDataError(f"no price for {', '.join(sorted(unpriced))}")
    quotes = list(map(account.quotes.__getitem__, symbols))
    kinds = {q.kind for q in quotes}
    if not policy.allow_delayed_prices and kinds & {"delayed", "delayed-frozen"}:
        raise StaleDataError("prices are delayed, which the policy does not allow")
    currencies = {i.currency for i in instruments}
    for currency in sorted(currencies):
        rate = by_currency.get(currency, _ZERO)
        if not (rate.is_finite() and rate > 0):
            raise StaleDataError(f"no exchange rate from {currency} to {account.currency}")
    prices = [q.price for q in quotes]
    if not all(map(Decimal.is_finite, prices)) or min(prices, default=_ONE) <= 0:
        pairs = zip(symbols, prices, strict=True)
        wrong = [s for s, price in pairs if not (price.is_finite() and price > 0)]
        raise StaleDataError(f"no usable price for {', '.join(wrong)}")
    if all(by_currency[currency] == 1 for currency in currencies):
        return instruments, prices, [_ONE] * len(symbols), prices
    rates = [by_currency[i.currency] for i in instruments]
    return instruments, prices, rates, list(map(mul, prices, rates))


def _column_of(values: Mapping[str, Decimal], symbols: Sequence[str]) -> list[Decimal]:
    """One value for each symbol; what has none is zero."""
    if len(values) == len(symbols):
        return list(map(values.__getitem__, symbols))
    return list(map(values.get, symbols, repeat(_ZERO)))


def _shorts(
    symbols: Sequence[str],
    positions: Sequence[Decimal],
    held: Sequence[Decimal],
) -> frozenset[str]:
    least = min(positions, default=_ZERO)
    if least >= 0 and (held is positions or min(held) >= 0):
        return frozenset()
    pairs = zip(symbols, positions, held, strict=True)
    return frozenset(s for s, q, h in pairs if q < 0 or h < 0)


def _require_explained(account: Account, value: Decimal, others: Sequence[Position]) -> None:
    """Raise unless NetLiquidation is what cash and positions add up to, if all have a price."""
    net, cash = account.net_liquidation, account.total_cash
    total, gross = cash + value, abs(cash) + abs(value)
    for position in others:
        worth = _value(account, position)
        if worth is None:
            return
        total += worth
        gross += abs(worth)
    if abs(total - net) > _UNEXPLAINED * max(gross, abs(net)):
        raise StaleDataError(
            f"NetLiquidation of {account.account_id} is {net}, but cash and "
            f"{len(account.positions)} positions add up to {total:.2f}"
        )


def _value(account: Account, position: Position) -> Decimal | None:
    quote, rate = account.quotes.get(position.symbol), account.rates.get(position.currency)
    if position.sec_type != "STK" or quote is None or rate is None:
        return None
    return position.quantity * quote.price * rate


def _in_flight(account: Account) -> tuple[Decimal, Decimal]:
    """Value of what respected working orders buy, and (negative) of what they sell."""
    coming = going = _ZERO
    for symbol, shares in account.working.items():
        quote, instrument = account.quotes.get(symbol), account.instruments.get(symbol)
        rate = account.rates.get(instrument.currency) if instrument else None
        if quote is None or rate is None:
            raise StaleDataError(f"no price for {symbol}, of which {shares} are being traded")
        value = shares * quote.price * rate
        coming, going = coming + max(value, _ZERO), going + min(value, _ZERO)
    return coming, going
