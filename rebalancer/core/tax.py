"""Taxes as bounds: what had better not be bought, or sold, for what was traded lately.

Two rules, both off unless the account's policy asks for them:

- wash sales: a loss is not deductible if the same security is bought within 30 days before or
  after the sale, in any account of the taxpayer (26 U.S.C. 1091, IRS Publication 550). So what
  was sold at a loss is not bought back for that long. The days *before* a sale are not guarded.
- short-term gains: what was held for a year or less is taxed as ordinary income (26 U.S.C.
  1222). So a symbol bought within that time is not sold while it is worth more than it cost.

The gateway tells an average cost and no lots, and the memory holds our own trades only: these
bounds are cautious guesses, no tax advice. docs/explanation/taxes.md says what they miss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from rebalancer.core.account import Account
from rebalancer.core.plan import Plan
from rebalancer.core.policy import Bounds, Policy
from rebalancer.core.survey import survey
from rebalancer.core.target import Substitute, Target
from rebalancer.core.trades import SHORT_TERM_SECONDS, WASH_SECONDS, Trade

_ZERO = Decimal(0)
_STEP = Decimal("1e-12")


class Ban(NamedTuple):
    """Why a symbol is not to be bought, and not to be sold; '' where it may be."""

    no_buy: str = ""
    no_sell: str = ""


def washed(memory: Iterable[Trade], now: float) -> Mapping[int, str]:
    """Why a contract may not be bought for its having been sold at a loss, by conId."""
    latest: dict[int, Trade] = {}
    for trade in memory:
        lossy = trade.action == "SELL" and trade.lost != 0
        if lossy and now - trade.at < WASH_SECONDS:
            known = latest.get(trade.con_id)
            latest[trade.con_id] = trade if known is None or trade.at > known.at else known
    return {
        con_id: f"{trade.account_id} sold it at a loss on {_date(trade.at)}, free again on "
        f"{_date(trade.at + WASH_SECONDS)} (wash_sale_guard)"
        for con_id, trade in latest.items()
    }


def young_gains(account: Account, memory: Iterable[Trade], now: float) -> Mapping[int, str]:
    """Why a holding should not be sold for its being young and worth more than it cost."""
    bought: dict[int, float] = {}
    for trade in memory:
        if trade.action == "BUY" and trade.account_id == account.account_id:
            bought[trade.con_id] = max(trade.at, bought.get(trade.con_id, trade.at))
    found = {}
    for position in account.positions:
        at, quote = bought.get(position.con_id), account.quotes.get(position.symbol)
        if at is None or quote is None or now - at >= SHORT_TERM_SECONDS:
            continue
        if quote.price > position.avg_cost:
            found[position.con_id] = (
                f"bought on {_date(at)} and a gain: short-term until "
                f"{_date(at + SHORT_TERM_SECONDS)} (avoid_short_term_gains)"
            )
    return found


def bans(
    account: Account, memory: Iterable[Trade], policy: Policy, now: float
) -> Mapping[str, Ban]:
    """What the account's policy bars of its instruments, by symbol."""
    trades = tuple(memory)
    buys = washed(trades, now) if policy.wash_sale_guard else {}
    sells = young_gains(account, trades, now) if policy.avoid_short_term_gains else {}
    return {
        symbol: Ban(buys.get(i.con_id, ""), sells.get(i.con_id, ""))
        for symbol, i in account.instruments.items()
        if i.con_id in buys or i.con_id in sells
    }


def bounded(policy: Policy, banned: Mapping[str, Ban]) -> Policy:
    """The policy with what is banned among its bounds."""
    bounds = dict(policy.bounds)
    for symbol, ban in banned.items():
        known = bounds.get(symbol, Bounds())
        bounds[symbol] = replace(
            known,
            no_buy=known.no_buy or bool(ban.no_buy),
            no_sell=known.no_sell or bool(ban.no_sell),
        )
    return replace(policy, bounds=bounds)


def substituted(
    account: Account,
    target: Target,
    policy: Policy,
    banned: Mapping[str, Ban],
    substitutes: Mapping[str, Substitute],
    aside: Decimal = _ZERO,
) -> tuple[Target, Mapping[str, Ban]]:
    """Aim at a substitute with what a banned symbol lacks; what is held of it is kept.

    A substitute that is banned itself is none; ``aside`` is cash that no target applies to.
    Returns the target and the bans to plan with.
    """
    wanted = {
        s: substitutes[s]
        for s in target.weights
        if s in substitutes and s in banned and banned[s].no_buy
    }
    if not wanted:
        return target, banned
    found = survey(account, target, policy, aside=aside)
    if found.base <= 0:
        return target, banned
    columns = zip(found.symbols, found.counted, found.worth, strict=True)
    shares = {s: max(held, _ZERO) * worth / found.base for s, held, worth in columns}
    weights, bars, told = dict(target.weights), dict(banned), []
    for symbol, substitute in wanted.items():
        name = _name(substitute.symbol, symbol, weights, account)
        kept = min(shares[symbol], weights[symbol]).quantize(_STEP, ROUND_DOWN)
        missing = weights[symbol] - kept
        if missing <= 0 or name is None or (name in banned and banned[name].no_buy):
            continue
        room = 1 - sum(weights.values(), _ZERO) + missing
        weights[symbol] = kept
        weights[name] = weights.get(name, _ZERO) + min(missing * substitute.scale, room)
        why = f"{name} is bought instead: {banned[symbol].no_buy}"
        # Scaled for the reserve its weight would be a little less than what is held of it.
        bars[symbol] = Ban(why, why)
        told.append(f"{name} instead of {symbol}")
    if not told:
        return target, banned
    source = f"{target.source}; {', '.join(told)}"
    return replace(target, weights=weights, source=source), bars


def _name(
    substitute: str, symbol: str, weights: Mapping[str, Decimal], account: Account
) -> str | None:
    """The substitute as the target spells it, if it does; ``None`` if it is no other stock."""
    instrument = account.instruments.get(substitute)
    if instrument is None or substitute not in account.quotes:
        return None
    con_id = instrument.con_id
    if con_id == account.instruments[symbol].con_id:
        return None
    same = (s for s in weights if account.instruments[s].con_id == con_id)
    return next(same, substitute)


def explained(planned: Plan, banned: Mapping[str, Ban]) -> Plan:
    """The plan with the reasons in the notes of what it leaves alone for them."""
    if not banned:
        return planned
    lines = []
    for line in planned.lines:
        ban = banned.get(line.symbol)
        if ban is not None and not line.trade:
            if ban.no_buy == ban.no_sell:
                line = line._replace(note=f"no-buy: {ban.no_buy}")  # noqa: PLW2901
            elif line.note in {"no-buy", "no-sell"}:
                why = ban.no_buy if line.note == "no-buy" else ban.no_sell
                line = line._replace(note=f"{line.note}: {why}" if why else line.note)  # noqa: PLW2901
        lines.append(line)
    return replace(planned, lines=tuple(lines))


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
