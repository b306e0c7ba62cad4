"""From a snapshot, a target and a policy to the orders that serve them best.

    survey (what may be traded, what it is worth) -> allocate (whole shares) -> lines

Decimals go in and come out. Floats stay in ``problem.py``, ``ideal.py`` and ``allocate.py``,
and the promise that must not hang on their last bit, that buys leave the reserve alone, is
kept in Decimals here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from itertools import repeat
from operator import mod, mul
from typing import NamedTuple

from rebalancer.core.account import Account
from rebalancer.core.allocate import Allocation, allocate
from rebalancer.core.commission import Schedule, schedule
from rebalancer.core.policy import Policy
from rebalancer.core.problem import Column, Problem, pose, ten_thousandths
from rebalancer.core.survey import Survey, survey
from rebalancer.core.target import Target
from rebalancer.errors import StaleDataError

#: Whatever context the caller's thread has, a plan is worked out in these.
_MONEY = Context(prec=28)
_RATIO = Context(prec=10)
_ZERO = Decimal(0)
_FOUR_PLACES = Decimal("0.0001")


class PlanLine(NamedTuple):
    """One symbol. Values are account currency, weights and drift shares of ``Plan.base``.

    A plan has hundreds of these, which is why it is a named tuple, five times as quick to
    make as a frozen dataclass, and why values and weights are worked out when asked for.
    """

    symbol: str
    con_id: int
    #: Shares held; respected working orders count as filled.
    held: Decimal
    #: Shares the continuous optimum would hold.
    ideal: Decimal
    #: Signed whole shares to trade; 0 leaves it alone.
    trade: int
    #: Reference price and, for limit orders, the limit, in the instrument's currency.
    price: Decimal
    limit_price: Decimal | None
    #: Account currency per unit of the instrument's, and ``Plan.base``.
    rate: Decimal
    base: Decimal
    #: What is aimed at: the target's weight, scaled to leave room for the reserve.
    target_weight: Decimal
    est_commission: Decimal
    #: Why it is not traded although off target ("inside band", "no-sell", …); '' otherwise.
    note: str = ""

    @property
    def value_before(self) -> Decimal:
        """What is held is worth."""
        return self.held * self.price * self.rate

    @property
    def value_after(self) -> Decimal:
        """What will be held is worth, at the reference price."""
        return (self.held + self.trade) * self.price * self.rate

    @property
    def weight_before(self) -> Decimal:
        """Share of the base that is held."""
        return _RATIO.divide(self.value_before, self.base)

    @property
    def weight_after(self) -> Decimal:
        """Share of the base that will be held."""
        return _RATIO.divide(self.value_after, self.base)


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
    target: Target

    @property
    def hash(self) -> str:
        """Twelve hex digits that name what is to be traded, and what that is planned on."""
        named = (self.account_id, self.currency, self.target.hash)
        money = (self.net_liquidation, self.base, self.reserve, self.cash_before)
        rows = [
            (
                line.symbol,
                line.con_id,
                line.trade,
                line.limit_price,
                line.held,
                line.price,
                line.rate,
            )
            for line in self.lines
        ]
        text = "\n".join(" ".join(map(_plainly, row)) for row in (named, money, *rows))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def target_hash(self) -> str:
        """Names the weights that were aimed at."""
        return self.target.hash

    @property
    def sells(self) -> tuple[PlanLine, ...]:
        """Lines that sell."""
        return tuple(line for line in self.lines if line.trade < 0)

    @property
    def buys(self) -> tuple[PlanLine, ...]:
        """Lines that buy."""
        return tuple(line for line in self.lines if line.trade > 0)


def plan(
    account: Account,
    target: Target,
    policy: Policy,
    *,
    opening_cash: Decimal | None = None,
    unneeded: Decimal = _ZERO,
    commissions: Callable[[str], Schedule] = schedule,
) -> Plan:
    """Plan the whole-share orders that bring ``account`` closest to ``target``.

    ``opening_cash`` is for a plan that follows on trades of the same rebalance: the cash
    before them. What came in since is there to be spent, not left over from earlier
    plans, save for ``unneeded``: what buys of the same rebalance that have filled already
    were allowed and did not cost. It stays in cash, as it does when nothing comes in
    between, so that a rebalance in two attempts buys what it would have bought in one.
    ``commissions`` gives the price list for a currency.

    Raises:
        StaleDataError: a price, rate or balance is missing or impossible, of a kind the
            policy does not allow, or NetLiquidation is not what cash and positions add up to.
        UnknownInstrumentError: a symbol has no contract, or is held in another one.
        PermanentError: target or policy are out of range, or debt exceeds what may be traded.
    """
    with localcontext(_MONEY):
        found = survey(account, target, policy, opening_cash, unneeded)
        if found.base <= 0:
            return _nothing(account, target)
        problem = pose(found, policy, commissions)
        while True:
            allocation = allocate(problem)
            orders = _priced(found, policy, allocation)
            short = found.reserve - orders.cash_worst
            if short <= 0 or max(orders.trades, default=0) <= 0:
                break
            # Enough as far as floats can tell, but not quite.
            problem = replace(problem, reserve=problem.reserve + 2 * float(short))
        return _written(account, target, found, problem, allocation, orders)


def _nothing(account: Account, target: Target) -> Plan:
    """Plan nothing for an account that has neither money nor holdings to move."""
    return Plan(
        account_id=account.account_id,
        currency=account.currency,
        net_liquidation=account.net_liquidation,
        base=_ZERO,
        reserve=_ZERO,
        lines=(),
        drift_before=_ZERO,
        drift_after=_ZERO,
        cash_before=account.total_cash,
        cash_after=account.total_cash,
        cash_worst=account.total_cash,
        est_commission=_ZERO,
        gap=_ZERO,
        target=target,
    )


class _Orders(NamedTuple):
    """What is to be sent, a column each, and what may come of it at worst."""

    trades: Sequence[int]
    limits: Sequence[Decimal | None]
    fees: Sequence[Decimal]
    fee: Decimal
    cash_worst: Decimal


def _priced(found: Survey, policy: Policy, allocation: Allocation) -> _Orders:
    """Give each order its worst price; as a limit, it is rounded to the contract's step.

    It is rounded towards the reference price. So the allowance is never exceeded; and an ask
    (for a sell, a bid) within the allowance lies on a step itself, so that it is reached.
    """
    trades: list[int] = allocation.trade.tolist()
    up, down = 1 + policy.slippage, 1 - policy.slippage
    prices = [p * (up if n > 0 else down) for p, n in zip(found.prices, trades, strict=True)]
    limits: list[Decimal | None] = [None] * len(trades)
    if policy.order_type == "LMT":
        steps = _steps(found)
        beyond = map(mod, prices, steps)
        columns = zip(prices, beyond, steps, trades, strict=True)
        prices = [p - b if n > 0 or not b else p - b + s for p, b, s, n in columns]
        limits = [p if n else None for p, n in zip(prices, trades, strict=True)]
    dear = prices if found.worth is found.prices else map(mul, prices, found.rates)
    taken = sum(map(mul, dear, trades), _ZERO)
    fees = _decimals(allocation.commission)
    fee = sum(fees, _ZERO)
    return _Orders(trades, limits, fees, fee, found.sure_cash - taken - fee)


def _steps(found: Survey) -> list[Decimal]:
    steps = [i.min_tick for i in found.instruments]
    if min(steps, default=_FOUR_PLACES) <= 0:
        wrong = [i.symbol for i in found.instruments if i.min_tick <= 0]
        raise StaleDataError(f"no price step for {', '.join(wrong)}")
    return steps


def _decimals(values: Column) -> list[Decimal]:
    return [n * _FOUR_PLACES for n in ten_thousandths(values)]


def _written(
    account: Account,
    target: Target,
    found: Survey,
    problem: Problem,
    allocation: Allocation,
    orders: _Orders,
) -> Plan:
    base, size = found.base, len(found.symbols)
    goals = found.weights
    if found.scale != 1:
        with localcontext(_RATIO):
            goals = [weight * found.scale for weight in goals]
    columns = zip(
        found.symbols,
        [i.con_id for i in found.instruments],
        found.held,
        _decimals(allocation.ideal),
        orders.trades,
        found.prices,
        orders.limits,
        found.rates,
        repeat(base, size),
        goals,
        orders.fees,
        _notes(found, problem, orders.trades),
        strict=True,
    )
    drifts = (
        allocation.drift_before,
        allocation.drift_after,
        min(allocation.drift_ideal, allocation.drift_after),
    )
    before, after, ideal = (_RATIO.divide(Decimal(repr(drift)), base) for drift in drifts)
    return Plan(
        account_id=account.account_id,
        currency=account.currency,
        net_liquidation=account.net_liquidation,
        base=base,
        reserve=found.reserve,
        lines=tuple(map(PlanLine._make, columns)),
        drift_before=before,
        drift_after=after,
        cash_before=account.total_cash,
        cash_after=found.cash - sum(map(mul, found.worth, orders.trades), _ZERO) - orders.fee,
        cash_worst=orders.cash_worst,
        est_commission=orders.fee,
        gap=after - ideal,
        target=target,
    )


def _notes(found: Survey, problem: Problem, trades: Sequence[int]) -> list[str]:
    """Say why it is not traded of what is a share or more off its target."""
    notes = [""] * len(trades)
    off = problem.weight * problem.base - problem.held * problem.price
    for k in (abs(off) >= problem.price).nonzero()[0].tolist():
        if not trades[k]:
            notes[k] = _why_not(found, problem, k, float(off[k]))
    return notes


def _why_not(found: Survey, problem: Problem, k: int, off: float) -> str:
    if found.symbols[k] in found.shorts:
        return "short position"
    if problem.resting[k]:
        return "inside band"
    allowed = problem.buyable[k] if off > 0 else problem.sellable[k]
    if not allowed:
        return "no-buy" if off > 0 else "no-sell"
    if abs(off) < problem.min_order:
        return "below smallest order"
    if found.turnover.is_finite():
        return "turnover cap"
    return "no cash to spare" if off > 0 else "not worth its cost"


def _plainly(value: object) -> str:
    """A value as text; numbers that are equal read alike, ``1.50`` as ``1.5``."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
