"""How near plans come to the best there is, and how long one takes.

    python -m tests.bench.bench_planner [--json] [--cases N] [--timings N] [--seconds S]

**Quality.** Seeded random accounts are planned, and the same problem is given to a
mixed-integer solver (HiGHS): whole shares, cash after the plan at or above the reserve even at
the worst price, nothing sold that is not held, least drift. The gap is the plan's drift less
the solver's, in basis points of NetLiquidation; where the solver did not finish, less its
proven bound, so that a gap is never understated. Commissions are left out on both sides: the
plan trades them against drift, which a pure drift optimum does not.

**Time.** The median of whole calls of ``plan``, at its default policy, commissions included.
The solver's time stands beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from scipy import optimize

from rebalancer.core.account import Account
from rebalancer.core.commission import Schedule
from rebalancer.core.plan import Plan, plan
from rebalancer.core.policy import Policy
from rebalancer.core.survey import survey
from rebalancer.core.target import Target
from tests.core.accounts import account

SYMBOLS = (5, 20, 100, 500)
VALUES = (10_000, 100_000, 1_000_000)
SLIPPAGES = (Decimal(0), Decimal("0.005"))
#: All in cash, drifted by some percent from the target, or invested in something else.
STARTS = ("cash", "drifted", "elsewhere")

FREE = Schedule()


def commission_free(_currency: str) -> Schedule:
    return FREE


# Cases ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """An account with its target, one of the seeded random ones."""

    account: Account
    target: Target
    start: str


def case(symbols: int, value: int, start: str, seed: int) -> Case:
    """Prices as ETFs and large stocks have them, weights as models have them."""
    dice = np.random.default_rng([seed, symbols, value, STARTS.index(start)])
    names = [f"S{n:03d}" for n in range(symbols)]
    cents = np.rint(np.exp(dice.normal(np.log(110), 0.8, symbols)).clip(5, 900) * 100)
    prices = {s: Decimal(int(c)) / 100 for s, c in zip(names, cents, strict=True)}
    parts = dice.dirichlet(np.full(symbols, 2.0))
    weights = {s: Decimal(int(w * 1e6)) / 1_000_000 for s, w in zip(names, parts, strict=True)}
    price = cents / 100
    if start == "cash":
        held = np.zeros(symbols)
    else:
        other = parts if start == "drifted" else dice.dirichlet(np.full(symbols, 2.0))
        moved = np.exp(dice.normal(0, 0.05, symbols)) if start == "drifted" else 1.0
        held = np.floor(other * moved * value * dice.uniform(0.93, 0.99) / price)
    cash = Decimal(int(100 * max(value - held.dot(price), value * 0.01))) / 100
    shares: dict[str, str | Decimal] = {
        s: Decimal(int(n)) for s, n in zip(names, held, strict=True) if n
    }
    return Case(account(cash, prices, shares), Target(weights, "random"), start)


# The best there is ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Optimum:
    """Least drift, in money: the best found, and what none can be better than."""

    found: float
    bound: float
    seconds: float


def optimum(given: Case, policy: Policy, seconds: float) -> Optimum:
    """Give the problem to HiGHS.

    With ``f`` the whole shares just below a target, ``n = f + y + u - l`` shares are
    ``|d(f)| + y (|d(f + 1)| - |d(f)|) + p (u + l)`` from it, ``y`` being 0 or 1 and ``u`` and
    ``l`` whole numbers from 0. This is exact, and its relaxation is tight enough to be solved.
    """
    found = survey(given.account, given.target, policy)
    price = np.array([float(x) for x in found.worth])
    held = np.array([float(x) for x in found.held])
    base, reserve, cash = float(found.base), float(found.reserve), float(found.cash)
    goal = np.array([float(w) for w in found.weights]) * float(found.scale) * base
    size, slip = len(price), float(policy.slippage)
    low = np.floor(goal / price)
    below = low * price - goal
    kink = np.abs(below + price) - np.abs(below)

    # Columns: y, u, l, bought, sold; then the amounts by which cash is over and under.
    eye, none = np.eye(size), np.zeros((size, 1))
    traded = np.hstack([eye, eye, -eye, -eye, eye, none, none])
    p = price[None, :]
    zero = np.zeros((1, size))
    # sum d = sum below + p (y + u - l); over - under = sum d
    signed = np.hstack([p, p, -p, zero, zero, [[-1.0]], [[1.0]]])
    worst = np.hstack(
        [zero, zero, zero, p * (1 + slip), -p * (1 - slip), [[0.0]], [[0.0]]],
    )
    cost = np.concatenate([kink, price, price, np.zeros(2 * size), [1.0, 1.0]]) / 2
    top = np.concatenate(
        [np.ones(size), np.full(size, np.inf), low, np.full(size, np.inf), held, [np.inf] * 2]
    )
    whole = np.concatenate([np.ones(3 * size), np.zeros(2 * size + 2)])
    began = time.perf_counter()
    # The solver's own tolerances are relative: money in units of the base would lose cents.
    answer = optimize.milp(
        cost,
        integrality=whole,
        bounds=optimize.Bounds(0, top),
        constraints=[
            optimize.LinearConstraint(traded, held - low, held - low),
            optimize.LinearConstraint(signed, -below.sum(), -below.sum()),
            optimize.LinearConstraint(worst, -np.inf, cash - reserve),
        ],
        options={"time_limit": seconds, "mip_rel_gap": 1e-6},
    )
    took = time.perf_counter() - began
    fixed = float(np.abs(below).sum()) / 2
    best = float(answer.fun) + fixed if answer.fun is not None else np.inf
    bound = answer.mip_dual_bound
    return Optimum(best, float(bound) + fixed if bound is not None else 0.0, took)


# Measuring --------------------------------------------------------------------------------


def gaps(
    symbols: int, value: int, slippage: Decimal, cases: int, seconds: float
) -> dict[str, Any]:
    """Plan and solve ``cases`` accounts of one size."""
    policy = Policy(slippage=slippage)
    over: list[float] = []
    solver: list[float] = []
    unproven = 0
    for seed in range(cases):
        given = case(symbols, value, STARTS[seed % len(STARTS)], seed)
        made = plan(given.account, given.target, policy, commissions=commission_free)
        _require_sound(made)
        best = optimum(given, policy, seconds)
        net = float(given.account.net_liquidation)
        drift = float(made.drift_after * made.base)
        unproven += best.found - best.bound > 1e-5 * net
        over.append(1e4 * (drift - min(best.bound, best.found)) / net)
        solver.append(best.seconds)
    over.sort()
    return {
        "symbols": symbols,
        "value": value,
        "slippage": str(slippage),
        "cases": cases,
        "p50": statistics.median(over),
        "p95": over[min(len(over) - 1, int(0.95 * len(over)))],
        "worst": over[-1],
        "least": over[0],
        "unproven": unproven,
        "solver_ms": 1e3 * statistics.median(solver),
    }


def _require_sound(made: Plan) -> None:
    """Raise if the plan breaks the reserve by buying, or sells what is not there."""
    if made.buys and made.cash_worst < made.reserve:
        raise AssertionError(f"the reserve is broken: {made.cash_worst} < {made.reserve}")
    short = [line.symbol for line in made.lines if line.held + line.trade < 0]
    if short:
        raise AssertionError(f"short of {short}")


def timings(symbols: int, value: int, calls: int) -> dict[str, Any]:
    """Median milliseconds of a whole ``plan``, over accounts of every start."""
    policy = Policy()
    given = [case(symbols, value, start, seed) for start in STARTS for seed in range(5)]
    # A decimal's hash or a warm cache is not what is measured: every call has its own target.
    took: list[float] = []
    for n in range(calls):
        each = given[n % len(given)]
        target = replace(each.target, source=str(n))
        began = time.perf_counter()
        plan(each.account, target, policy)
        took.append(1e3 * (time.perf_counter() - began))
    took.sort()
    return {
        "symbols": symbols,
        "value": value,
        "calls": calls,
        "median_ms": statistics.median(took),
        "p95_ms": took[int(0.95 * calls)],
    }


# The program ------------------------------------------------------------------------------


def _rows(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for slippage in SLIPPAGES:
        for symbols in SYMBOLS:
            for value in VALUES:
                row = gaps(symbols, value, slippage, arguments.cases, arguments.seconds)
                if not arguments.json:
                    print(
                        f"{slippage!s:>6} {symbols:>5} {value:>10,} "
                        f"{row['p50']:>8.2f} {row['p95']:>8.2f} {row['worst']:>8.2f} "
                        f"{row['unproven']:>9} {row['solver_ms']:>10.1f}",
                        flush=True,
                    )
                yield row


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cases", type=int, default=60, help="accounts per size (60)")
    parser.add_argument("--timings", type=int, default=600, help="timed plans per size (600)")
    parser.add_argument("--seconds", type=float, default=5.0, help="for the solver, a case")
    arguments = parser.parse_args(argv)
    if not arguments.json:
        print("gap to the optimum, basis points of NetLiquidation")
        print("  slip    syms    account      p50      p95    worst  unproven  solver ms")
    quality = list(_rows(arguments))
    speed = [timings(n, 100_000, arguments.timings) for n in SYMBOLS]
    if arguments.json:
        print(json.dumps({"quality": quality, "time": speed}))
        return
    print("\ntime of one plan, ms\n  syms   median      p95")
    for row in speed:
        print(f"{row['symbols']:>6} {row['median_ms']:>8.3f} {row['p95_ms']:>8.3f}")


if __name__ == "__main__":
    main()
