"""A survey as columns of floats: what the allocation is worked out on.

With :mod:`rebalancer.core.ideal`, :mod:`rebalancer.core.tally` and
:mod:`rebalancer.core.allocate` the only modules of the core that use floats. Money is in the
account's base currency throughout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from rebalancer.core.commission import Schedule
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.survey import Survey

Column = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FREE = Bounds()


@dataclass(frozen=True, slots=True)
class Problem:
    """One allocation. Columns run over the symbols of the survey."""

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
    #: Value of the holdings plus cash, > 0.
    base: float
    #: Cash to count on: less than all cash while working orders may still take some.
    cash: float
    #: Cash that earlier trades of the same rebalance have cost; ``None``: there were none.
    spent: float | None
    reserve: float
    #: How far from its price an order may fill, in [0, 1).
    slippage: float
    #: Orders worth less are not made.
    min_order: float
    #: Cap on bought plus sold value; may be infinite.
    turnover: float


def pose(
    found: Survey,
    policy: Policy,
    commissions: Callable[[str], Schedule],
) -> Problem:
    """Turn a survey into a problem; ``commissions`` gives the price list for a currency."""
    price, held = _column(found.worth), _shares(found.held)
    counted = held if found.counted is found.held else _shares(found.counted)
    owned = held if found.positions is found.held else _shares(found.positions)
    weight = _column(found.weights) * float(found.scale)
    base = float(found.base)
    band, no_buy, no_sell = _bounds(found, policy)
    # Never what is still to come, nor what a working order sells already.
    spare = np.maximum(np.floor(np.minimum(owned, held)), 0.0)
    off = np.abs(counted * price / base - weight)

    kinds = [i.currency for i in found.instruments]
    rates = {kind: found.rates[kinds.index(kind)] for kind in set(kinds)}
    lists = {kind: commissions(kind) for kind in rates}
    per_share = _spread({k: f.per_share * rates[k] for k, f in lists.items()}, kinds)
    of_value = _spread({k: f.of_value for k, f in lists.items()}, kinds)
    most = {k: f.most_of_value for k, f in lists.items()}
    return Problem(
        price=price,
        held=counted,
        weight=weight,
        sellable=spare * ~no_sell,
        buyable=~no_buy,
        # Leaving a model is no drift within it: what is to go, goes.
        resting=(off <= band) & (band > 0) & (weight > 0),
        fee_share=per_share + of_value * price,
        fee_min=_spread({k: f.least * rates[k] for k, f in lists.items()}, kinds),
        fee_max=_spread({k: 10**9 if m is None else m for k, m in most.items()}, kinds) * price,
        base=base,
        cash=float(found.sure_cash),
        spent=None if found.spent is None else float(found.spent),
        reserve=float(found.reserve),
        slippage=float(policy.slippage),
        min_order=float(policy.min_order_value),
        turnover=float(found.turnover),
    )


def ten_thousandths(values: Column) -> list[int]:
    """Round to four places; the whole numbers of those."""
    rounded: list[int] = np.rint(values * 1e4).astype(np.int64).tolist()
    return rounded


def _bounds(found: Survey, policy: Policy) -> tuple[Column, Mask, Mask]:
    """Drift bands, and what may not be bought or sold."""
    symbols = found.symbols
    blocked = np.zeros(len(symbols), dtype=np.bool_)
    if found.shorts:
        blocked = _mask([s in found.shorts for s in symbols])
    if not policy.bounds:
        return np.full(len(symbols), float(policy.drift_band)), blocked, blocked
    bounds = [policy.bounds.get(s, _FREE) for s in symbols]
    band = [policy.drift_band if b.drift_band is None else b.drift_band for b in bounds]
    no_buy, no_sell = _mask([b.no_buy for b in bounds]), _mask([b.no_sell for b in bounds])
    return _column(band), blocked | no_buy, blocked | no_sell


def _column(values: Sequence[Decimal]) -> Column:
    return np.fromiter(map(float, values), np.float64, len(values))


def _shares(values: Sequence[Decimal]) -> Column:
    """The same for counts, which are most often whole: integers take half the time."""
    whole = list(map(int, values))
    if sum(whole) == sum(values) and min(values, default=0) >= 0:
        return np.fromiter(whole, np.float64, len(values))
    return _column(values)


def _mask(values: Sequence[bool]) -> Mask:
    return np.fromiter(values, np.bool_, len(values))


def _spread(by_kind: Mapping[str, Decimal | int], kinds: Sequence[str]) -> Column:
    """Give each of ``kinds`` what ``by_kind`` has for it; most often there is but one."""
    if len(by_kind) == 1:
        return np.full(len(kinds), float(*by_kind.values()))
    return np.fromiter((float(by_kind[kind]) for kind in kinds), np.float64, len(kinds))
