"""Whether a conditional rebalance is due: how far the account is off, and what is exceeded.

The drift of a symbol is its weight less its target weight, both as shares of the value that
the target applies to; the target weight leaves room for the reserve, as in every plan. The
relative drift is that, divided by the target weight; what the target does not want has none.
Uninvested is the cash beyond what reserve and target leave in cash; negative: there is less.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal

from rebalancer.core.planned import Plan, PlanLine
from rebalancer.core.request import Aim, Mode, Request, When

_RATIO = Context(prec=10)
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one symbol is off; shares of 1, positive when there is too much of it."""

    symbol: str
    absolute: Decimal
    #: ``None`` for what the target does not want.
    relative: Decimal | None


@dataclass(frozen=True, slots=True)
class State:
    """How far an account is off, in every way that a condition may ask about."""

    drifts: tuple[Drift, ...]
    uninvested: Decimal


def state(plan: Plan) -> State:
    """Measure the account that a plan was made for; what the plan trades does not matter."""
    if plan.base <= 0:
        return State((), _ZERO)
    drifts = tuple(_drift(line) for line in plan.lines)
    wanted = sum((line.target_weight for line in plan.lines), _ZERO)
    in_cash = max(plan.reserve - plan.aside, (1 - wanted) * plan.base)
    beyond = plan.cash_expected - plan.aside - in_cash
    return State(drifts, _RATIO.divide(beyond, plan.base))


def _drift(line: PlanLine) -> Drift:
    target = line.target_weight
    held = max(line.held, _ZERO)
    if not target:
        # Nothing can be done about the fraction of a share.
        held = held.to_integral_value(ROUND_FLOOR)
    weight = _RATIO.divide(held * line.price * line.rate, line.terms.base)
    off = weight - target
    return Drift(line.symbol, off, _RATIO.divide(off, target) if target else None)


def exceeded(found: State, when: When) -> tuple[str, ...]:
    """Say which thresholds are exceeded, and by what; nothing if none is."""
    return tuple(_exceeded(found, when))


def _exceeded(found: State, when: When) -> Iterator[str]:
    absolute, relative = when.drift_exceeds_percent, when.drift_exceeds_relative_percent
    for drift in found.drifts:
        if absolute is not None and abs(drift.absolute) * 100 > absolute:
            yield f"{drift.symbol} is off by {drift.absolute:+.2%}, more than {absolute}%"
        if relative is None or drift.relative is None:
            continue
        if abs(drift.relative) * 100 > relative:
            said = f"{drift.symbol} is off by {drift.relative:+.2%} of its target"
            yield f"{said}, more than {relative}%"
    cash = when.uninvested_cash_exceeds_percent
    if cash is not None and found.uninvested * 100 > cash:
        yield f"{found.uninvested:.2%} is uninvested cash, more than {cash}%"


def below(found: State, when: When) -> str:
    """Say how far off the account is, where no threshold is exceeded."""
    said = []
    worst = max(found.drifts, key=lambda d: abs(d.absolute), default=None)
    if when.drift_exceeds_percent is not None and worst is not None:
        limit = when.drift_exceeds_percent
        said.append(f"{worst.symbol} is off most, by {worst.absolute:+.2%} of {limit}%")
    named = [(d.symbol, d.relative) for d in found.drifts if d.relative is not None]
    if when.drift_exceeds_relative_percent is not None and named:
        symbol, off = max(named, key=lambda pair: abs(pair[1]))
        said.append(
            f"{symbol} is off most for its target, by {off:+.2%} of "
            f"{when.drift_exceeds_relative_percent}%"
        )
    if when.uninvested_cash_exceeds_percent is not None:
        limit = when.uninvested_cash_exceeds_percent
        said.append(f"uninvested cash is {found.uninvested:.2%} of {limit}%")
    return ", ".join(said)


def aim(request: Request, found: State | None = None, before: Aim | None = None) -> Aim | None:
    """Decide what is to be done; ``None``: nothing is due.

    ``found`` may be left out where nothing depends on it. ``before`` is what the event has
    begun to do, or what a person has agreed to: that stays due.
    """

    def due(when: When | None, mode: Mode) -> bool:
        if when is None:
            return False
        begun = before is not None and before.mode == mode
        return when.always or begun or (found is not None and bool(exceeded(found, when)))

    if due(request.full, "full"):
        return Aim("full", request.raise_cash)
    if due(request.buy_only, "buy-only"):
        return Aim("buy-only", request.raise_cash)
    return Aim("raise-cash", request.raise_cash) if request.raise_cash else None
