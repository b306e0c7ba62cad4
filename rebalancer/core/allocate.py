"""The planner's arithmetic: the whole shares that come closest to target weights.

The only module of the core that uses floats: columns, one element per symbol. Money is in
the account's base currency throughout.

**What is minimised.** With ``d`` the deviations of the holdings' values from their targets,
cash deviates by ``-sum(d)``, since money only moves between them, so

    drift = (sum |d| + |sum d|) / 2 = max(value above target, value below target)

**Subject to**, with ``n`` the signed shares to trade and ``K`` their commissions,

* *worst*: cash stays at the reserve even if every buy fills the whole allowance above its
  price and every sell the whole allowance below;
* *net*: cash is not brought below the reserve plus the allowance on everything held. This
  depends on where a plan ends, not on where it starts, so an account whose plan was filled
  finds no reason to trade again in the allowance that was not needed;
* the turnover cap, and per symbol what may be sold and whether it may be bought.

**How.** The continuous optimum is exact. Its floor keeps every constraint; whole shares are
added to it by largest remainder, and then every subset of the dozen shares nearest to that
cut is tried, each with the cheapest set of single-share sales that would pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Shares around the cut that are flipped in every combination, and single-share sales too.
_FLIPS = 12
#: Rounds of that search; the second sees the first one's sales. Small accounts need it.
_ROUNDS, _FEW = 2, 12
#: Rounds in which the commissions that lower the targets and the trades settle.
_FEE_ROUNDS = 3
#: Shares of the base: commissions are settled when known this well, and a plan has to gain
#: twice as much over its cost, so that one made after a filled plan finds nothing.
_SETTLED = 1e-5
#: Relative size of what floats cannot tell apart and hence must not decide.
_EPS = 1e-11
_TICK = 1e-9
POWERS = (0.5, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Problem:
    """One allocation. Columns run over the symbols that may be traded."""

    #: Reference price of a share, > 0.
    price: Column
    #: Shares the target applies to, >= 0; may have a fraction.
    held: Column
    #: Target shares of ``base``, summing to at most 1.
    weight: Column
    #: Most whole shares that may be sold.
    sellable: Column
    buyable: Mask
    #: Inside its drift band: not traded, but sold where the reserve cannot do without.
    resting: Mask
    #: Commission: ``fee_share`` a share, at least ``fee_min``, at most ``fee_max`` a share.
    fee_share: Column
    fee_min: Column
    fee_max: Column
    #: Value of the holdings plus cash.
    base: float
    #: Cash to count on: less than all cash while working orders may still take some.
    cash: float
    reserve: float
    #: How far from its price an order may fill, in [0, 1).
    slippage: float
    #: Orders worth less are not made.
    min_order: float
    #: Cap on bought plus sold value; may be infinite.
    turnover: float


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
    #: Drift of the continuous optimum under the same bounds.
    drift_ideal: float


def allocate(problem: Problem) -> Allocation:
    """Find the whole-share trades of least drift. Same columns in, same trades out."""
    return _Allocator(problem).solve()


@cache
def _subsets(count: int) -> Column:
    """Every subset of ``count`` things, one a column of zeros and ones, the empty one first."""
    return ((np.arange(1 << count) >> np.arange(count)[:, None]) & 1).astype(np.float64)


def _subset_sums(rows: Column) -> Column:
    """Sums of every subset of the columns of ``rows``, in the order of :func:`_subsets`.

    Doubled up rather than multiplied out, so that every machine rounds alike.
    """
    height, count = rows.shape
    sums = np.zeros((height, 1 << count))
    for i in range(count):
        half = 1 << i
        np.add(sums[:, :half], rows[:, i : i + 1], out=sums[:, half : 2 * half])
    return sums


def _drift(d: Column) -> float:
    return (float(np.abs(d).sum()) + abs(float(d.sum()))) / 2


class _Allocator:
    """One problem being solved, with bounds that tighten on the way."""

    def __init__(self, problem: Problem) -> None:
        self.p = problem
        self.value = problem.held * problem.price
        self.eps = _EPS * max(abs(problem.base), abs(problem.cash))
        self.low = np.where(problem.resting, 0.0, -problem.sellable)
        self.high = np.where(problem.buyable & ~problem.resting, np.inf, 0.0)
        self.worst_limit = problem.cash - problem.reserve
        headroom = problem.slippage * float(self.value.sum())
        self.net_limit = max(0.0, (self.worst_limit - headroom) / (1 + problem.slippage))

    def solve(self) -> Allocation:
        p = self.p
        before = self.value - p.weight * p.base
        want, starved = self.ideal(p.weight * p.base, 0.0)
        if starved and p.resting.any():
            self.low = -p.sellable
            want, starved = self.ideal(p.weight * p.base, 0.0)
        fee = float(self.fees(np.rint((want - self.value) / p.price)).sum())
        want, starved = self.ideal(p.weight * (p.base - fee), fee)
        n = self.floor(want)
        if not starved:
            self.whole(n)
        n = self.worthwhile(n, before)
        fees = self.fees(n)
        fee = float(fees.sum())
        target = p.weight * (p.base - fee)
        want, _ = self.ideal(target, fee)
        return Allocation(
            trade=n.astype(np.int64),
            ideal=want / p.price,
            commission=fees,
            drift_before=_drift(before),
            drift_after=_drift(self.value + n * p.price - target),
            drift_ideal=_drift(want - target),
        )

    # What a vector of trades costs -------------------------------------------------------

    def fees(self, n: Column) -> Column:
        q = np.abs(n)
        fees: Column = np.minimum(np.maximum(q * self.p.fee_share, self.p.fee_min), q * self.p.fee_max)
        return fees

    def slack(self, n: Column) -> tuple[float, float, float]:
        """What is left of worst cash, net cash and turnover; negative where broken."""
        value = n * self.p.price
        net, gross = float(value.sum()), float(np.abs(value).sum())
        fee = float(self.fees(n).sum())
        return (
            self.worst_limit - net - self.p.slippage * gross - fee,
            self.net_limit - net - fee,
            self.p.turnover - gross,
        )

    def deviation(self, n: Column) -> Column:
        fee = float(self.fees(n).sum())
        d: Column = self.value + n * self.p.price - self.p.weight * (self.p.base - fee)
        return d

    def steps(self, at: NDArray[np.intp], n: Column, d: Column, step: Column) -> Column:
        """Change of sum d, sum |d|, worst cash, net cash and turnover, a row each."""
        p = self.p
        price, was, dev = p.price[at], n[at], d[at]
        moved = step * price
        q0, q1 = np.abs(was), np.abs(was + step)
        share, least, most = p.fee_share[at], p.fee_min[at], p.fee_max[at]
        fee = np.minimum(np.maximum(q1 * share, least), q1 * most)
        fee -= np.minimum(np.maximum(q0 * share, least), q0 * most)
        gross = (q1 - q0) * price
        net = moved + fee
        # A commission lowers every target a little.
        each = fee * float(p.weight.sum())
        every = fee * float((p.weight * np.sign(d)).sum())
        bent = np.abs(dev + moved) - np.abs(dev) + every
        return np.array((moved + each, bent, net + p.slippage * gross, net, gross))

    # The continuous optimum ---------------------------------------------------------------

    def ideal(self, target: Column, fee: float) -> tuple[Column, bool]:
        """Values to hold, and whether even they cannot restore the reserve.

        Orders that would come out below the smallest worth sending are given up one by one.
        """
        while True:
            want, starved = self.continuous(target, fee)
            if np.isfinite(self.p.turnover):
                want = self.capped(want, self.p.turnover)
            size = np.abs(want - self.value)
            small = (size > self.eps) & (size < self.p.min_order)
            if self.p.min_order <= 0 or not small.any():
                return want, starved
            self.give_up(small)

    def give_up(self, small: Mask) -> None:
        self.low = np.where(small, 0.0, self.low)
        self.high = np.where(small, 0.0, self.high)

    def continuous(self, target: Column, fee: float) -> tuple[Column, bool]:
        """Targets, less what the constraints forbid.

        Buys give way first, all to one fraction of their targets. When there are none left
        to give way, holdings are sold down, all to one fraction of theirs.
        """
        p = self.p
        floor = self.value + self.low * p.price
        want = np.where(target > self.value, np.where(self.high > 0, target, self.value), np.maximum(target, floor))
        want = np.where(p.resting, self.value, want)
        change = want - self.value
        buying = change > 0
        buys = float(change[buying].sum())
        sells = buys - float(change.sum())
        room = min(
            self.net_limit - fee + sells,
            (self.worst_limit - fee + sells * (1 - p.slippage)) / (1 + p.slippage),
        )
        if room >= buys:
            return want, False
        if room >= 0:
            return self.scaled(target, want, buying, room), False
        short = max(fee - self.net_limit, (fee - self.worst_limit) / (1 - p.slippage))
        return self.sold_down(target, np.minimum(want, self.value), floor, short)

    def scaled(self, target: Column, want: Column, buying: Mask, room: float) -> Column:
        """Spend ``room`` so that every buy ends at the same fraction of its target."""
        held, goal = self.value[buying], target[buying]
        ratio = held / goal
        order = np.argsort(ratio, kind="stable")
        goals, helds = np.cumsum(goal[order]), np.cumsum(held[order])
        spent = ratio[order] * goals - helds
        last = int(np.searchsorted(spent, room, side="right")) - 1
        fraction = (room + helds[last]) / goals[last]
        return np.where(buying, np.maximum(self.value, fraction * target), want)

    def sold_down(
        self, target: Column, want: Column, floor: Column, short: float
    ) -> tuple[Column, bool]:
        """Sell until ``short`` is raised, every holding to the same fraction of its target."""
        if float((self.value - floor).sum()) < short - self.eps:
            return floor, True
        low, high = 0.0, float(np.max(self.value / np.maximum(target, self.eps)))
        for _ in range(80):
            middle = (low + high) / 2
            sold = self.value - np.maximum(np.minimum(want, middle * target), floor)
            low, high = (middle, high) if float(sold.sum()) >= short else (low, middle)
        return np.maximum(np.minimum(want, low * target), floor), False

    def capped(self, want: Column, cap: float) -> Column:
        """Keep the largest trades up to the turnover cap.

        What moves cash towards its target comes first: it lowers the drift by its whole
        value, a sell that pays for a buy only by half of both.
        """
        change = want - self.value
        sell, buy = np.maximum(-change, 0.0), np.maximum(change, 0.0)
        sells, buys = float(sell.sum()), float(buy.sum())
        if sells + buys <= cap:
            return want
        net = max(-cap, min(cap, buys - sells))
        paired = (cap - abs(net)) / 2
        bought = _largest_first(buy, paired + max(net, 0.0), self.eps)
        sold = _largest_first(sell, paired + max(-net, 0.0), self.eps)
        return self.value + bought - sold

    # Whole shares -------------------------------------------------------------------------

    def floor(self, want: Column) -> Column:
        """Whole shares below ``want``, hence feasible, and within the turnover cap."""
        p = self.p
        cap = p.turnover
        for _ in range(8):
            n = np.floor((want - self.value) / p.price + _TICK)
            n = np.maximum(n, self.low)
            over = float((np.abs(n) * p.price).sum()) - p.turnover
            if over <= self.eps:
                return n
            cap = max(0.0, cap - over)
            want = self.capped(want, cap)
        # Too tight for sells to be rounded up: sell less, and let nothing depend on it.
        return np.minimum(np.ceil((want - self.value) / p.price - _TICK), 0.0)

    def whole(self, n: Column) -> None:
        p = self.p
        self.filled(n)
        d = self.deviation(n)
        free = np.flatnonzero(n < self.high)
        if not len(free):
            return
        steps = self.steps(free, n, d, np.ones(len(free)))
        gain = -steps[1] / p.price[free]
        order = np.argsort(-np.round(gain, 9), kind="stable")
        sums = np.zeros((5, len(free) + 1))
        np.cumsum(steps[:, order], axis=1, out=sums[:, 1:])
        score, need = self.judged(sums, n, d)
        score[need > self.eps] = np.inf
        cut = _first_least(score, self.eps)
        n[free[order[:cut]]] += 1
        edge = gain[order[min(cut, len(free) - 1)]]
        for power in POWERS[: 3 if len(n) <= 32 else 1]:
            self.flipped(n, edge, power)

    def near(self, n: Column, d: Column, edge: float, power: float):
        p = self.p
        size = np.abs(d)
        up = edge - (size - np.abs(d + p.price)) / p.price
        down = (np.abs(d - p.price) - size) / p.price - edge
        up = np.where(n < self.high, np.abs(up), np.inf)
        down = np.where(n > self.low, np.abs(down), np.inf)
        regret = np.minimum(up, down) * p.price ** power
        near = np.argsort(np.round(regret, 9), kind="stable")[:_FLIPS]
        near = near[np.isfinite(regret[near])]
        return near, np.where(up[near] <= down[near], 1.0, -1.0)

    def filled(self, n: Column) -> None:
        """Use what rounding down left over for whole shares that are still below target."""
        p = self.p
        short = -self.deviation(n)
        room = np.where(n < self.high, np.floor(short / p.price + _TICK), 0.0)
        room = np.maximum(room, 0.0)
        value = float((room * p.price).sum())
        if value <= self.eps:
            return
        worst, net, turnover = self.slack(n)
        left = min(worst / (1 + p.slippage), net, turnover)
        for _ in range(8):
            if left<=0: break
            more = n + np.floor(min(1.0, left / value) * room + _TICK)
            if min(self.slack(more)) >= -self.eps:
                n[:] = more
                return
            left *= 0.98

    def judged(self, sums: Column, n: Column, d: Column) -> tuple[Column, Column]:
        """Drift after each column of changes, and the value of sales it would still need."""
        p = self.p
        worst, net, turnover = self.slack(n)
        total, signed = float(np.abs(d).sum()), float(d.sum())
        score = (sums[1] + total + np.abs(sums[0] + signed)) / 2
        need = np.maximum((sums[2] - worst) / (1 - p.slippage), sums[3] - net)
        if np.isfinite(turnover):
            need[sums[4] > turnover + self.eps] = np.inf
        return score, need

    def flipped(self, n: Column, edge: float, power: float) -> None:
        """Flip the best subset of ``step`` in ``n``, sales that pay for it included."""
        d = self.deviation(n)
        free, step = self.near(n, d, edge, power)
        subsets = _subsets(len(free))
        sums = _subset_sums(self.steps(free, n, d, step))
        score, need = self.judged(sums, n, d)
        bound = score + np.maximum(need, 0.0)
        score[need > self.eps] = np.inf
        best = _first_least(score, self.eps)
        least = score[best]
        sale = None
        hopeful = np.flatnonzero((bound - np.maximum(sums[0] + d.sum(), 0) < least - self.eps) & (need > self.eps) & np.isfinite(need))
        if len(hopeful):
            sale = self.sale(n, hopeful, bound, need, sums, d, least)
        if sale is not None:
            b, who, count = sale
            trial = n.copy()
            trial[free] += step * subsets[:, b]
            np.subtract.at(trial, who, count)
            if (trial>=self.low).all() and min(self.slack(trial)) >= -self.eps and _drift(self.deviation(trial)) < least - self.eps:
                n[:] = trial
                return
        n[free] += step * subsets[:, best]

    def sale(self, n, hopeful, bound, need, sums, d, least):
        p = self.p
        sellable = np.flatnonzero(n > self.low)
        cheap = sellable[np.argsort(p.price[sellable], kind="stable")][:_FLIPS]
        if not len(cheap):
            return None
        who, count = [], []
        for c in (1.0, 2.0, 4.0):
            ok = cheap[n[cheap] - self.low[cheap] >= 2 * c - 1] if c>1 else cheap
            who += ok.tolist(); count += [c] * len(ok)
        size = 10 if len(self.value) > _FEW else 12
        who_ = np.array(who[:size]); count_ = np.array(count[:size])
        subsets = _subsets(len(who_))
        raised = _subset_sums((p.price[who_] * count_)[None, :])[0]
        order = np.argsort(raised, kind="stable")
        raised = raised[order]
        at = np.searchsorted(raised, need[hopeful] + self.eps)
        ok = at < len(raised)
        hopeful, at = hopeful[ok], at[ok]
        if not len(hopeful):
            return None
        signed = sums[0][hopeful] + d.sum()
        total = sums[1][hopeful] + np.abs(d).sum()
        over, under = (total + signed) / 2, (total - signed) / 2
        score = np.maximum(over, under + raised[at])
        best = _first_least(score, self.eps)
        if score[best] >= least - self.eps:
            return None
        return int(hopeful[best]), who_, count_ * subsets[:, order[at[best]]]

    def worthwhile(self, n: Column, before: Column) -> Column:
        """Leave out trades, or the whole plan, that cost more than the drift they remove."""
        p = self.p
        solvent = self.worst_limit >= 0
        for _ in range(len(n)):
            fees = self.fees(n)
            moved = n * p.price
            d = self.value + moved - p.weight * (p.base - float(fees.sum()))
            signed = float(d.sum())
            loss = np.abs(d - moved) - np.abs(d) + np.abs(signed - moved) - abs(signed)
            worst, net, _ = self.slack(n)
            room = min(worst, net) + self.eps
            idle = (n != 0) & (loss / 2 <= fees) & ((n > 0) | (solvent & (-moved <= room)))
            if not idle.any():
                break
            n = n.copy()
            n[np.argmin(np.where(idle, loss / 2 - fees, np.inf))] = 0.0
        fee = float(self.fees(n).sum())
        after = self.value + n * p.price - p.weight * (p.base - fee)
        gain = _drift(before) - _drift(after)
        if solvent and gain <= fee + 2 * _SETTLED * p.base:
            return np.zeros_like(n)
        return n


def _first_least(score: Column, eps: float) -> int:
    """Index of the least; of those that floats cannot tell apart, the first."""
    return int(np.argmax(score <= score.min() + eps))


def _largest_first(size: Column, room: float, eps: float) -> Column:
    """Of ``size``, keep the largest entries that fit into ``room``, and a part of the next."""
    order = np.argsort(-np.round(size / max(eps, 1e-300)), kind="stable")
    ahead = np.cumsum(size[order]) - size[order]
    kept = np.zeros_like(size)
    kept[order] = np.clip(room - ahead, 0.0, size[order])
    return kept
