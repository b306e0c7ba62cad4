"""From a snapshot, a target and a policy to the orders that serve them best.

    survey (what may be traded, what it is worth) -> allocate (whole shares) -> lines

Where cash is to be raised, ``raising.py`` finds the shares instead of ``allocate.py``.

Decimals go in and come out. Floats stay in ``problem.py``, ``ideal.py``, ``tally.py`` and
``allocate.py``, and the promise that must not hang on their last bit, that buys leave the
reserve alone, is kept in Decimals here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Context, Decimal, localcontext
from functools import partial
from itertools import repeat

from rebalancer.core.account import Account
from rebalancer.core.allocate import Allocation, allocate
from rebalancer.core.commission import Schedule, schedule
from rebalancer.core.planned import Plan, PlanLine, Terms
from rebalancer.core.policy import Policy
from rebalancer.core.problem import Problem, pose, ten_thousandths
from rebalancer.core.raising import raise_cash
from rebalancer.core.request import ANYTHING, Aim
from rebalancer.core.survey import Survey, survey
from rebalancer.core.target import Target
from rebalancer.errors import StaleDataError

__all__ = ["Plan", "PlanLine", "plan"]

#: Whatever context the caller's thread has, a plan is worked out in these.
_MONEY = Context(prec=28)
_RATIO = Context(prec=10)
_ZERO = Decimal(0)
_ONE = Decimal(1)
#: What is said instead of these where the plan only raises cash.
_RAISING, _AFFORDED = "only raising cash", ("no cash to spare", "not worth its cost")
#: With more than this left of its budget, a plan keeps it whatever floats do to the last bit.
_CERTAIN = 0.01


def plan(
    account: Account,
    target: Target,
    policy: Policy,
    *,
    spent: Decimal | None = None,
    aim: Aim = ANYTHING,
    commissions: Callable[[str], Schedule] = schedule,
) -> Plan:
    """Plan the whole-share orders that bring ``account`` closest to ``target``.

    ``spent`` is for a plan that follows on trades of the same rebalance: what they have cost.
    The allowance that those buys did not need is left alone; all else, such as what sells
    have brought, may be spent. ``aim`` says what else the plan is bound to: to sell nothing, to
    sell just enough, to leave an amount in cash. ``commissions`` gives the price list for a
    currency.

    Raises:
        StaleDataError: a price, rate or balance is missing or impossible, of a kind the
            policy does not allow, or NetLiquidation is not what cash and positions add up to.
        UnknownInstrumentError: a symbol has no contract, or is held in another one.
        PermanentError: target or policy are out of range, debt exceeds what may be traded, or
            there is less than is to be set aside.
    """
    with localcontext(_MONEY):
        if aim.mode == "buy-only" and spent is None:
            # Who asks for just this means all the cash, whatever it was left over from.
            spent = _ZERO
        found = survey(account, target, policy, spent, aim.aside)
        if found.base <= 0:
            return _nothing(account, target, aim)
        raising = _raises(found, aim)
        if aim.mode == "buy-only" and not raising:
            policy = policy.buying_only(account.instruments)
        ticks = _steps(found)
        problem = pose(found, policy, commissions)
        while True:
            allocation = raise_cash(problem) if raising else allocate(problem)
            made = _written(account, target, policy, found, ticks, problem, allocation, aim)
            if allocation.slack > _CERTAIN or not (made.buys or raising):
                return made
            short = found.reserve - made.cash_worst
            if short <= 0 or allocation.slack < 0:
                return made
            # Enough as far as floats can tell, but not quite.
            problem = replace(problem, reserve=problem.reserve + 2 * float(short))


def _raises(found: Survey, aim: Aim) -> bool:
    """Whether the plan sells just enough, and no more.

    One that only buys does so when the cash that is to be set aside is not there.
    """
    short = aim.aside > 0 and found.sure_cash < found.reserve
    return aim.mode == "raise-cash" or (aim.mode == "buy-only" and short)


def _nothing(account: Account, target: Target, aim: Aim) -> Plan:
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
        gap=_ZERO,
        cash_before=account.total_cash,
        cash_expected=account.total_cash,
        cash_sure=account.total_cash,
        target=target,
        aim=aim,
    )


def _terms(found: Survey, policy: Policy) -> Iterable[Terms]:
    common = Terms(found.base, found.scale, policy.slippage, policy.order_type)
    if not policy.bounds:
        return repeat(common, len(found.symbols))
    return [common._replace(order_type=policy.order_type_of(s)) for s in found.symbols]


def _steps(found: Survey) -> Sequence[Decimal]:
    ticks = [i.min_tick for i in found.instruments]
    if min(ticks, default=_ONE) <= 0:
        wrong = [i.symbol for i in found.instruments if i.min_tick <= 0]
        raise StaleDataError(f"no price step for {', '.join(wrong)}")
    return ticks


def _written(
    account: Account,
    target: Target,
    policy: Policy,
    found: Survey,
    ticks: Sequence[Decimal],
    problem: Problem,
    allocation: Allocation,
    aim: Aim,
) -> Plan:
    base = found.base
    trades: list[int] = allocation.trade.tolist()
    columns = zip(
        found.symbols,
        [i.con_id for i in found.instruments],
        found.held,
        trades,
        found.prices,
        ticks,
        found.rates,
        found.weights,
        ten_thousandths(allocation.ideal),
        ten_thousandths(allocation.commission),
        _terms(found, policy),
        _notes(found, problem, trades, raising=_raises(found, aim)),
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
        # As PlanLine._make does, without a Python call for each of hundreds.
        lines=tuple(map(partial(tuple.__new__, PlanLine), columns)),
        drift_before=before,
        drift_after=after,
        gap=after - ideal,
        cash_before=account.total_cash,
        cash_expected=found.cash,
        cash_sure=found.sure_cash,
        target=target,
        aim=aim,
    )


def _notes(
    found: Survey, problem: Problem, trades: Sequence[int], *, raising: bool
) -> list[str]:
    """Say why it is not traded of what is a share or more off its target."""
    notes = [""] * len(trades)
    off = problem.weight * problem.base - problem.held * problem.price
    for k in (abs(off) >= problem.price).nonzero()[0].tolist():
        if not trades[k]:
            why = _why_not(found, problem, k, float(off[k]))
            notes[k] = _RAISING if raising and why in _AFFORDED else why
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
