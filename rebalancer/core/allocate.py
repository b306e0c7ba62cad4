"""Whole shares: the trades that come closest to target weights.

The continuous optimum of :mod:`rebalancer.core.ideal`, rounded down, keeps every constraint.
Whole shares are added to it by largest remainder. The best answer differs from that one in a
few shares near the cut, where it costs little to be on the other side; so every combination
of changes to the dozen nearest is tried, each together with the cheapest single-share sales
that would pay for it. What costs more in commission than it gains is left out at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

from rebalancer.core.ideal import Limits, capped, ideal, leave_alone, limits
from rebalancer.core.problem import Column, Problem
from rebalancer.core.tally import Figures, Indices, Tally, drift_of, first_least

#: What a plan gains over its cost must be more than this share of what it trades. Moving
#: what is off target gains half or all of it; less only trades one rounding for another, as
#: prices wiggle. For a pair of equal shares it means to act at 5/8 of a share, not at 1/2.
_HYSTERESIS = 0.125
#: Commissions are known well enough when within this share of the base.
_SETTLED = 1e-5
#: Guards a floor against a quotient that is a whole number but for its last bit.
_TICK = 1e-9
#: Rounds in which the cash set aside for commissions settles.
_SETTLING = 6


@dataclass(frozen=True, slots=True)
class _Round:
    """One look at every combination of changes to a few symbols."""

    #: How many symbols: those nearest to the cut.
    near: int
    #: By up to how many shares both ways; 0 is one share in the likelier direction.
    reach: int
    #: The power of the price by which nearness is weighed.
    power: float


#: Rounds by number of symbols: what the time for a plan of that size allows.
_ROUNDS = (
    (4, (_Round(4, 3, 0.5), _Round(4, 3, 0.0))),
    (5, (_Round(5, 2, 0.5), _Round(5, 2, 0.0))),
    (7, (_Round(7, 1, 0.5), _Round(7, 1, 0.0))),
    (12, (_Round(12, 0, 0.5), _Round(7, 1, 0.5))),
    (24, (_Round(11, 0, 0.35),)),
    (40, (_Round(11, 0, 0.5),)),
    (250, (_Round(12, 0, 0.5), _Round(12, 0, 1.0))),
    (inf, (_Round(10, 0, 0.5),)),
)
#: Sales tried together: one share of so many of the cheapest, then two, then four.
_SALES = ((1.0, 6), (2.0, 8), (4.0, 8))
_SALES_MOST = 8


@dataclass(frozen=True, slots=True)
class Allocation:
    """The answer. Drifts are money."""

    #: Signed whole shares to trade.
    trade: NDArray[np.int64]
    #: Shares to hold in the continuous optimum.
    ideal: Column
    commission: Column
    drift_before: float
    drift_after: float
    #: Drift of the continuous optimum under the same bounds and commissions.
    drift_ideal: float
    #: What is left of the budget at the worst prices.
    slack: float


def allocate(problem: Problem) -> Allocation:
    """Find the whole-share trades of least drift. Same columns in, same trades out."""
    lim = limits(problem)
    if problem.resting.any() and ideal(problem, lim, 0.0, 0.0)[1]:
        lim = replace(lim, low=-problem.sellable)
    while True:
        search = _Search(problem, lim)
        best = search.run()
        small = (best.n != 0) & (np.abs(best.n) * problem.price < problem.min_order)
        if small.any():
            lim = leave_alone(lim, small)
        elif best.n.any() and lim.budget < lim.cash and problem.spent is None:
            # There is something to do, so what earlier plans left over is put to work, too.
            lim = replace(lim, budget=lim.cash)
        else:
            break
    want, fee = search.ideal, search.ideal_fee
    if abs(best.fee - fee) > _SETTLED * problem.base:
        fee = best.fee
        want, _ = ideal(problem, lim, fee, fee)
    return Allocation(
        trade=best.n.astype(np.int64),
        ideal=want / problem.price,
        commission=best.fees,
        drift_before=search.drift_before,
        drift_after=best.drift,
        drift_ideal=drift_of(want - problem.weight * (problem.base - fee)),
        slack=best.slack,
    )


class _Search(Figures):
    """The search for the whole shares of one problem."""

    def __init__(self, problem: Problem, lim: Limits) -> None:
        super().__init__(problem, lim)
        self.rounds = next(r for most, r in _ROUNDS if len(problem.price) <= most)
        self.ideal = lim.value
        self.ideal_fee = 0.0

    def run(self) -> Tally:
        t, starved = self.start()
        if not starved:
            t, edge = self.lift(self.fill(t))
            for look in self.rounds:
                t = self.combine(t, edge, look)
            t = self.top_up(t)
        kept = self.worthwhile(t)
        while not starved and kept is not t and kept.n.any():
            # What was left out as idle may have held the cash of something that is not.
            t = self.worthwhile(self.top_up(kept))
            if t.drift + t.fee >= kept.drift + kept.fee - self.eps:
                break
            kept = t
        return kept

    # The search ---------------------------------------------------------------------------

    def start(self) -> tuple[Tally, bool]:
        """Round the continuous optimum down; tell whether the reserve stays broken."""
        p, lim = self.p, self.lim
        rough = np.rint(-self.off / p.price)
        rough = np.where(rough > 0, np.minimum(rough, lim.high), np.maximum(rough, lim.low))
        t = self.tally(rough)
        fee = aside = t.fee
        for _ in range(_SETTLING):
            want, starved = ideal(p, lim, fee, aside)
            self.ideal, self.ideal_fee = want, fee
            t = self.tally(self.rounded_down(want))
            if starved or t.slack >= -self.eps:
                return t, starved
            aside -= t.slack
        return self.tally(np.minimum(t.n, 0.0)), True

    def rounded_down(self, want: Column) -> Column:
        p, lim = self.p, self.lim
        cap = p.turnover
        for _ in range(_SETTLING):
            n = np.maximum(np.floor((want - lim.value) / p.price + _TICK), lim.low)
            if cap == inf:
                return n
            over = float(np.abs(n).dot(p.price)) - p.turnover
            if over <= self.eps:
                return n
            # Sells rounded down are larger: make room for that.
            cap = max(0.0, cap - over)
            want = capped(lim, want, cap)
        return np.minimum(np.ceil((want - lim.value) / p.price - _TICK), 0.0)

    def fill(self, t: Tally) -> Tally:
        """Spend what rounding down left over on whole shares that stay below target."""
        p = self.p
        room = np.floor(_TICK - t.d / p.price)
        room = np.where(t.n < self.lim.high, np.maximum(room, 0.0), 0.0)
        value = float(room.dot(p.price))
        left = min(t.slack / (1 + p.slippage), t.turnover)
        while value > self.eps and left > self.eps:
            more = self.tally(t.n + np.floor(min(1.0, left / value) * room + _TICK))
            if self.fits(more):
                return more
            left = left * 0.99 - value * 1e-4
        return t

    def lift(self, t: Tally) -> tuple[Tally, float]:
        """Add one share each by largest remainder; return the remainder at the cut, too."""
        free = (t.n < self.lim.high).nonzero()[0]
        if not len(free):
            return t, 0.0
        changes = self.steps(t, free, np.ones(len(free)))
        gain = -changes[1] / self.p.price[free]
        order = (-gain).round(9).argsort(kind="stable")
        sums = np.zeros((4, len(free) + 1))
        changes.take(order, axis=1).cumsum(axis=1, out=sums[:, 1:])
        cut = self.best(t, sums)
        n = t.n.copy()
        n[free[order[:cut]]] += 1
        return self.tally(n), float(gain[order[min(cut, len(free) - 1)]])

    def combine(self, t: Tally, edge: float, look: _Round) -> Tally:
        """Make the best combination of changes near the cut, with sales that pay for it."""
        near, options = self.options(t, edge, look)
        if not len(near):
            return t
        tables = self.steps(t, np.tile(near, len(options)), options.ravel())
        changes = _combined(tables.reshape(4, len(options), len(near)))
        over, under, short = self.judge(t, changes)
        drift = np.maximum(over, under)
        drift[short > self.eps] = inf
        best = first_least(drift, self.eps)
        least = float(drift[best])

        def made(index: int) -> Column:
            n = t.n.copy()
            for i, at in enumerate(near):
                index, digit = divmod(index, len(options) + 1)
                if digit:
                    n[at] += options[digit - 1, i]
            return n

        bound = np.maximum(over, under + short)
        hopeful = ((bound < least - self.eps) & (short > self.eps)).nonzero()[0]
        if len(hopeful):
            sold = self.sales(t, over[hopeful], under[hopeful], short[hopeful])
            if sold is not None:
                trial = self.tally(made(int(hopeful[sold[0]])) - sold[1])
                fits = self.fits(trial) and (trial.n >= self.lim.low).all()
                if fits and trial.drift < least - self.eps:
                    return trial
        return self.tally(made(best)) if best else t

    def options(self, t: Tally, edge: float, look: _Round) -> tuple[Indices, Column]:
        """Symbols nearest to the cut, and a row of shares to add for each way to change."""
        p, lim = self.p, self.lim
        n, d = t.n, t.d
        size = np.abs(d)
        up = np.abs(edge - (size - np.abs(d + p.price)) / p.price)
        down = np.abs((np.abs(d - p.price) - size) / p.price - edge) + 1e-6
        up[n >= lim.high] = inf
        down[n <= lim.low] = inf
        regret = np.minimum(up, down) * (p.price / p.price.max()) ** look.power
        near = _least(regret.round(9), look.near)
        near = near[regret[near] < inf]
        likely = np.where(up[near] <= down[near], 1.0, -1.0)
        if not look.reach:
            return near, likely[None, :]
        rows = np.array([likely * k * s for k in range(1, look.reach + 1) for s in (1, -1)])
        after = n[near] + rows
        top = np.maximum(lim.high[near], n[near])
        return near, np.where((after >= lim.low[near]) & (after <= top), rows, 0.0)

    def sales(
        self,
        t: Tally,
        over: Column,
        under: Column,
        short: Column,
    ) -> tuple[int, Column] | None:
        """Find what does best with the cheapest sales that raise its ``short``."""
        p = self.p
        spare = t.n - self.lim.low
        able = (spare > 0).nonzero()[0]
        able = able[p.price[able].argsort(kind="stable")]
        lots = [
            (k, lot) for lot, most in _SALES for k in able[:most] if spare[k] >= 2 * lot - 1
        ][:_SALES_MOST]
        if not lots:
            return None
        who = np.array([k for k, _ in lots])
        count = np.array([lot for _, lot in lots])
        raised = _combined((p.price[who] * count)[None, None, :])[0]
        order = raised.argsort(kind="stable")
        at = raised[order].searchsorted(short + self.eps)
        enough = at < len(order)
        if not enough.any():
            return None
        at = order[np.where(enough, at, 0)]
        drift = np.where(enough, np.maximum(over, under + raised[at]), inf)
        best = first_least(drift, self.eps)
        sold = np.zeros_like(t.n)
        np.add.at(sold, who, count * (at[best] >> np.arange(len(who)) & 1))
        return best, sold

    def top_up(self, t: Tally) -> Tally:
        """Add single shares while one still helps."""
        p = self.p
        while True:
            affordable = p.price * (1 - p.slippage) <= t.slack + self.eps
            free = ((t.n < self.lim.high) & affordable).nonzero()[0]
            if not len(free):
                return t
            changes = np.zeros((4, len(free) + 1))
            changes[:, 1:] = self.steps(t, free, np.ones(len(free)))
            best = self.best(t, changes)
            if best == 0:
                return t
            n = t.n.copy()
            n[free[best - 1]] += 1
            t = self.tally(n)

    def worthwhile(self, t: Tally) -> Tally:
        """Leave out trades, or the whole plan, that cost more than the drift they remove."""
        solvent = self.lim.budget >= 0
        while t.n.any():
            moved = t.n * self.p.price
            loss = np.abs(t.d - moved) - np.abs(t.d) + np.abs(t.signed - moved) - abs(t.signed)
            returnable = (t.n > 0) | (solvent & (-moved <= t.slack + self.eps))
            idle = (t.n != 0) & (loss / 2 <= t.fees) & returnable
            if not idle.any():
                break
            n = t.n.copy()
            n[np.argmin(np.where(idle, loss / 2 - t.fees, inf))] = 0.0
            t = self.tally(n)
        gain = self.drift_before - t.drift - t.fee
        if solvent and gain <= _HYSTERESIS * float(np.abs(t.n).dot(self.p.price)):
            return self.tally(np.zeros_like(t.n))
        return t


def _least(values: Column, count: int) -> Indices:
    """Indices of the ``count`` least values, ordered by value and then by index."""
    if len(values) > 4 * count:
        some = values.argpartition(count)[:count]
        some.sort()
        return some[values[some].argsort(kind="stable")]
    return values.argsort(kind="stable")[:count]


def _combined(tables: Column) -> Column:
    """Sums over every combination of one option, or none, for each item.

    ``tables`` is (row, option, item); column ``k`` of the answer has the options that the
    digits of ``k`` name, 0 for none. Added up in place rather than multiplied out, so that
    every machine rounds alike.
    """
    rows, options, items = tables.shape
    sums = np.zeros((rows, (options + 1) ** items))
    width = 1
    for i in range(items):
        for k in range(options):
            start = (k + 1) * width
            np.add(sums[:, :width], tables[:, k, i : i + 1], out=sums[:, start : start + width])
        width *= options + 1
    return sums
