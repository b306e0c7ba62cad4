"""What a column of trades comes to, and what changing it by single shares would do."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from rebalancer.core.ideal import Limits
from rebalancer.core.problem import Column, Problem

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tally:
    """A column of trades and all that follows from it."""

    n: Column
    fees: Column
    fee: float
    #: Value held afterwards less its target; commissions lower every target.
    d: Column
    signed: float
    total: float
    #: What is left of the budget at the worst prices, and of the turnover; negative where
    #: broken.
    slack: float
    turnover: float

    @property
    def drift(self) -> float:
        """Half the summed deviation from the target, cash included: money."""
        return (self.total + abs(self.signed)) / 2


class Figures:
    """The figures of one problem."""

    def __init__(self, problem: Problem, lim: Limits) -> None:
        self.p = problem
        self.lim = lim
        self.eps = lim.eps
        self.off = lim.value - problem.weight * problem.base
        self.drift_before = drift_of(self.off)
        self.off_sum = float(self.off.sum())
        self.weights = float(problem.weight.sum())

    def tally(self, n: Column) -> Tally:
        """Work out what trading ``n`` shares of each symbol comes to."""
        p, lim = self.p, self.lim
        shares = np.abs(n)
        fees = np.minimum(np.maximum(shares * p.fee_share, p.fee_min), shares * p.fee_max)
        fee = float(fees.sum())
        net, gross = float(n.dot(p.price)), float(shares.dot(p.price))
        d = self.off + n * p.price + p.weight * fee
        return Tally(
            n=n,
            fees=fees,
            fee=fee,
            d=d,
            signed=self.off_sum + net + self.weights * fee,
            total=float(np.abs(d).sum()),
            slack=lim.budget - net - p.slippage * gross - fee,
            turnover=p.turnover - gross,
        )

    def fits(self, t: Tally) -> bool:
        """Whether it keeps the cash limits and the turnover cap."""
        return min(t.slack, t.turnover) >= -self.eps

    def steps(self, t: Tally, at: Indices, step: Column) -> Column:
        """Change of sum d, sum |d|, cash at the worst prices and turnover, a row each."""
        p = self.p
        price, was, dev = p.price[at], t.n[at], t.d[at]
        share, least, most = p.fee_share[at], p.fee_min[at], p.fee_max[at]
        moved = step * price
        more = np.abs(was + step)
        gross = (more - np.abs(was)) * price
        fee = np.minimum(np.maximum(more * share, least), more * most) - t.fees[at]
        tilt = float(p.weight.dot(np.sign(t.d)))
        bent = np.abs(dev + moved) - np.abs(dev) + fee * tilt
        return np.array(
            (moved + fee * self.weights, bent, moved + p.slippage * gross + fee, gross)
        )

    def judge(self, t: Tally, changes: Column) -> tuple[Column, Column, Column]:
        """Of each column of changes: value above and below target, and cash it is short of."""
        signed, total = changes[0] + t.signed, changes[1] + t.total
        short = (changes[2] - t.slack) / (1 - self.p.slippage)
        if t.turnover < inf:
            short[changes[3] > t.turnover + self.eps] = inf
        return (total + signed) / 2, (total - signed) / 2, short

    def best(self, t: Tally, changes: Column) -> int:
        """Index of the feasible column of least drift; the first column changes nothing."""
        over, under, short = self.judge(t, changes)
        drift = np.maximum(over, under)
        drift[short > self.eps] = inf
        return first_least(drift, self.eps)


def drift_of(d: Column) -> float:
    """The drift of these deviations, and of the cash that they leave too much or too little."""
    return (float(np.abs(d).sum()) + abs(float(d.sum()))) / 2


def first_least(values: Column, eps: float) -> int:
    """Index of the least; of those that floats cannot tell apart, the first."""
    return int((values <= values.min() + eps).argmax())
