"""A plan that a person has to agree to, and what may be traded once they have.

Exactly the plan that was shown is traded: its symbols, its shares, within its collars around
its reference prices. If anything has moved further meanwhile than the account tolerates, the
person is asked again about a plan of the present.

While it is being carried out the account moves towards the plan's end. So what is left to do
is measured from there: each holding must lie between where it was and where it should end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from rebalancer.core.planned import Plan, PlanLine
from rebalancer.core.request import Aim

_ZERO = Decimal(0)
_PARTS = Decimal(10_000)


@dataclass(frozen=True, slots=True)
class ProposedLine:
    """One order of a proposal; shares are signed, money is the account's currency."""

    symbol: str
    con_id: int
    held: Decimal
    trade: int
    #: The reference price, in the instrument's currency.
    price: Decimal
    commission: Decimal


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan put before a person. Times are Unix seconds."""

    account_id: str
    event_id: str
    plan_hash: str
    target_hash: str
    net_liquidation: Decimal
    cash: Decimal
    lines: tuple[ProposedLine, ...]
    proposed_at: float
    expires_at: float
    #: What the plan was to do, as ``str(Aim)``.
    asked: str = str(Aim())


def propose(plan: Plan, event_id: str, *, now: float, expires_at: float) -> Proposal:
    """Put a plan before a person."""
    return Proposal(
        account_id=plan.account_id,
        event_id=event_id,
        plan_hash=plan.hash,
        target_hash=plan.target_hash,
        net_liquidation=plan.net_liquidation,
        cash=plan.cash_before,
        lines=tuple(
            ProposedLine(x.symbol, x.con_id, x.held, x.trade, x.price, x.est_commission)
            for x in plan.lines
        ),
        proposed_at=now,
        expires_at=expires_at,
        asked=str(plan.aim),
    )


def why_not(
    proposal: Proposal, fresh: Plan, event_id: str, *, now: float, tolerance: Decimal
) -> str:
    """Return why the proposal no longer stands; '' while it does.

    Args:
        proposal: what the person was shown.
        fresh: a plan of the present, for the same account.
        event_id: of the signal that is being carried out.
        now: Unix seconds.
        tolerance: how far prices, and cash as a share of NetLiquidation, may have moved.
    """
    return next(_objections(proposal, fresh, event_id, now, tolerance), "")


def _objections(
    proposal: Proposal, fresh: Plan, event_id: str, now: float, tolerance: Decimal
) -> Iterator[str]:
    if proposal.event_id != event_id:
        yield "it was made for another signal"
    if now >= proposal.expires_at:
        yield "it has expired"
    if proposal.asked != str(fresh.aim):
        yield "something else was asked for meanwhile"
    if proposal.target_hash != fresh.target_hash:
        yield "the target has changed"
    lines = {line.symbol: line for line in fresh.lines}
    for was in proposal.lines:
        yield from _moved(was, lines.get(was.symbol), tolerance)
    known = {was.symbol for was in proposal.lines}
    if new := [x.symbol for x in fresh.lines if x.held and x.symbol not in known]:
        yield f"{', '.join(new)} came into the account"
    begun = any(_held(lines.get(was.symbol)) != was.held for was in proposal.lines)
    off = abs(fresh.cash_before - proposal.cash)
    if not begun and off > tolerance * abs(proposal.net_liquidation):
        yield f"cash was {proposal.cash:.2f} and is {fresh.cash_before:.2f}"
    exact = remainder(proposal, fresh)
    if exact.buys and exact.cash_worst < exact.reserve:
        yield "its buys would break the reserve"


def _moved(was: ProposedLine, line: PlanLine | None, tolerance: Decimal) -> Iterator[str]:
    """What has changed about one symbol, beyond its way to where it should end."""
    low, high = sorted((was.held, was.held + was.trade))
    if not low <= _held(line) <= high:
        yield f"{was.symbol} was {was.held} shares and is {_held(line)}"
    if line is None:
        # Sold to the last share, it leaves the plan, unless the target names it.
        if was.held + was.trade:
            yield f"{was.symbol} is no longer in the plan"
        return
    if line.con_id != was.con_id:
        yield f"{was.symbol} is another contract"
    moved = abs(line.price / was.price - 1)
    if was.trade and moved > tolerance:
        yield f"{was.symbol} has moved by {moved:.2%}"


def _held(line: PlanLine | None) -> Decimal:
    return _ZERO if line is None else line.held


def remainder(proposal: Proposal, fresh: Plan) -> Plan:
    """Return the part of the proposal that is still to be traded, at the proposal's prices."""
    held = {line.symbol: line.held for line in fresh.lines}
    left = {
        was.symbol: int(was.held + was.trade - held[was.symbol])
        for was in proposal.lines
        if was.trade and was.symbol in held
    }
    return _with_trades(proposal, fresh, left)


def affordable(proposal: Proposal, fresh: Plan) -> Plan:
    """Return the buys that are still to be made of the proposal, as far as there is cash.

    All of them, if the reserve allows it; else none beyond what ``fresh``, a plan that only
    buys, would buy.
    """
    exact = remainder(proposal, fresh)
    buys = {line.symbol: max(line.trade, 0) for line in exact.lines}
    wanted = _with_trades(proposal, fresh, buys)
    if wanted.cash_worst >= wanted.reserve:
        return wanted
    less = {x.symbol: min(x.trade, buys[x.symbol]) for x in fresh.lines if x.trade > 0}
    return _with_trades(proposal, fresh, less)


def _with_trades(proposal: Proposal, fresh: Plan, trades: Mapping[str, int]) -> Plan:
    """Return ``fresh`` with other trades, and the drift that they lead to."""
    costs = {line.symbol: _share_of_cost(line) for line in proposal.lines}
    prices = {line.symbol: line.price for line in proposal.lines}
    lines = tuple(
        line._replace(
            trade=(trade := trades.get(line.symbol, 0)),
            price=prices[line.symbol] if trade else line.price,
            commission_parts=int(
                (abs(trade) * costs.get(line.symbol, _ZERO) * _PARTS).to_integral_value(
                    ROUND_CEILING
                )
            ),
            note=line.note if not trade else "",
        )
        for line in fresh.lines
    )
    made = replace(fresh, lines=lines)
    off = [x.value_after - x.target_weight * fresh.base for x in lines]
    drift = (sum(map(abs, off), _ZERO) + abs(sum(off, _ZERO))) / 2
    after = drift / fresh.base if fresh.base else _ZERO
    best = fresh.drift_after - fresh.gap
    return replace(made, drift_after=after, gap=max(after - best, _ZERO))


def _share_of_cost(line: ProposedLine) -> Decimal:
    return line.commission / abs(line.trade) if line.trade else _ZERO
