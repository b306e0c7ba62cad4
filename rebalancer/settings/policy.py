"""The keys that say how accounts may be moved: all in ``defaults``, each in its own entry."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Literal

from rebalancer.core.policy import Policy
from rebalancer.settings.kinds import boolean, key, number, one_of, percent
from rebalancer.settings.rails import RAIL_KEYS, RailKeys


@dataclass(frozen=True, slots=True)
class PolicyKeys(RailKeys):
    """The keys of a policy, in ``defaults`` and in every account; ``None`` is not written.

    Percentages are as written here (``1`` is one percent); ``Policy`` has fractions.
    """

    cash_reserve_percent: Decimal | None = key(
        percent("99"), default=None, about="Share of NetLiquidation that buys never touch."
    )
    order_type: Literal["LMT", "MKT"] | None = key(
        one_of("LMT", "MKT"), default=None, about="Limit at price plus slippage, or market."
    )
    slippage_percent: Decimal | None = key(
        percent("20"),
        default=None,
        about="How far from the reference price an order may fill; buys are sized for it.",
    )
    unlisted: Literal["keep", "liquidate"] | None = key(
        one_of("keep", "liquidate"), default=None, about="Stocks the target does not name."
    )
    min_order_value: Decimal | None = key(
        number("an amount of at least 0"), default=None, about="Smaller orders are not sent."
    )
    max_turnover_percent: Decimal | None = key(
        percent("200"),
        default=None,
        about="A plan shrinks to this much bought and sold together, of NetLiquidation.",
    )
    drift_band_percent: Decimal | None = key(
        percent(), default=None, about="A symbol this close to its target is left alone."
    )
    extended_hours: bool | None = key(
        boolean, default=None, about="Also trade outside regular hours."
    )
    open_orders: Literal["cancel", "respect", "refuse"] | None = key(
        one_of("cancel", "respect", "refuse"),
        default=None,
        about="The account's other working orders: cancel, plan around, or do not run.",
    )
    allow_delayed_prices: bool | None = key(
        boolean, default=None, about="Size on delayed prices when live ones are not subscribed."
    )
    what_if: bool | None = key(
        boolean,
        default=None,
        about="Ask for margin and cost before sending: a round trip for each order.",
    )
    wash_sale_guard: bool | None = key(
        boolean,
        default=None,
        about="Do not buy what any account of its type sold at a loss within 30 days.",
    )
    avoid_short_term_gains: bool | None = key(
        boolean, default=None, about="Do not sell at a gain what was bought within a year."
    )

    def over(self, base: Policy) -> Policy:
        """Return ``base`` with every key that was written put over it."""
        written = {
            key_name.removesuffix("_percent"): value / 100
            if key_name.endswith("_percent")
            else value
            for key_name in KEYS
            if key_name not in RAIL_KEYS and (value := getattr(self, key_name)) is not None
        }
        return replace(base, **written, limits=self.limits_over(base.limits))


KEYS = tuple(declared.name for declared in fields(PolicyKeys))
