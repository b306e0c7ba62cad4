"""The keys that say how accounts may be moved: all in ``defaults``, each in its own entry."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Literal, get_args

from rebalancer.core.policy import Fx, OrderType, Policy, Urgency
from rebalancer.settings.kinds import boolean, integer, key, number, one_of, percent
from rebalancer.settings.rails import RAIL_KEYS, RailKeys

#: A sum other than 1 is refused, leaves cash (and above 1 is refused), or is scaled to 1.
SumRule = Literal["refuse", "cash", "normalise"]
ORDER_TYPES: tuple[OrderType, ...] = get_args(OrderType)
FX: tuple[Fx, ...] = get_args(Fx)


@dataclass(frozen=True, slots=True)
class PolicyKeys(RailKeys):
    """The keys of a policy, in ``defaults`` and in every account; ``None`` is not written.

    Percentages are as written here (``1`` is one percent); ``Policy`` has fractions.
    """

    cash_reserve_percent: Decimal | None = key(
        percent("99"), default=None, about="Share of NetLiquidation that buys never touch."
    )
    order_type: OrderType | None = key(
        one_of(*ORDER_TYPES),
        default=None,
        about="How orders are worked: LMT, MKT, ADAPTIVE, MOC or LOC.",
    )
    urgency: Urgency | None = key(
        one_of("urgent", "normal", "patient"),
        default=None,
        about="How hard an ADAPTIVE order tries to fill.",
    )
    reprice_times: int | None = key(
        integer(0, 20),
        default=None,
        about="How often an unfilled limit is moved on within the collar.",
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
    fx: Fx | None = key(
        one_of(*FX),
        default=None,
        about="Buys in a currency that is short: refuse, auto-convert, or margin (IBKR lends).",
    )
    extended_hours: bool | None = key(
        boolean, default=None, about="Also trade outside regular hours."
    )
    approval: Literal["none", "required"] | None = key(
        one_of("none", "required"),
        default=None,
        about="required: a person agrees to each plan before it trades.",
    )
    approval_expires_minutes: int | None = key(
        integer(1, 43_200), default=None, about="How long a plan waits for that and holds then."
    )
    approval_tolerance_percent: Decimal | None = key(
        percent(), default=None, about="How far prices and cash may move in between."
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

    targets_sum: SumRule | None = key(
        one_of("refuse", "cash", "normalise"),
        default=None,
        about="""Weights that do not sum to 1: cash leaves the rest in cash and refuses more
            than 1, refuse takes 1 only, normalise scales them.""",
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


#: The keys that are a policy's.
KEYS = tuple(f.name for f in fields(PolicyKeys) if f.name != "targets_sum")
