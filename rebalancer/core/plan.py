"""From a snapshot, a target and a policy to the orders that serve them best.

The weights apply to ``base``: everything the plan may move, cash included. Holdings that are
left alone (other kinds than stock, shorts, stocks the target does not name unless they are to
be liquidated) do not count. If the weights and the reserve together exceed the base, all
weights are scaled down alike; a model that keeps more cash than the reserve is taken as it is.

Arithmetic on columns is in ``allocate.py``; here Decimals go in and come out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np

from rebalancer.core import commission
from rebalancer.core.account import Account, Instrument, Quote
from rebalancer.core.allocate import Allocation, Column, Problem, allocate
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.target import Target
from rebalancer.errors import StaleDataError

_FREE = Bounds()
_ZERO = Decimal(0)
_RATIO = Decimal("1e-9")
_MONEY = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One symbol. Values are account currency, weights and drift shares of ``Plan.base``."""

    symbol: str
    con_id: int
    held: Decimal
    #: Shares the continuous optimum would hold.
    ideal: Decimal
    #: Signed whole shares to trade; 0 leaves it alone.
    trade: int
    #: Reference price and, for limit orders, the limit, in the instrument's currency.
    price: Decimal
    limit_price: Decimal | None
    value_before: Decimal
    value_after: Decimal
    target_weight: Decimal
    weight_before: Decimal
    weight_after: Decimal
    est_commission: Decimal
    #: Why it is not traded although off target ("inside band", "no-sell", …); '' otherwise.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to trade and what it achieves. Deterministic; ``hash`` names its content."""

    account_id: str
    currency: str
    net_liquidation: Decimal
    #: The value the weights apply to: NetLiquidation less everything that is left alone.
    base: Decimal
    reserve: Decimal
    lines: tuple[PlanLine, ...]
    drift_before: Decimal
    drift_after: Decimal
    cash_before: Decimal
    #: Cash after every order fills at its reference price.
    cash_after: Decimal
    #: Cash after every order fills at the worst price it may (limit, or slippage allowance).
    cash_worst: Decimal
    est_commission: Decimal
    #: Drift after this plan less drift after the best plan with fractional shares, >= 0.
    gap: Decimal
    target_hash: str
    hash: str

    @property
    def sells(self) -> tuple[PlanLine, ...]:
        """Lines that sell."""
        return tuple(line for line in self.lines if line.trade < 0)

    @property
    def buys(self) -> tuple[PlanLine, ...]:
        """Lines that buy."""
        return tuple(line for line in self.lines if line.trade > 0)


def plan(account: Account, target: Target, policy: Policy) -> Plan:
    """Plan the whole-share orders that bring ``account`` closest to ``target``.

    Raises:
        StaleDataError: a price, an exchange rate or a balance that matters is missing or no
            usable number.
    """
    holdings = _holdings(account, target, policy)
    net = _money("NetLiquidation", account.net_liquidation)
    reserve = policy.cash_reserve * max(net, _ZERO)
    cash = _money("cash", account.total_cash)
    in_flight = sum((h.working * h.value for h in holdings), _ZERO)
    base = sum((h.counted * h.value for h in holdings), cash) - in_flight
    if base <= 0:
        return _finished(account, target, policy, holdings, None, base, reserve)
    allocation = allocate(_problem(holdings, policy, base, cash, reserve))
    return _finished(account, target, policy, holdings, allocation, base, reserve)


@dataclass(frozen=True, slots=True)
class _Holding:
    """One symbol that the plan is about."""

    instrument: Instrument
    quote: Quote
    #: Value of one share in the base currency.
    value: Decimal
    rate: Decimal
    held: Decimal
    #: Signed shares on their way in orders that are respected.
    working: Decimal
    weight: Decimal
    bounds: Bounds

    @property
    def counted(self) -> Decimal:
        return self.held + self.working


def _holdings(account: Account, target: Target, policy: Policy) -> list[_Holding]:
    stocks = {p.symbol: p for p in account.positions if p.sec_type == "STK"}
    # A short is somebody's intention that the target does not know: it is left alone.
    shorts = {symbol for symbol, p in stocks.items() if p.quantity < 0}
    symbols = set(target.weights)
    if policy.unlisted == "liquidate":
        symbols |= {symbol for symbol, p in stocks.items() if p.quantity > 0}
    wanted = sorted(symbols - shorts)
    unpriced = [s for s in wanted if not _usable(account, s)]
    if unpriced:
        raise StaleDataError(f"no usable price or exchange rate for {', '.join(unpriced)}")
    found = []
    for symbol in wanted:
        instrument, quote = account.instruments[symbol], account.quotes[symbol]
        rate = account.rates[instrument.currency]
        held = stocks[symbol].quantity if symbol in stocks else _ZERO
        found.append(
            _Holding(
                instrument,
                quote,
                quote.price * rate,
                rate,
                held,
                account.working.get(symbol, _ZERO),
                target.weights.get(symbol, _ZERO),
                policy.bounds.get(symbol, _FREE),
            )
        )
    return found


def _usable(account: Account, symbol: str) -> bool:
    quote, instrument = account.quotes.get(symbol), account.instruments.get(symbol)
    if quote is None or instrument is None:
        return False
    rate = account.rates.get(instrument.currency)
    return rate is not None and all(x.is_finite() and x > 0 for x in (quote.price, rate))


def _money(name: str, value: Decimal) -> Decimal:
    if not value.is_finite():
        raise StaleDataError(f"{name} of the account is {value}, not an amount")
    return value


def _scaled(holdings: Sequence[_Holding], base: Decimal, reserve: Decimal) -> Decimal:
    """Return the factor on the weights that leaves room for the reserve."""
    total = sum((h.weight for h in holdings), _ZERO)
    room = max(base - reserve, _ZERO) / base
    return Decimal(1) if total <= room else room / total


def _problem(
    holdings: Sequence[_Holding],
    policy: Policy,
    base: Decimal,
    cash: Decimal,
    reserve: Decimal,
) -> Problem:
    scale = _scaled(holdings, base, reserve)
    fees = [commission.schedule(h.instrument.currency, h.quote.price, h.rate) for h in holdings]
    # A working buy may still take its money, so that money is not there to be spent.
    spoken_for = sum((max(h.working, _ZERO) * h.value for h in holdings), _ZERO)
    turnover = policy.max_turnover
    return Problem(
        price=_column(h.value for h in holdings),
        held=_column(h.counted for h in holdings),
        weight=_column(h.weight * scale for h in holdings),
        sellable=_column(_sellable(h) for h in holdings),
        buyable=np.array([not h.bounds.no_buy for h in holdings], dtype=bool),
        resting=np.array([_rests(h, policy, base, scale) for h in holdings], dtype=bool),
        fee_share=_column(f.per_share for f in fees),
        fee_min=_column(f.least for f in fees),
        fee_max=_column(f.most_per_share for f in fees),
        base=float(base),
        cash=float(cash - spoken_for * (1 + policy.slippage)),
        reserve=float(reserve),
        slippage=float(policy.slippage),
        min_order=float(policy.min_order_value),
        turnover=float("inf") if turnover is None else float(turnover * base),
    )


def _column(values: Iterable[Decimal]) -> Column:
    return np.array([float(v) for v in values], dtype=np.float64)


def _sellable(holding: _Holding) -> Decimal:
    """Whole shares; a fraction stays, and what a working order sells is sold already."""
    if holding.bounds.no_sell:
        return _ZERO
    free = min(holding.held, holding.counted)
    return max(free, _ZERO).to_integral_value(ROUND_FLOOR)


def _rests(holding: _Holding, policy: Policy, base: Decimal, scale: Decimal) -> bool:
    band = holding.bounds.drift_band
    band = policy.drift_band if band is None else band
    off = abs(holding.counted * holding.value / base - holding.weight * scale)
    return band > 0 and off <= band


# The plan's words ---------------------------------------------------------------------------


def _finished(
    account: Account,
    target: Target,
    policy: Policy,
    holdings: Sequence[_Holding],
    found: Allocation | None,
    base: Decimal,
    reserve: Decimal,
) -> Plan:
    scale = _scaled(holdings, base, reserve) if found else Decimal(1)
    lines = tuple(_line(h, policy, base, scale, found, i) for i, h in enumerate(holdings))
    cash = account.total_cash
    commissions = sum((line.est_commission for line in lines), _ZERO)
    spent = worst = _ZERO
    for holding, line in zip(holdings, lines, strict=True):
        spent += line.trade * holding.value
        worst += line.trade * _may_fill_at(line, policy) * holding.rate
    drifts = (found.drift_before, found.drift_after, found.drift_ideal) if found else (0.0,) * 3
    before, after, ideal = (_ratio(Decimal(d), base) for d in drifts)
    return Plan(
        account_id=account.account_id,
        currency=account.currency,
        net_liquidation=account.net_liquidation,
        base=base,
        reserve=reserve,
        lines=lines,
        drift_before=before,
        drift_after=after,
        cash_before=cash,
        cash_after=cash - spent - commissions,
        cash_worst=cash - worst - commissions,
        est_commission=commissions,
        gap=max(after - ideal, _ZERO),
        target_hash=target.hash,
        hash=_digest(account, target, base, reserve, lines),
    )


def _line(
    holding: _Holding,
    policy: Policy,
    base: Decimal,
    scale: Decimal,
    found: Allocation | None,
    index: int,
) -> PlanLine:
    trade = int(found.trade[index]) if found else 0
    before = holding.counted * holding.value
    after = before + trade * holding.value
    limit = _limit(holding, policy, trade) if trade and policy.order_type == "LMT" else None
    ideal = Decimal(repr(float(found.ideal[index]))) if found else holding.counted
    fee = Decimal(repr(float(found.commission[index]))) if found else _ZERO
    goal = holding.weight * scale
    return PlanLine(
        symbol=holding.instrument.symbol,
        con_id=holding.instrument.con_id,
        held=holding.held,
        ideal=ideal.quantize(_MONEY),
        trade=trade,
        price=holding.quote.price,
        limit_price=limit,
        value_before=before,
        value_after=after,
        target_weight=holding.weight,
        weight_before=_ratio(before, base),
        weight_after=_ratio(after, base),
        est_commission=fee.quantize(_MONEY),
        note="" if trade else _why_not(holding, policy, base, goal),
    )


def _why_not(holding: _Holding, policy: Policy, base: Decimal, goal: Decimal) -> str:
    if base <= 0:
        return "no money to move"
    off = holding.counted * holding.value - goal * base
    if abs(off) < holding.value:
        return ""
    if _rests(holding, policy, base, goal / holding.weight if holding.weight else Decimal(1)):
        return "inside its band"
    if off > 0:
        return "no-sell" if holding.bounds.no_sell else "not worth its cost"
    return "no-buy" if holding.bounds.no_buy else "not worth its cost, or no cash for it"


def _limit(holding: _Holding, policy: Policy, trade: int) -> Decimal:
    """Return the limit price: within the allowance, on a tick, and marketable if it can be."""
    price, tick, quote = holding.quote.price, holding.instrument.min_tick, holding.quote
    if trade > 0:
        bound = price * (1 + policy.slippage)
        on_tick = (bound / tick).to_integral_value(ROUND_FLOOR) * tick
        return max(on_tick, quote.ask) if quote.ask and quote.ask <= bound else on_tick
    bound = price * (1 - policy.slippage)
    on_tick = (bound / tick).to_integral_value(ROUND_CEILING) * tick
    return min(on_tick, quote.bid) if quote.bid and quote.bid >= bound else on_tick


def _may_fill_at(line: PlanLine, policy: Policy) -> Decimal:
    if line.limit_price is not None:
        return line.limit_price
    sign = 1 if line.trade > 0 else -1
    return line.price * (1 + sign * policy.slippage)


def _ratio(value: Decimal, base: Decimal) -> Decimal:
    return (value / base).quantize(_RATIO) if base > 0 else _ZERO


def _digest(
    account: Account,
    target: Target,
    base: Decimal,
    reserve: Decimal,
    lines: Sequence[PlanLine],
) -> str:
    """Twelve hex digits over all that the plan would do and what it is based on."""
    parts = [account.account_id, account.currency, f"{base:f}", f"{reserve:f}", target.hash]
    parts += [
        f"{line.symbol} {line.held:f} {line.trade} {line.price:f} {line.limit_price}"
        for line in lines
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
