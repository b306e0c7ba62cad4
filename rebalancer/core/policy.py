"""How an account may be moved towards its target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from rebalancer.core.limits import Limits

OrderType = Literal["LMT", "MKT", "ADAPTIVE", "MOC", "LOC"]
Urgency = Literal["urgent", "normal", "patient"]
Fx = Literal["refuse", "auto-convert", "margin"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the planner must not do with one symbol."""

    no_buy: bool = False
    no_sell: bool = False
    #: Overrides the account's band; ``None`` keeps it.
    drift_band: Decimal | None = None
    #: Overrides the account's; ``None`` keeps it.
    order_type: OrderType | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Fractions are of 1 (``Decimal("0.01")`` is one percent); money is account currency."""

    #: Share of NetLiquidation that buys may never touch.
    cash_reserve: Decimal = Decimal("0.01")
    #: How far above (buy) or below (sell) the reference price an order may fill.
    slippage: Decimal = Decimal("0.005")
    order_type: OrderType = "LMT"
    #: How hard IBKR's Adaptive algorithm tries to fill.
    urgency: Urgency = "normal"
    #: How often a limit is moved towards the edge of the collar before the order is given up.
    reprice_times: int = 2
    #: Positions in stocks the target does not name.
    unlisted: Literal["keep", "liquidate"] = "keep"
    #: Orders worth less are not sent.
    min_order_value: Decimal = Decimal(0)
    #: Largest sum of bought and sold value in one plan, as a share of NetLiquidation.
    max_turnover: Decimal | None = None
    #: A symbol within this distance of its target weight is left alone.
    drift_band: Decimal = Decimal(0)
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    #: Buys in a currency of which there is not enough: none are made, or the rest is converted
    #: first, or IBKR lends it.
    fx: Fx = "refuse"
    #: Allow orders in trading hours outside the liquid (regular) ones.
    extended_hours: bool = False
    #: Whether a person has to agree to each plan, for how long their agreement holds, and how
    #: far prices and cash may move meanwhile.
    approval: Literal["none", "required"] = "none"
    approval_expires_minutes: int = 1440
    approval_tolerance: Decimal = Decimal("0.01")
    #: The account's other working orders: cancel them, plan around them, or refuse to run.
    open_orders: Literal["cancel", "respect", "refuse"] = "cancel"
    #: Size on delayed prices when live ones are not subscribed.
    allow_delayed_prices: bool = False
    #: What no order may exceed; unlike everything above, it never shapes a plan.
    limits: Limits = field(default_factory=Limits)
    #: Ask the gateway what the orders would do to margin and cost before they are sent.
    what_if: bool = False
    #: Do not buy what was sold at a loss within 30 days; do not sell young gains.
    wash_sale_guard: bool = False
    avoid_short_term_gains: bool = False

    def order_type_of(self, symbol: str) -> OrderType:
        """Return how an order in ``symbol`` is to be worked."""
        bounds = self.bounds.get(symbol)
        return self.order_type if bounds is None else bounds.order_type or self.order_type

    def buying_only(self, symbols: Iterable[str]) -> Policy:
        """Return this policy with none of ``symbols`` to be sold.

        A plan made under it spends the cash that is there, never the proceeds of a sell.
        """
        bounds = {s: replace(self.bounds.get(s, Bounds()), no_sell=True) for s in symbols}
        return replace(self, bounds={**self.bounds, **bounds})

    def buying_none_of(self, symbols: Iterable[str]) -> Policy:
        """Return this policy with none of ``symbols`` to be bought."""
        bounds = {s: replace(self.bounds.get(s, Bounds()), no_buy=True) for s in symbols}
        return replace(self, bounds={**self.bounds, **bounds})
