"""How far holdings are from a target: weights as a plan would see them, and no plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from rebalancer.core.account import Account, Instrument, Quote
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.survey import survey
from rebalancer.core.target import Target
from rebalancer.targets.holdings import counted, sources

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Row:
    """One symbol. Weights are shares of ``Drift.base``."""

    symbol: str
    held: Decimal
    weight: Decimal
    #: What a plan would aim at: less where holdings stand for it, and scaled for the reserve.
    target_weight: Decimal
    off: Decimal
    band: Decimal
    inside_band: bool
    #: The symbol that it counts towards, if a replacement set replaces it.
    counts_as: str = ""
    #: Why its weight is only as good as that.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """All of it. ``drift`` is what is above target or below it, whichever is more."""

    base: Decimal
    cash_weight: Decimal
    drift: Decimal
    rows: tuple[Row, ...]


def drift(account: Account, target: Target, policy: Policy) -> Drift:
    """Compare what is held with what should be.

    Raises:
        StaleDataError, UnknownInstrumentError, PermanentError: as ``core.survey.survey``.
    """
    policy = replace(policy, allow_delayed_prices=True)
    replaced = sources(account, target)
    unpriced = target.weights.keys() - account.quotes.keys()
    account = _with_placeholders(account, unpriced)
    aimed, bound = counted(account, target, policy)
    found = survey(account, aimed, bound)
    if found.base <= 0:
        return Drift(found.base, _ZERO, _ZERO, ())
    rows = []
    columns = zip(found.symbols, found.counted, found.worth, found.weights, strict=True)
    for symbol, held, worth, wanted in columns:
        weight, goal = held * worth / found.base, wanted * found.scale
        band = bound.bounds.get(symbol, Bounds()).drift_band
        band = bound.drift_band if band is None else band
        off = weight - goal
        rows.append(
            Row(
                symbol,
                held,
                weight,
                goal,
                off,
                band,
                inside_band=goal > 0 and band > 0 and abs(off) <= band,
                counts_as=replaced[symbol].symbol if symbol in replaced else "",
                note="not in the snapshot" if symbol in unpriced else "",
            )
        )
    total = sum((abs(row.off) for row in rows), _ZERO)
    moved = abs(sum((row.off for row in rows), _ZERO))
    return Drift(found.base, found.cash / found.base, (total + moved) / 2, tuple(rows))


def _with_placeholders(account: Account, symbols: set[str]) -> Account:
    """The account with any price for what it does not hold: a weight of 0 has none."""
    quotes, instruments = dict(account.quotes), dict(account.instruments)
    for number, symbol in enumerate(sorted(symbols)):
        one = Decimal(1)
        quotes[symbol] = Quote(one, None, None, None, "live", account.taken_at)
        instruments[symbol] = Instrument(
            symbol, -1 - number, symbol, "STK", account.currency, "", "", one, "", "", ""
        )
    return replace(account, quotes=quotes, instruments=instruments)
