"""Holdings that a replacement set replaces count towards what they are replaced by.

An account that holds VTI and is to hold ITOT instead shall not sell the one to buy the other.
So held VTI, at the set's scale, fills ITOT's weight, and only what is missing is bought, in
ITOT. In shares of the base, with ``w`` the weight of a target, ``k`` what all weights are
scaled by to leave room for the reserve, ``h`` what is held of a source and ``s`` its scale,

    kept of a source    h, or less where the target and its sources together exceed k * w
    left for the target k * w - sum(s * kept)

What is too much, by more than a share, is sold from the sources first: that needs no purchase,
and they are what the set wants to be rid of. A source of scale 2 takes half the money of what
it stands for, one of scale 0.5 twice; ``k`` is what leaves room for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

from rebalancer.core.account import Account
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.survey import Survey, survey
from rebalancer.core.target import Substitute, Target

_ZERO = Decimal(0)
_ONE = Decimal(1)
_STEP = Decimal("1e-12")
#: Of the interval that ``k`` is looked for in: beyond what a share's price can tell.
_HALVINGS = 48


@dataclass(frozen=True, slots=True)
class _Source:
    symbol: str
    #: Share of the base that is held, and what a share of it stands for.
    held: Decimal
    scale: Decimal
    locked: bool


def counted(
    account: Account,
    target: Target,
    policy: Policy,
    sources: Mapping[str, Substitute],
    aside: Decimal = _ZERO,
) -> tuple[Target, Policy]:
    """Return what to plan with: the weights that are left to fill, and sources never bought.

    Args:
        account: what is held.
        target: what is aimed at; its ``hash`` stays.
        policy: how the account may be moved.
        sources: symbols of positions, by the symbol of ``target`` each is replaced by.
        aside: cash that no target applies to.

    Raises:
        StaleDataError, UnknownInstrumentError, PermanentError: as ``survey``; a held source
            without a price is one of the reasons.
    """
    wanted = {
        symbol: one
        for symbol, one in sources.items()
        if symbol not in target.weights and one.symbol in target.weights
    }
    if not wanted:
        return target, policy
    # With a weight, however small, the survey counts fractions of a share as held.
    probe = replace(target, weights={**target.weights, **dict.fromkeys(wanted, _STEP)})
    found = survey(account, probe, policy, aside=aside)
    if found.base <= 0:
        return target, policy
    columns = list(zip(found.symbols, found.counted, found.worth, strict=True))
    shares = {symbol: held * worth / found.base for symbol, held, worth in columns}
    groups: dict[str, list[_Source]] = {}
    for symbol, one in wanted.items():
        if shares[symbol] > 0:
            locked = policy.bounds.get(symbol, Bounds()).no_sell
            source = _Source(symbol, shares[symbol], one.scale, locked)
            groups.setdefault(one.symbol, []).append(source)
    if not groups:
        return target, policy
    worth = {symbol: worth / found.base for symbol, _, worth in columns}
    weights = _filled(target.weights, groups, (shares, worth), _room(found, aside))
    held = [source.symbol for group in groups.values() for source in group]
    bounds = {s: replace(policy.bounds.get(s, Bounds()), no_buy=True) for s in held}
    before = target.weights if target.before_holdings is None else target.before_holdings
    aimed = replace(target, weights=weights, before_holdings=before)
    return aimed, replace(policy, bounds={**policy.bounds, **bounds})


def _room(found: Survey, aside: Decimal) -> Decimal:
    # The survey's base is without what is set aside, its reserve with it.
    return max(_ONE - (found.reserve - aside) / found.base, _ZERO)


def _filled(
    weights: Mapping[str, Decimal],
    groups: Mapping[str, Sequence[_Source]],
    shares_and_worth: tuple[Mapping[str, Decimal], Mapping[str, Decimal]],
    room: Decimal,
) -> Mapping[str, Decimal]:
    """Weights that need no scaling for the reserve, sources among them."""
    shares, worth = shares_and_worth
    # What whole shares cannot hit is no reason to sell.
    slack = {s: max(worth[s], *(worth[o.symbol] for o in g)) for s, g in groups.items()}

    def at(k: Decimal) -> dict[str, Decimal]:
        left = {symbol: k * weight for symbol, weight in weights.items()}
        for symbol, group in groups.items():
            kept = _kept(group, left[symbol] - shares[symbol], slack[symbol])
            stands = sum((kept[one.symbol] * one.scale for one in group), _ZERO)
            left[symbol] = max(left[symbol] - stands, _ZERO)
            left |= kept
        return left

    low, high = _ZERO, _ONE
    found = at(high)
    if sum(found.values(), _ZERO) > room:
        # The sum grows with k, whatever the scales are.
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = sum(at(middle).values(), _ZERO) <= room
            low, high = (middle, high) if below else (low, middle)
        found = at(low)
    return {symbol: share.quantize(_STEP, ROUND_DOWN) for symbol, share in found.items()}


def _kept(group: Sequence[_Source], open_: Decimal, slack: Decimal) -> Mapping[str, Decimal]:
    """What stays of the sources of a target that lacks ``open_`` of its weight."""
    locked = sum((one.held * one.scale for one in group if one.locked), _ZERO)
    free = sum((one.held * one.scale for one in group if not one.locked), _ZERO)
    enough = locked + free <= open_ + slack
    fraction = _ONE if enough or not free else max(open_ - locked, _ZERO) / free
    return {one.symbol: one.held if one.locked else one.held * fraction for one in group}
