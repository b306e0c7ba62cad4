"""What a plan says, line by line. ``core/plan.py`` makes it.

A plan has hundreds of lines, and most readers look at a few. So only what had to be decided
is stored; values, weights, limits and sums are worked out, in Decimals, when asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import NamedTuple

from rebalancer.core.execution import LIMITED
from rebalancer.core.policy import OrderType
from rebalancer.core.request import ANYTHING, Aim
from rebalancer.core.target import Target

_RATIO = Context(prec=10)
_ZERO = Decimal(0)
_FOUR_PLACES = Decimal("0.0001")
_CENT = Decimal("0.01")


class Terms(NamedTuple):
    """What all lines of a plan with one style of order have in common."""

    #: The value the weights apply to.
    base: Decimal
    #: What the target's weights are multiplied by to leave room for the reserve.
    scale: Decimal
    #: How far from its reference price an order may fill, as a fraction.
    slippage: Decimal
    order_type: OrderType


class PlanLine(NamedTuple):
    """One symbol. Values are account currency, weights and drift shares of ``Plan.base``."""

    symbol: str
    con_id: int
    #: Shares held; respected working orders count as filled.
    held: Decimal
    #: Signed whole shares to trade; 0 leaves it alone.
    trade: int
    #: Reference price and price step, in the instrument's currency.
    price: Decimal
    tick: Decimal
    #: Account currency per unit of the instrument's.
    rate: Decimal
    #: The target's own weight.
    weight: Decimal
    #: In ten-thousandths: shares the continuous optimum would hold, and the commission.
    ideal_parts: int
    commission_parts: int
    terms: Terms
    #: Why it is not traded although off target ("inside band", "no-sell", …); '' otherwise.
    note: str = ""

    @property
    def order_type(self) -> OrderType:
        """How its order is to be worked."""
        return self.terms.order_type

    @property
    def ideal(self) -> Decimal:
        """Shares the continuous optimum would hold."""
        return self.ideal_parts * _FOUR_PLACES

    @property
    def est_commission(self) -> Decimal:
        """What the order is expected to cost."""
        return self.commission_parts * _FOUR_PLACES

    @property
    def target_weight(self) -> Decimal:
        """What is aimed at: the target's weight, scaled to leave room for the reserve."""
        scale = self.terms.scale
        return self.weight if scale == 1 else _RATIO.multiply(self.weight, scale)

    @property
    def worst_price(self) -> Decimal:
        """The worst price the order may fill at, in the instrument's currency.

        As a limit it is rounded to the price step, towards the reference price. So the
        allowance is never exceeded; and an ask (for a sell, a bid) within the allowance lies
        on a step itself, so that it is reached.
        """
        terms = self.terms
        if terms.order_type not in LIMITED:
            return self.price * (1 + terms.slippage if self.trade > 0 else 1 - terms.slippage)
        if self.trade > 0:
            dearest = self.price * (1 + terms.slippage)
            return dearest - dearest % self.tick
        cheapest = self.price * (1 - terms.slippage)
        beyond = cheapest % self.tick
        return cheapest - beyond + self.tick if beyond else cheapest

    @property
    def limit_price(self) -> Decimal | None:
        """The farthest limit the order may have; ``None`` for a market order, or for none."""
        limited = self.trade and self.terms.order_type in LIMITED
        return self.worst_price if limited else None

    @property
    def value_before(self) -> Decimal:
        """What is held is worth."""
        return self.held * self.price * self.rate

    @property
    def value_after(self) -> Decimal:
        """What will be held is worth, at the reference price."""
        return (self.held + self.trade) * self.price * self.rate

    @property
    def weight_before(self) -> Decimal:
        """Share of the base that is held."""
        return _RATIO.divide(self.value_before, self.terms.base)

    @property
    def weight_after(self) -> Decimal:
        """Share of the base that will be held."""
        return _RATIO.divide(self.value_after, self.terms.base)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to trade and what it achieves. Deterministic; ``hash`` names its content."""

    account_id: str
    currency: str
    net_liquidation: Decimal
    #: The value the weights apply to: NetLiquidation less everything that is left alone.
    base: Decimal
    #: Cash that is left alone, with what is to be set aside.
    reserve: Decimal
    lines: tuple[PlanLine, ...]
    drift_before: Decimal
    drift_after: Decimal
    #: Drift after this plan less drift after the best plan with fractional shares, >= 0.
    gap: Decimal
    cash_before: Decimal
    #: Cash once respected working orders have filled; and when their sells do not, and their
    #: buys fill at their dearest.
    cash_expected: Decimal
    cash_sure: Decimal
    target: Target
    aim: Aim = ANYTHING

    @property
    def aside(self) -> Decimal:
        """Cash that is to be there besides the account's own reserve."""
        return self.aim.aside

    @property
    def lacking(self) -> Decimal:
        """What is not there of that at worst, although all was sold that may be."""
        short = self.reserve - self.cash_worst
        return short if self.aside and short >= _CENT else _ZERO

    @property
    def sells(self) -> tuple[PlanLine, ...]:
        """Lines that sell."""
        return tuple(line for line in self.lines if line.trade < 0)

    @property
    def buys(self) -> tuple[PlanLine, ...]:
        """Lines that buy."""
        return tuple(line for line in self.lines if line.trade > 0)

    @property
    def est_commission(self) -> Decimal:
        """What all orders are expected to cost."""
        return sum(line.commission_parts for line in self.lines) * _FOUR_PLACES

    @property
    def cash_after(self) -> Decimal:
        """Cash after every order fills at its reference price."""
        traded = [line for line in self.lines if line.trade]
        taken = (line.trade * line.price * line.rate for line in traded)
        return self.cash_expected - sum(taken, _ZERO) - self.est_commission

    @property
    def cash_worst(self) -> Decimal:
        """Cash after every order fills at the worst price it may."""
        traded = [line for line in self.lines if line.trade]
        taken = (line.trade * line.worst_price * line.rate for line in traded)
        return self.cash_sure - sum(taken, _ZERO) - self.est_commission

    @property
    def target_hash(self) -> str:
        """Names the weights that were aimed at."""
        return self.target.hash

    @property
    def hash(self) -> str:
        """Twelve hex digits that name what is to be traded, and what that is planned on."""
        named = (self.account_id, self.currency, self.target.hash)
        money = (self.net_liquidation, self.base, self.reserve, self.cash_before)
        rows = [
            (x.symbol, x.con_id, x.trade, x.limit_price, x.held, x.price, x.rate)
            for x in self.lines
        ]
        text = "\n".join(" ".join(map(_plainly, row)) for row in (named, money, *rows))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plainly(value: object) -> str:
    """A value as text; numbers that are equal read alike, ``1.50`` as ``1.5``."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
