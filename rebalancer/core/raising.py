"""Cash raised by selling just enough, and nothing bought.

Every holding is sold down to the same multiple of its target. So what is most above its target
goes first, and what the target does not want goes before that, the largest of it first. Shares
are whole: rounded up, then given back while the cash holds. An order that costs more than the
others would lose by doing without it is left out.
"""

from __future__ import annotations

from math import inf

import numpy as np

from rebalancer.core.allocate import Allocation
from rebalancer.core.ideal import EPS
from rebalancer.core.problem import Column, Problem

#: Rounds in which the cash for commissions settles.
_SETTLING = 6
#: Halvings that find the multiple of the targets.
_HALVINGS = 60
#: Guards a ceiling against a quotient that is a whole number but for its last bit.
_TICK = 1e-9


def raise_cash(problem: Problem) -> Allocation:
    """Find the sells that leave the reserve in cash at the worst prices.

    ``slack`` of the answer is negative if all that may be sold is not enough.
    """
    seller = _Seller(problem)
    shares = seller.run()
    fees = seller.fees(shares)
    fee = float(fees.sum())
    want = seller.value - seller.level(problem.sellable, seller.amount(fee))
    drift = seller.drift(shares, fee)
    ideal = _drift(want - problem.weight * (problem.base - fee))
    return Allocation(
        trade=-shares.astype(np.int64),
        ideal=want / problem.price,
        commission=fees,
        drift_before=_drift(seller.value - problem.weight * problem.base),
        drift_after=drift,
        drift_ideal=min(ideal, drift),
        slack=seller.slack(shares),
    )


class _Seller:
    """The search for one problem. Shares to sell are counted as positive."""

    def __init__(self, problem: Problem) -> None:
        self.p = problem
        self.value = problem.held * problem.price
        self.target = problem.weight * problem.base
        self.eps = EPS * max(problem.base, abs(problem.cash))

    def run(self) -> Column:
        p = self.p
        least = np.zeros_like(p.price)
        # Inside its band a symbol rests, unless the cash cannot do without.
        spare = np.where(p.resting, 0.0, p.sellable)
        if not self.enough(spare):
            spare = p.sellable
        best = self.sale(spare, least)
        while True:
            small = (best > 0) & (best * p.price < p.min_order) & (best > least)
            if not small.any():
                break
            k = int(np.argmin(np.where(small, best * p.price, inf)))
            without = _none_of(spare, k)
            lot = float(np.ceil(p.min_order / p.price[k] - _TICK))
            if self.enough(without) or lot > spare[k]:
                spare = without
            else:
                least[k] = lot
            best = self.sale(spare, least)
        return self.worthwhile(best, spare, least)

    def worthwhile(self, best: Column, spare: Column, least: Column) -> Column:
        """Leave out the smallest orders while that costs less than it saves."""
        while np.count_nonzero(best) > 1 and self.slack(best) >= 0:
            k = int(np.argmin(np.where(best > 0, best * self.p.price, inf)))
            fewer, free = _none_of(spare, k), _none_of(least, k)
            trial = self.sale(fewer, free)
            small = (trial > 0) & (trial * self.p.price < self.p.min_order)
            if self.slack(trial) < 0 or small.any():
                break
            if np.count_nonzero(trial) >= np.count_nonzero(best):
                break
            if self.cost(trial) >= self.cost(best) - self.eps:
                break
            best, spare, least = trial, fewer, free
        return best

    # Figures ------------------------------------------------------------------------------

    def fees(self, shares: Column) -> Column:
        p = self.p
        found: Column = np.minimum(
            np.maximum(shares * p.fee_share, p.fee_min), shares * p.fee_max
        )
        return found

    def slack(self, shares: Column) -> float:
        """What is left of the cash above the reserve, at the worst prices."""
        p = self.p
        proceeds = float(shares.dot(p.price)) * (1 - p.slippage)
        return p.cash - p.reserve + proceeds - float(self.fees(shares).sum())

    def drift(self, shares: Column, fee: float) -> float:
        p = self.p
        return _drift(self.value - shares * p.price - p.weight * (p.base - fee))

    def cost(self, shares: Column) -> float:
        fee = float(self.fees(shares).sum())
        return self.drift(shares, fee) + fee

    def amount(self, fee: float) -> float:
        """Value to sell, so that the cash is there once ``fee`` is paid."""
        p = self.p
        need = (p.reserve - p.cash + fee) / (1 - p.slippage)
        return max(0.0, min(need, p.turnover))

    def enough(self, spare: Column) -> bool:
        return self.slack(spare) >= 0

    # The sale -----------------------------------------------------------------------------

    def sale(self, spare: Column, least: Column) -> Column:
        """Shares of each to sell: just enough, if there is as much."""
        p = self.p
        if p.cash >= p.reserve:
            return np.zeros_like(p.price)
        fee, shares = 0.0, least
        for _ in range(_SETTLING):
            sold = self.level(spare, self.amount(fee))
            shares = np.clip(np.ceil(sold / p.price - _TICK), least, spare)
            before, fee = fee, float(self.fees(shares).sum())
            if abs(fee - before) <= self.eps:
                break
        return self.given_back(self.topped_up(shares, spare), least)

    def level(self, spare: Column, amount: float) -> Column:
        """Values to sell of each, ``amount`` together, as far as there is as much."""
        most = spare * self.p.price
        sold = np.zeros_like(most)
        wanted = self.target > 0
        for k in np.argsort(-np.where(wanted, -1.0, most), kind="stable"):
            if amount <= 0 or wanted[k]:
                break
            sold[k] = min(most[k], amount)
            amount -= sold[k]
        if amount <= 0 or not wanted.any():
            return sold
        target, value = self.target[wanted], self.value[wanted]
        low, high = 0.0, float(np.max(value / target))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            part = np.minimum(np.maximum(value - middle * target, 0.0), most[wanted])
            low, high = (middle, high) if float(part.sum()) >= amount else (low, middle)
        sold[wanted] = np.minimum(np.maximum(value - low * target, 0.0), most[wanted])
        return sold

    def topped_up(self, shares: Column, spare: Column) -> Column:
        """Sell single shares more while the cash is not there."""
        p = self.p
        while self.slack(shares) < 0:
            room = p.turnover - float(shares.dot(p.price)) + self.eps
            able = (shares < spare) & (p.price <= room)
            if not able.any():
                break
            shares = shares.copy()
            shares[np.argmax(np.where(able, self.multiple(shares), -inf))] += 1
        return shares

    def given_back(self, shares: Column, least: Column) -> Column:
        """Keep single shares, of what would be lowest, while the cash is there all the same."""
        p = self.p
        while True:
            fewer = np.maximum(shares - 1, 0.0)
            back = p.price * (1 - p.slippage) - (self.fees(shares) - self.fees(fewer))
            able = (shares > least) & (back <= self.slack(shares))
            if not able.any():
                return shares
            shares = shares.copy()
            shares[np.argmin(np.where(able, self.multiple(shares), inf))] -= 1

    def multiple(self, shares: Column) -> Column:
        """Of its target what each would be left at."""
        left = self.value - shares * self.p.price
        found: Column = np.divide(
            left, self.target, out=np.full_like(left, 1e300), where=self.target > 0
        )
        return found


def _none_of(column: Column, k: int) -> Column:
    less = column.copy()
    less[k] = 0.0
    return less


def _drift(d: Column) -> float:
    return (float(np.abs(d).sum()) + abs(float(d.sum()))) / 2
