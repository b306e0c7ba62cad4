"""What IBKR charges for a stock order, as far as a plan can know it beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Schedule:
    """``per_share``, but at least ``least`` an order and at most ``most_per_share``.

    All in the account's base currency.
    """

    per_share: Decimal
    least: Decimal
    most_per_share: Decimal


#: IBKR Pro, fixed, United States: USD 0.005 a share, at least USD 1, at most 1% of the value.
#: https://www.interactivebrokers.com/en/pricing/commissions-stocks.php
_US_SHARE, _US_LEAST, _US_MOST = Decimal("0.005"), Decimal(1), Decimal("0.01")
#: Elsewhere IBKR's fixed prices differ by exchange; a usual one is 0.05% of the value, at
#: least 3 units of the currency. It only sizes the plan; what was charged is in the fills.
_OTHER_VALUE, _OTHER_LEAST = Decimal("0.0005"), Decimal(3)


def schedule(currency: str, price: Decimal, rate: Decimal) -> Schedule:
    """Return what a stock at ``price`` costs to trade; ``rate`` is base currency per unit."""
    value = price * rate
    if currency == "USD":
        return Schedule(_US_SHARE * rate, _US_LEAST * rate, _US_MOST * value)
    share = _OTHER_VALUE * value
    return Schedule(share, _OTHER_LEAST * rate, _OTHER_LEAST * rate + share)
