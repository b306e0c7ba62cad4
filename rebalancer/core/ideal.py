"""The continuous optimum: what to hold if shares could be cut to any size.

**What is minimised.** With ``d`` the deviations of the holdings' values from their targets,
cash deviates by ``-sum(d)``, since money only moves between them, so

    drift = (sum |d| + |sum d|) / 2 = max(value above target, value below target)

**Subject to**, with the signed shares to trade and their commissions,

* *cash*: even if every buy fills the whole allowance above its price and every sell the whole
  allowance below, no more is spent than the plan's budget. That is all cash above the reserve,
  unless it may be what earlier plans left over because they filled at better prices than the
  worst: see ``_budget``;
* the turnover cap, and per symbol what may be sold and whether it may be bought.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rebalancer.core.problem import Column, Mask, Problem

#: Relative size of what floats cannot tell apart and hence must not decide.
EPS = 1e-11


@dataclass(frozen=True, slots=True)
class Limits:
    """A problem's constraints, made out once."""

    value: Column
    #: Signed whole shares: no less, no more than may be traded.
    low: Column
    high: Column
    #: Cash that trades may take at the worst price: of all there is, what may be put to work.
    cash: float
    budget: float
    #: Money too small to matter.
    eps: float


def limits(problem: Problem) -> Limits:
    """Make out the constraints of ``problem``; resting symbols rest."""
    p = problem
    value = p.held * p.price
    high = np.where(p.buyable & ~p.resting, np.inf, 0.0)
    return Limits(
        value=value,
        low=np.where(p.resting, 0.0, -p.sellable),
        high=high,
        cash=p.cash - p.reserve,
        budget=_budget(p, p.cash - p.reserve, float(value.sum())),
        eps=EPS * max(p.base, abs(p.cash)),
    )


def _budget(p: Problem, excess: float, value: float) -> float:
    """How much of the cash above the reserve may be put to work, sells aside.

    A plan that bought and sold ``gross`` and filled at its reference prices leaves the
    allowance on that, and a rest ``r`` for which it found no use. With a budget of at most
    ``r``, whatever the next plan could do, the first could have done as well: there is
    nothing to do. ``gross`` is at most twice the value held now, and ``r`` seldom as much as
    a share. What exceeds both must be new money, and all of it is spent.
    """
    if p.spent is not None:
        # The same rebalance goes on: only the allowance of its own buys is left alone.
        return min(excess, max(0.0, excess - p.slippage * p.spent))
    # The reserve shrank by its share of the commissions, which is no money to spend.
    fees = np.minimum(np.maximum(p.held * p.fee_share, p.fee_min), p.held * p.fee_max)
    left = 2 * p.slippage * value + p.reserve / p.base * float(fees.sum())
    share = float(p.price.max(initial=0.0, where=p.buyable & (p.weight > 0)))
    if excess > left + share or excess <= 0:
        return excess
    return max(0.0, excess - left)


def leave_alone(limits: Limits, which: Mask) -> Limits:
    """Forbid trading ``which``."""
    return replace(
        limits,
        low=np.where(which, 0.0, limits.low),
        high=np.where(which, 0.0, limits.high),
    )


def ideal(p: Problem, lim: Limits, fee: float, aside: float) -> tuple[Column, bool]:
    """Values to hold, and whether even they leave the reserve broken.

    ``fee`` is the commission that lowers the targets, ``aside`` the cash kept for it.
    Buys give way to the constraints first, all to one fraction of their targets. When none
    are left to give way, holdings are sold down, all to one fraction of theirs.
    """
    target = p.weight * (p.base - fee)
    floor = lim.value + lim.low * p.price
    raised = np.where(lim.high > 0, target, lim.value)
    want = np.where(target > lim.value, raised, np.maximum(target, floor))
    want = np.where(p.resting, lim.value, want)
    change = want - lim.value
    buying = change > 0
    buys = float(change[buying].sum())
    sells = buys - float(change.sum())
    up, down = 1 + p.slippage, 1 - p.slippage
    room = (lim.budget - aside + sells * down) / up
    starved = False
    if room < buys:
        if room >= 0:
            want = np.where(buying, _scaled(lim.value, target, buying, room), want)
        else:
            short = (aside - lim.budget) / down
            want = np.minimum(want, lim.value)
            want, starved = _sold_down(lim, target, want, floor, short)
    return capped(lim, want, p.turnover), starved


def _scaled(value: Column, target: Column, buying: Mask, room: float) -> Column:
    """Spend ``room`` so that every buy ends at the same fraction of its target."""
    held, goal = value[buying], target[buying]
    ratio = held / goal
    order = ratio.argsort(kind="stable")
    goals, helds = goal[order].cumsum(), held[order].cumsum()
    spent = ratio[order] * goals - helds
    last = int(spent.searchsorted(room, side="right")) - 1
    fraction = (room + helds[last]) / goals[last]
    wanted: Column = np.maximum(value, fraction * target)
    return wanted


def _sold_down(
    lim: Limits,
    target: Column,
    want: Column,
    floor: Column,
    short: float,
) -> tuple[Column, bool]:
    """Sell until ``short`` is raised, every holding to the same fraction of its target."""
    if float((lim.value - floor).sum()) < short - lim.eps:
        return floor, True
    low, high = 0.0, float(np.max(lim.value / np.maximum(target, lim.eps)))
    for _ in range(80):
        middle = (low + high) / 2
        sold = lim.value - np.maximum(np.minimum(want, middle * target), floor)
        low, high = (middle, high) if float(sold.sum()) >= short else (low, middle)
    return np.maximum(np.minimum(want, low * target), floor), False


def capped(lim: Limits, want: Column, cap: float) -> Column:
    """Keep the largest trades up to the turnover ``cap``.

    What moves cash towards its target comes first: it lowers the drift by its whole value,
    a sell that pays for a buy only by half of both.
    """
    if not np.isfinite(cap):
        return want
    change = want - lim.value
    sell, buy = np.maximum(-change, 0.0), np.maximum(change, 0.0)
    sells, buys = float(sell.sum()), float(buy.sum())
    if sells + buys <= cap:
        return want
    net = max(-cap, min(cap, buys - sells))
    paired = (cap - abs(net)) / 2
    bought = _largest_first(buy, paired + max(net, 0.0), lim.eps)
    sold = _largest_first(sell, paired + max(-net, 0.0), lim.eps)
    return lim.value + bought - sold


def _largest_first(size: Column, room: float, eps: float) -> Column:
    """Of ``size``, keep the largest entries that fit into ``room``, and a part of the next."""
    order = np.argsort(-np.round(size / eps), kind="stable")
    ahead = np.cumsum(size[order]) - size[order]
    kept = np.zeros_like(size)
    kept[order] = np.clip(room - ahead, 0.0, size[order])
    return kept
